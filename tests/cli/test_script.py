"""The stand-alone script: its mathematics agrees with the certified oracle, and it runs."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import mpmath
import pytest

from gradproof.backends import Implementation
from gradproof.cli.script import _mathematics
from gradproof.cli.script_tables import FORMULAS
from gradproof.engine.request.task import Task
from gradproof.formats import FLOAT32, FLOAT64, FORMATS, Format
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
    -3.0,
    -1.5,
    -1.0,
    -0.7517915,
    -1e-3,
    -1e-30,
    1e-45,
    1e-3,
    0.5,
    1.0,
    3.0,
    5.5,
    20.0,
    20.5,
    40.0,
    1e6,
    3.0e38,
)
BEYOND_FLOAT32 = (-1.7e308, -745.2, -1e-300, 5e-324, 709.9, 1.7e308)


def mathematics(function: Function, bits: int, fmt: Format, order: int) -> Any:
    """``expected`` as the script computes it, and its context."""
    implementation = Implementation(function.name, "numpy", "not.called", call=abs)
    task = Task(function, implementation, "numpy:cpu", "eager", fmt.name, order, "accuracy")
    context = mpmath.mp.clone()
    context.prec = 1024
    names: dict[str, Any] = {"mp": context}
    exec("\n".join(_mathematics(task, fmt, bits)), names)
    return names["expected"], context


def exact(value: Dyadic, context: Any) -> Any:
    return context.ldexp(context.mpf(value.man), value.exp)


def agrees(function: Function, bits: int, fmt: Format, order: int) -> bool:
    """Whether the script's value is the oracle's: in its enclosure, the same infinity, or NaN as well."""
    due = Oracle(function).certified(bits, fmt, order)
    expected, context = mathematics(function, bits, fmt, order)
    if due.kind == "nan":
        return bool(context.isnan(expected))
    if due.kind == "infinite":
        return bool(expected == (-context.inf if due.bits & fmt.sign_bit else context.inf))
    if due.kind == "undefined":
        return True
    assert due.lower is not None
    assert due.upper is not None
    # Nothing tells apart what lies this far below every format.
    room = abs(expected) * context.mpf(2) ** -200 + context.ldexp(1, -4000)
    return bool(exact(due.lower, context) - room <= expected <= exact(due.upper, context) + room)


OTHERS = [
    get_function("elu", {"alpha": 2.0}),
    get_function("celu", {"alpha": 2.0}),
    get_function("celu", {"alpha": 3}),
    get_function("threshold", {"threshold": -1.0, "value": 3.0}),
    get_function("clamp", {"min": -3.0, "max": 0.5}),
    get_function("softplus_threshold", {"beta": 2.0, "threshold": 3.0}),
    get_function("squareplus", {"b": 0.01}),
]


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("function", [*(f for f in CATALOGUE if f.rounds_to is None), *OTHERS], ids=lambda f: f.label)
def test_the_formulas_lie_in_the_oracles_enclosures(function: Function, order: int) -> None:
    wrong = [v for v in INPUTS if not agrees(function, _bits(v), FLOAT32, order)]
    wrong += [v for v in BEYOND_FLOAT32 if not agrees(function, _bits(v, "d"), FLOAT64, order)]
    assert wrong == []


@pytest.mark.parametrize(
    ("value", "order", "due"),
    [
        (-1.0, 0, "-inf"),
        (-1.0, 1, "+inf"),
        (-1.0, 2, "-inf"),
        (-1.5, 0, "nan"),
        (-math.inf, 0, "nan"),
        (math.inf, 0, "+inf"),
        (math.inf, 1, "0.0"),
    ],
)
def test_the_ends_of_the_domain_get_the_limit_and_what_lies_beyond_a_nan(value: float, order: int, due: str) -> None:
    assert str(mathematics(get_function("log1p"), _bits(value), FLOAT32, order)[0]) == due


def _bits(value: float, code: str = "f") -> int:
    """The float32 nearest to ``value``, or with ``d`` the float64, by the struct module."""
    return int.from_bytes(struct.pack(f">{code}", value), "big")


def test_every_catalogued_function_has_its_formulas() -> None:
    assert set(FORMULAS) == {f.name for f in CATALOGUE if f.rounds_to is None}


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


RELATED = ("repro", "silu", "--format", "float32", "--bits", "0xc0b00000", "--property", "consistency", "--script")
"""silu(-5.5) = -5.5 / (1 + e^5.5) = -0.0223859..."""


def answers(folder: Path, text: str) -> tuple[dict[str, list[float]], str]:
    """What a script of consistency prints: the answers of each way, and its last line."""
    file = folder / "shown.py"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    first, *lines, last = done.stdout.splitlines()
    assert first.startswith("expected ")
    found: dict[str, list[float]] = {}
    for line in lines:
        found.setdefault(line[:12].strip(), []).append(float(line[12:].split()[0]))
    return found, last


def test_a_script_of_consistency_asks_in_every_layout(gradproof: Invoke, folder: Path) -> None:
    made = gradproof(*RELATED, "--backend", "numpy")
    assert made.exit_code == 0, made.stderr
    found, last = answers(folder, made.stdout)
    assert {"contiguous", "again", "strided", "offset", "transposed", "batched", "broadcast", "scalar"} <= set(found)
    due = -5.5 / (1 + math.exp(5.5))
    assert all(len(values) == 1 and values[0] == pytest.approx(due, rel=1e-6) for values in found.values())
    assert last == "the answers agree"


def test_a_script_of_consistency_shows_the_layout_that_differs(gradproof: Invoke, folder: Path) -> None:
    """A seeded function that doubles what it reads with a stride of two elements."""
    made = gradproof(*RELATED, "--backend", "numpy")
    seeded = "reference = lambda x: 2 * x if x.strides == (2 * x.itemsize,) else x\n\nx = np.full"
    found, last = answers(folder, made.stdout.replace("\nx = np.full", f"\n{seeded}", 1))
    assert found.pop("strided") == [-11.0]
    assert all(values == [-5.5] for values in found.values())
    assert last == "the answers differ"


@pytest.mark.framework("torch")
@pytest.mark.parametrize("order", ["0", "1", "2"])
def test_a_torch_script_of_consistency_asks_by_every_path(gradproof: Invoke, folder: Path, order: str) -> None:
    made = gradproof(*RELATED, "--backend", "torch", "--order", order)
    found, _ = answers(folder, made.stdout)
    assert {"contiguous", "again", "strided", "offset", "transposed", "batched", "scalar", "tail", "vmap"} <= set(found)
    assert ("forward" in found) == (order != "0")
    s = 1 / (1 + math.exp(5.5))
    d, x = s * (1 - s), -5.5
    due = (x * s, s + x * d, d * (2 + x * (1 - 2 * s)))[int(order)]
    assert all(value == pytest.approx(due, rel=1e-5) for values in found.values() for value in values)


@pytest.mark.framework("jax")
def test_a_jax_script_of_consistency_asks_compiled_beside_eager(gradproof: Invoke, folder: Path) -> None:
    made = gradproof(*RELATED, "--backend", "jax", "--mode", "compiled", "--order", "1")
    found, _ = answers(folder, made.stdout)
    assert {"compiled", "eager", "scalar", "tail", "batched", "vmap", "large", "forward"} <= set(found)
    s = 1 / (1 + math.exp(5.5))
    due = s - 5.5 * s * (1 - s)
    assert all(value == pytest.approx(due, rel=1e-5) for values in found.values() for value in values)


@pytest.mark.parametrize("claim", ["taylor", "vanishing", "kink-convention"])
def test_a_claim_that_no_single_input_shows_has_no_script(gradproof: Invoke, claim: str) -> None:
    done = gradproof(
        "repro", "relu", "--backend", "numpy", "--format", "float32", "--order", "1", "--bits", "0",
        "--property", claim, "--script",
    )  # fmt: skip
    assert done.exit_code == 4
    assert f"{claim} relates several results" in done.stderr
    assert "the same command without --script checks the claim again" in done.stderr
