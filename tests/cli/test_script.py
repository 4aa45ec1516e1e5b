"""The stand-alone script: its mathematics agrees with the certified oracle, and it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import mpmath
import pytest

from gradproof.backends import get_backend
from gradproof.cli.script import _mathematics
from gradproof.cli.script_tables import FORMULAS
from gradproof.engine.plan import Task
from gradproof.formats import FLOAT32, FORMATS
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.oracle import Oracle
from gradproof.oracle.dyadic import Dyadic
from tests.cli.conftest import Invoke

INPUTS = (
    -3.0e38,
    -1e10,
    -104.0,
    -37.5,
    -5.5,
    -1.0,
    -0.7517915,
    -1e-3,
    -1e-30,
    1e-45,
    1e-3,
    0.5,
    1.0,
    5.5,
    40.0,
    1e6,
    3.0e38,
)


def mathematics(function: Function, bits: int, order: int) -> Any:
    """``expected`` as the script computes it."""
    (implementation, *_) = [i for i in get_backend("numpy").catalogue() if i.function == function.name]
    task = Task(function, implementation, "numpy:cpu", "eager", FLOAT32.name, order, "accuracy")
    context = mpmath.mp.clone()
    context.prec = 1024
    names: dict[str, Any] = {"mp": context}
    exec("\n".join(_mathematics(task, FLOAT32, bits)), names)
    return names["expected"], context


def exact(value: Dyadic, context: Any) -> Any:
    return context.ldexp(context.mpf(value.man), value.exp)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("function", [*CATALOGUE, get_function("elu", {"alpha": 2.0})], ids=lambda f: f.label)
def test_the_formulas_lie_in_the_oracles_enclosures(function: Function, order: int) -> None:
    oracle = Oracle(function)
    for value in INPUTS:
        bits = FLOAT32.round(FLOAT32.value(FLOAT32.parse_bits(hex(_bits(value)))))
        due = oracle.certified(bits, FLOAT32, order)
        if due.kind == "undefined":
            continue
        assert due.lower is not None
        assert due.upper is not None
        expected, context = mathematics(function, bits, order)
        room = abs(expected) * context.mpf(2) ** -200
        assert exact(due.lower, context) - room <= expected <= exact(due.upper, context) + room, value


def _bits(value: float) -> int:
    """The float32 nearest to ``value``, by the struct module."""
    import struct

    return int.from_bytes(struct.pack(">f", value), "big")


def test_every_catalogued_function_has_its_formulas() -> None:
    assert set(FORMULAS) == {f.name for f in CATALOGUE}


def run(folder: Path, text: str) -> dict[str, str]:
    """What a script prints, by its first word."""
    file = folder / "shown.py"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {word: rest.strip() for word, _, rest in (line.partition(" ") for line in done.stdout.splitlines())}


@pytest.mark.parametrize(
    ("fmt", "bits", "order", "due"),
    [
        ("bfloat16", "0xc000", 1, 0.1353352832366127),  # alpha e^-2 with alpha 1
        ("float64", "0xc000000000000000", 0, -0.8646647167633873),  # e^-2 - 1
        ("float32", "0xff800000", 0, -1.0),  # the limit at -infinity
    ],
)
def test_a_numpy_script_runs_alone(
    gradproof: Invoke, folder: Path, fmt: str, bits: str, order: int, due: float
) -> None:
    made = gradproof(
        "repro",
        "elu",
        "--backend",
        "numpy",
        "--format",
        fmt,
        "--order",
        str(order),
        "--bits",
        bits,
        "--script",
    )
    assert made.exit_code == 0, made.stderr
    shown = run(folder, made.stdout)
    assert float(shown["expected"]) == pytest.approx(due, rel=1e-15)
    assert abs(float(shown["got"]) - due) <= abs(due) * 2.0 ** (1 - FORMATS[fmt].precision)
    assert shown["error"] == "0.0 ulp" or float(shown["error"].split()[0]) <= 2


def test_a_script_says_that_a_kink_is_a_convention(gradproof: Invoke, folder: Path) -> None:
    made = gradproof(
        "repro",
        "relu",
        "--backend",
        "numpy",
        "--format",
        "float32",
        "--order",
        "1",
        "--bits",
        "0",
        "--script",
    )
    assert run(folder, made.stdout)["expected"] == "a convention"


def test_an_implementation_of_the_users_has_no_script(gradproof: Invoke, wrong: Path) -> None:
    done = gradproof(
        "repro",
        "relu",
        "--file",
        wrong.name,
        "--backend",
        "numpy",
        "--format",
        "bfloat16",
        "--bits",
        "0",
        "--script",
    )
    assert done.exit_code == 4
    assert "leave --script out" in done.stderr
