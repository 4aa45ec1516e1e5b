"""The shipped ledger: its files name what there is, stay short, and list no formula that explains nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradproof.backends import available_backends, get_backend
from gradproof.backends.base import Call
from gradproof.engine.ledger.deviation import Deviation
from gradproof.engine.ledger.explained import subnormals
from gradproof.engine.ledger.files import read_ledger_file
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.engine.surroundings.environment import hardware
from gradproof.errors import Unsupported
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.formats.arrays import Bits
from gradproof.formulas.formula import encloses
from gradproof.formulas.registry import get_formula
from gradproof.oracle.crossings import crossings
from gradproof.strategies import landmark_bits, stratified
from gradproof_properties import properties
from gradproof_properties.ledger import directory

FILES = sorted(directory().glob("*.toml"))
LEDGER: dict[str, list[Deviation]] = {file.stem: read_ledger_file(file) for file in FILES}
EVERY = [d for found in LEDGER.values() for d in found]
PAGE = (Path(__file__).parents[2] / "docs" / "explanations.md").read_text("utf-8")
LINES, FENCED = 1500, 0.05
SAMPLE = 4096


def test_there_is_a_file_for_each_backend_and_it_holds_that_ones_deviations() -> None:
    assert set(LEDGER) == {"jax", "numpy", "torch"}
    for backend, found in LEDGER.items():
        assert {d.backend for d in found} == {backend}
        assert [d.id for d in found if not d.id.startswith(f"{backend}-")] == []
    assert len({d.id for d in EVERY}) == len(EVERY)


def test_the_ledger_can_be_read_in_one_sitting() -> None:
    """Formats, regions, ceilings and inputs follow from formulas; regions with ceilings are for want of one."""
    assert sum(len(file.read_text("utf-8").splitlines()) for file in FILES) <= LINES
    assert sum(bool(d.fences) for d in EVERY) <= FENCED * len(EVERY)


@pytest.mark.parametrize("deviation", EVERY, ids=lambda d: d.id)
def test_a_deviation_names_what_there_is(deviation: Deviation) -> None:
    """Formulas, functions and formats are looked up where the file is read."""
    claims = {p.id: p for p in properties()}
    assert set(deviation.claims) | set(deviation.relations) <= set(claims)
    assert set(deviation.modes) <= set(available_backends()[deviation.backend].modes)
    assert set(deviation.orders) <= {0, 1, 2}
    assert [t for t in deviation.upstream if not re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", t)] == []
    assert len(set(deviation.formulas)) == len(deviation.formulas)
    assert not deviation.recorded or (deviation.hardware and deviation.versions.contains(deviation.recorded))
    for text in (deviation.title, deviation.reason):
        assert text == text.strip() != ""
        assert "TODO" not in text


def on_the_page(language: str) -> str:
    """The first block of code in a language of docs/explanations.md."""
    return PAGE.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_file_that_the_page_shows_is_one_and_the_page_names_every_key(tmp_path: Path) -> None:
    (tmp_path / "torch.toml").write_text(on_the_page("toml"), "utf-8")
    shown = read_ledger_file(tmp_path / "torch.toml")
    assert {d.id for d in shown} <= {d.id for d in EVERY}
    named = set(re.findall(r"`(\w+)`", PAGE)) | set(re.findall(r"^(\w+) = ", PAGE, re.MULTILINE))
    assert {f.name for f in fields(Deviation)} <= named


def test_the_example_of_the_page_holds() -> None:
    code = on_the_page("python")
    assert code.count("assert") == 2
    exec(code, {})


# -- every formula is needed -----------------------------------------------------------------------------


def needed(backend: str) -> list[Any]:
    """Every formula of every deviation of a backend."""
    rows = [(d, formula) for d in LEDGER[backend] for formula in d.formulas]
    return [pytest.param(d, formula, id=f"{d.id}-{formula}") for d, formula in rows]


def shows(deviation: Deviation, identifier: str) -> bool:
    """Whether the formula gives some failing result of the framework, in some format and mode that it is about."""
    formula, backend = get_formula(identifier), get_backend(f"{deviation.backend}:cpu")
    modes = [m for m in deviation.modes or backend.default_modes if backend.mode_availability(m).available]
    if not modes:
        pytest.skip(f"no mode {', '.join(deviation.modes)} here")
    for name in ("bfloat16", "float16", "float32", "float64"):
        if (deviation.formats and name not in deviation.formats) or not formula.applies_to(get_format(name)):
            continue
        for index in (i for i, made in enumerate(backend.catalogue()) if made.function == formula.function):
            for mode in modes:
                for probe, bits, got in failing(backend.id, index, name, mode, formula.order, deviation):
                    params = probe.implementation.params
                    if encloses(formula, bits, got, probe.format, params, subnormals(probe)).any():
                        return True
    return False


def failing(
    backend: str, index: int, fmt: str, mode: str, order: int, deviation: Deviation
) -> Iterator[tuple[Probe, Bits, Bits]]:
    """Inputs whose results are to be explained, and the results: those that break the contract in some layout, or
    where results that keep it break a relation all of them.
    """
    layouts = ("contiguous", "in-place") if "consistency" in deviation.claims else ("contiguous",)
    for layout in layouts:
        found = judged(backend, index, fmt, mode, order, layout)
        if found is not None:
            probe, bits, got, wrong = found
            rows = np.ones(bits.size, bool) if deviation.relations else wrong
            yield probe, bits[rows], got[rows]


@cache
def judged(
    backend: str, index: int, fmt: str, mode: str, order: int, layout: str
) -> tuple[Probe, Bits, Bits, Any] | None:
    """Inputs, results, and which break the contract, of one row of a catalogue; None where there is no such kernel."""
    implementation = get_backend(backend).catalogue()[index]
    function = implementation.specification
    task = Task(function, implementation, backend, mode, fmt, order, "accuracy")
    probe = Probe(task, Selection(profile="quick"))
    bits = fa.all_bits(probe.format) if probe.format.is_16_bit else sample(probe)
    try:
        probe.require(order)
        if layout != "contiguous" and layout not in probe.backend.layouts(implementation, probe.format, order):
            return None
        call = Call(order=order, mode=mode, path=probe.paths[0], layout=layout)
        got = probe.backend.evaluate(implementation, bits, probe.format, call)
    except Unsupported:
        return None
    return probe, bits, got, probe.judge(bits, got, order).failing


def sample(probe: Probe) -> Bits:
    """Even in ordinals, dense among ordinary numbers, landmarks, where values leave the format, NaN and the infinities.

    float32 denser from 1 to 16, where approximations of erf and tanh miss the contract at one input in a thousand.
    """
    fmt = probe.format
    rng = np.random.default_rng(7)
    size = np.exp2(rng.uniform(-10, 10, SAMPLE)) * rng.choice([-1.0, 1.0], SAMPLE)
    parts = [stratified(fmt, SAMPLE, 7), fa.round_values(size, fmt), landmark_bits(probe.function, fmt, 64)]
    if fmt.width == 32:
        dense = np.exp2(rng.uniform(0, 4, 16 * SAMPLE)) * rng.choice([-1.0, 1.0], 16 * SAMPLE)
        parts.append(fa.round_values(dense, fmt))
    leaving = [o + d for o in crossings(probe.oracle, fmt) for d in range(-64, 65) if abs(o + d) <= fmt.max_bits]
    parts.append(np.array([fmt.from_ordinal(o) for o in leaving], parts[0].dtype))
    ends = np.array([fmt.infinity_bits, fmt.infinity_bits | fmt.sign_bit, fmt.nan_bits], parts[0].dtype)
    return np.unique(np.concatenate([*parts, ends]))


def check(deviation: Deviation, formula: str) -> None:
    """Fail where it explains nothing at home; other versions and processors may have other kernels."""
    if shows(deviation, formula):
        return
    backend = get_backend(f"{deviation.backend}:cpu")
    here = backend.versions()[deviation.backend].partition("+")[0], hardware(backend.id)
    if here[0] == deviation.recorded and here[1] in deviation.hardware:
        pytest.fail(f"{formula} explains nothing that {deviation.id} is about")
    pytest.skip(f"{formula} explains nothing with {' on '.join(here)}, but may where {deviation.id} was recorded")


@pytest.mark.framework("torch")
@pytest.mark.parametrize(("deviation", "formula"), needed("torch"))
def test_every_formula_of_torch_is_needed(deviation: Deviation, formula: str) -> None:
    pytest.importorskip("torch")
    check(deviation, formula)


@pytest.mark.framework("jax")
@pytest.mark.parametrize(("deviation", "formula"), needed("jax"))
def test_every_formula_of_jax_is_needed(deviation: Deviation, formula: str) -> None:
    pytest.importorskip("jax")
    check(deviation, formula)
