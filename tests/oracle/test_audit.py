"""``benchmarks/audit.py`` has the mathematics right, by itself, and names results that break the contract."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.functions.catalogue import CATALOGUE

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "audit.py"
INPUTS = (-30.3, -8.7, -4.1, -2.3, -1.7, -0.93, -0.41, -0.07, 0.03, 0.6, 1.23, 1.6, 2.9, 4.4, 8.8, 31.0)
PARAMS = {
    "negative_slope": Fraction(1, 8), "weight": Fraction(3, 4), "threshold": Fraction(1), "value": Fraction(1, 2),
    "min": Fraction(-1), "max": Fraction(3, 2), "lambd": Fraction(1, 2), "alpha": Fraction(3, 2), "beta": Fraction(2),
    "b": Fraction(4),
}  # fmt: skip
"""None of them a default that a formula could forget."""
NAMES = [function.name for function in CATALOGUE if function.rounds_to is None]


@pytest.fixture(scope="module")
def audit() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[spec.name]
        sys.modules.pop("audit_formulas", None)
        sys.path.remove(str(SCRIPT.parent))


def test_every_catalogued_function_is_written_out(audit: ModuleType) -> None:
    assert sorted(audit.FUNCTIONS) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_closed_forms_are_derivatives_of_one_another(audit: ModuleType, name: str) -> None:
    jet = audit.FUNCTIONS[name]
    with mpmath.workprec(300):
        params = {k: audit.PRECISE.real(v) for k, v in PARAMS.items()}
        for x in INPUTS:
            if name == "log1p" and x < -1:
                continue
            values = jet(audit.PRECISE, mpmath.mpf(x), params)
            for order in range(3):
                slope = mpmath.diff(lambda t, n=order: jet(audit.PRECISE, t, params)[n], mpmath.mpf(x))
                scale = abs(values[order + 1]) + abs(values[order])
                assert abs(slope - values[order + 1]) <= scale * mpmath.mpf(10) ** -60, (x, order)


VALUES = {
    "gelu": lambda x: x * mpmath.ncdf(x), "mish": lambda x: x * mpmath.tanh(mpmath.log(1 + mpmath.exp(x))),
    "tanhshrink": lambda x: x - mpmath.tanh(x), "squareplus": lambda x: (x + mpmath.sqrt(x * x + 4)) / 2,
    "quick_gelu": lambda x: x / (1 + mpmath.exp(-mpmath.mpf("1.702") * x)),
    "gelu_tanh": lambda x: x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))),
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(2 * x)) / 2, "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "logsigmoid": lambda x: -mpmath.log(1 + mpmath.exp(-x)), "tanh": mpmath.tanh,
    "softsign": lambda x: x / (1 + abs(x)),
    "celu": lambda x: max(x, 0) + min(0, mpmath.mpf(3) / 2 * mpmath.expm1(x / mpmath.mpf("1.5"))),
    "elu": lambda x: x if x > 0 else mpmath.mpf(3) / 2 * mpmath.expm1(x),
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "hardsigmoid": lambda x: min(max(x + 3, mpmath.mpf(0)), 6) / 6,
}  # fmt: skip
"""As their authors wrote them, with the digits to spare that cancel."""


@pytest.mark.parametrize("name", VALUES)
def test_the_values_are_those_of_the_published_formulas(audit: ModuleType, name: str) -> None:
    with mpmath.workprec(4000):
        params = {k: audit.PRECISE.real(v) for k, v in PARAMS.items()}
        for x in map(mpmath.mpf, INPUTS):
            value, due = audit.FUNCTIONS[name](audit.PRECISE, x, params)[0], VALUES[name](x)
            assert abs(value - due) <= abs(due) * mpmath.mpf(10) ** -60, x


def question(audit: ModuleType, name: str, layout: str, order: int, count: int = 3000) -> Any:
    params = {k: v for k, v in PARAMS.items() if k in next(f for f in CATALOGUE if f.name == name).params}
    return audit.Question(name, params, audit.LAYOUTS[layout], order, count, 100, 3)


def rounded(audit: ModuleType, asked: Any) -> Any:
    with np.errstate(all="ignore"):
        return asked.due[0].astype(asked.layout.kind)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("layout", ["float32", "float64"])
@pytest.mark.parametrize("name", ["erfc", "gelu", "mish", "tanhshrink", "exp", "squareplus", "clamp", "gelu_tanh"])
def test_rounded_values_are_passed_and_the_estimate_is_as_good_as_mpmath(
    audit: ModuleType, name: str, layout: str, order: int
) -> None:
    asked = question(audit, name, layout, order)
    outcome = audit.judged(asked, rounded(audit, asked), False, False, 50)
    assert asked.ordinals.size > 2500
    assert outcome.worst < 0.26  # half an ulp of an order whose bound is four, and what 80 bits miss
    assert outcome.missed < 2.0**-8
    assert outcome.over == 0


@pytest.mark.parametrize("fault", ["zero", "nan", "inf", "opposite", "ulps"])
@pytest.mark.parametrize("layout", ["float32", "float64"])
def test_one_wrong_result_is_named_with_its_input(audit: ModuleType, layout: str, fault: str) -> None:
    asked = question(audit, "silu", layout, 1)
    got = rounded(audit, asked)
    row = int(np.argmin(np.abs(asked.numbers - 2.0)))
    far = got[row] + 40 * np.spacing(got[row])
    got[row] = {"zero": 0, "nan": np.nan, "inf": np.inf, "opposite": -got[row], "ulps": far}[fault]
    outcome = audit.judged(asked, got, True, True, 50)
    assert outcome.worst > 1
    assert outcome.x == asked.numbers[row]
    assert outcome.over == 1


def test_infinity_is_due_beyond_the_greatest_number_and_nowhere_else(audit: ModuleType) -> None:
    asked = question(audit, "exp", "float32", 0)
    got = rounded(audit, asked)
    infinite = np.flatnonzero(np.isinf(got))
    assert infinite.size > 100
    beyond, before = got.copy(), got.copy()
    beyond[infinite[0]] = np.finfo(np.float32).max
    before[infinite[0] - 1] = np.inf
    assert [audit.judged(asked, g, False, False, 50).worst for g in (got, beyond, before)] == [
        pytest.approx(0, abs=0.26), np.inf, np.inf,
    ]  # fmt: skip


def test_flushing_excuses_subnormal_numbers_alone(audit: ModuleType) -> None:
    asked = question(audit, "exp", "float32", 0)
    got = rounded(audit, asked)
    tiny = np.finfo(np.float32).tiny
    subnormal = np.flatnonzero((got > 0) & (got < tiny / 4))  # beyond what an ulp of the input explains
    assert subnormal.size > 10
    flushed = np.where(got < tiny, 0, got).astype(np.float32)
    assert audit.judged(asked, flushed, True, False, 50).worst < 1
    assert audit.judged(asked, flushed, False, False, 50).worst > 1
    flushed[np.flatnonzero(got >= 2 * tiny)[0]] = 0
    assert audit.judged(asked, flushed, True, False, 50).worst > 1


def test_the_exit_status_counts_the_cells_that_break_the_contract(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = {
        "function": "tanh", "params": {}, "implementation": "gradproof.backends.reference_numpy.tanh",
        "backend": "numpy", "device": "cpu", "mode": "eager", "format": "float32", "order": 0,
        "property": "accuracy", "status": "pass",
    }  # fmt: skip
    cells = [cell, {**cell, "order": 1}, {**cell, "status": "known"}, {**cell, "property": "shape"}]
    file = tmp_path / "results.json"
    file.write_text(json.dumps({"schema": audit.SCHEMA, "cells": cells}), "utf-8")
    monkeypatch.setattr(sys, "argv", ["audit.py", str(file), "--inputs", "2000", "--exact", "50"])
    assert audit.main() == 0
    assert "2 passes audited" in capsys.readouterr().out

    honest = audit.results_of

    def wrong(cell: dict[str, Any], asked: Any) -> Any:
        got, *traits = honest(cell, asked)
        return got * np.float32(1.01) if cell["order"] else got, *traits

    monkeypatch.setattr(audit, "results_of", wrong)
    assert audit.main() == 1
    out = capsys.readouterr().out
    assert "tanh {} numpy eager float32 1:" in out
    assert "2 passes audited" in out
