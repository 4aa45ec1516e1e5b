"""Brute force: whatever a machine gives within the allowances, the rounded interval holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradproof.formats import BFLOAT16, FLOAT32, FLOAT64, FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.formulas.registry import LIBRARY
from gradproof.formulas.rounded import Room, RoundedContext, arithmetic
from gradproof.formulas.rounded.elementary import FUNCTIONS
from tests.formulas.simulated import Sample, SimulatedContext

Definition = Callable[..., Any]

OPERATIONS: dict[str, Definition] = {
    "sum": lambda m, x: x + 1,
    "difference": lambda m, x: 1.5 - x,
    "product": lambda m, x: x * 0.3,
    "square": lambda m, x: x * x,
    "quotient": lambda m, x: x / 3,
    "reciprocal": lambda m, x: 1 / x,
    "by itself": lambda m, x: x / x,
    "root": lambda m, x: m.sqrt(x),
    "cube": lambda m, x: m.power(x, 3),
    "maximum": lambda m, x: m.maximum(x, 0),
    "minimum": lambda m, x: m.minimum(x * 0.1, 0.7),
    "sign": lambda m, x: m.sign(x) * 3,
    "copysign": lambda m, x: m.copysign(2, x),
    "stored": lambda m, x: m.stored(x / 7) * 3,
    "infinity minus infinity": lambda m, x: x * 2 - x * 3,
    "reciprocal of a rounded zero": lambda m, x: 1 / (x * 1e-30),
    "product of exponentials": lambda m, x: m.exp(x) * m.exp(-x),
    "fused": lambda m, x: 1 - x * x,
    "undecided": lambda m, x: m.where(m.exp(x) * m.exp(-x) < 1, x, -x),
    "undecided both": lambda m, x: m.where((m.tanh(x) <= 0.5) & ~(x <= -1), 1 / x, x + 1),
    "absolute": lambda m, x: 1 + m.erf(x, Room(1, 1.5e-7)),
    **{name: lambda m, x, name=name: getattr(m, name)(x) for name in FUNCTIONS},
    **{f"{name} of an interval": lambda m, x, name=name: getattr(m, name)(x / 3 + x) for name in FUNCTIONS},
}
COMPOSITIONS: dict[str, Definition] = {
    "silu by a quotient": lambda m, x: x / (1 + m.exp(-x)),
    "quotient rule": lambda m, x: 1 / (1 + m.exp(-x)) + x * m.exp(-x) / m.power(1 + m.exp(-x), 2),
    "s (1 - s)": lambda m, x: (lambda s: s * (1 - s))(m.stored(m.sigmoid(x))),
    "1 - y^2": lambda m, x: (lambda y: 1 - y * y)(m.tanh(x)),
    "gelu": lambda m, x: 0.5 * x * (1 + m.erf(x * 0.7071067811865476)),
    "gelu by erfc": lambda m, x: 0.5 * x * m.erfc(-x * 0.7071067811865476),
    "softplus": lambda m, x: m.where(x > 20, x, m.log1p(m.exp(x))),
    "logarithm": lambda m, x: m.log(1 + m.exp(x)),
    "mish": lambda m, x: x * m.tanh(m.log1p(m.exp(x))),
    "squareplus": lambda m, x: 0.5 * (x + m.sqrt(x * x + 4)),
    "softsign'": lambda m, x: 1 / (abs(x) + 1) - abs(x) / m.power(abs(x) + 1, 2),
    "exp(x) - 1": lambda m, x: m.exp(x) - 1,
    "hardswish": lambda m, x: x * m.minimum(m.maximum(x + 3, 0), 6) * m.f32("0.16666667"),
    "sech": lambda m, x: m.tanh(x) * (1 / m.cosh(x)) * (x * x * x),
}


def inputs(fmt: Format, count: int, seed: int) -> Bits:
    """Random patterns, ordinary numbers, and all that is special."""
    rng = np.random.default_rng(seed)
    special = [0, 1, 2, fmt.min_normal_bits - 1, fmt.min_normal_bits, fmt.max_bits, fmt.infinity_bits, fmt.nan_bits]
    special += [fmt.round(fmt.value(fmt.max_bits) / 2), fmt.round(fmt.min_normal * 3)]
    patterns = rng.integers(0, fmt.sign_bit, count // 3, dtype=np.uint64, endpoint=False)
    plain = np.concatenate([rng.normal(0, s, count // 8) for s in (0.3, 2.0, 9.0, 60.0)])
    landmarks = np.array([20.0, 88.7, 87.3, 103.9, 9.01, 17.3, 3.0, 6.0, 1.0, 0.5, 709.5, 745.0, 5.7, 14.0])
    given = np.concatenate([np.array(special, np.uint64), patterns]).astype(fa.storage(fmt))
    both = np.concatenate([given, fa.round_values(np.concatenate([plain, landmarks]), fmt)])
    return np.concatenate([both, both ^ fa.storage(fmt).type(fmt.sign_bit)])


def escaped(
    definition: Definition, how: Any, bits: Bits, seed: int, rooms: Any = None, other: Any = None, **params: Any
) -> list[str]:
    """What one simulated machine, of the arithmetic ``other`` if that is another, gave outside the interval."""
    m = RoundedContext(how, rooms)
    with np.errstate(all="ignore"):
        interval = m.constant(definition(m, m.variable(bits), **params))
        machine = SimulatedContext(other or how, seed, rooms)
        x = fa.values(bits, how.storage)
        got = np.broadcast_to(machine.constant(definition(machine, Sample(machine, x), **params)).value, x.shape)
    low, high, nan = (np.broadcast_to(a, x.shape) for a in (interval.low, interval.high, interval.nan))
    signs = (got != 0) | (np.copysign(1, got) >= np.copysign(1, low)) | (low < 0)
    signs &= (got != 0) | (np.copysign(1, got) <= np.copysign(1, high)) | (high > 0)
    held = interval.holds(got) & np.where(np.isnan(got), True, signs)
    lost = np.flatnonzero(~held)[:5]
    return [f"x={x[i]!r}: {got[i]!r} is not in [{low[i]!r}, {high[i]!r}] {'or NaN' * bool(nan[i])}" for i in lost]


STYLES = [(f, s) for f in ("float64", "float32", "float16", "bfloat16") for s in ("wide", "narrow", "loose")]
SUBNORMALS = {"wide": ("kept", "flushed", "either"), "narrow": ("kept",), "loose": ("either",)}


@pytest.mark.parametrize(("fmt", "style", "subnormals"), [(*s, n) for s in STYLES for n in SUBNORMALS[s[1]]])
def test_no_operation_leaves_its_interval(fmt: str, style: str, subnormals: Any) -> None:
    how = arithmetic(FORMATS[fmt], style, subnormals=subnormals)  # type: ignore[arg-type]
    bits = inputs(FORMATS[fmt], 60, 1)
    for seed, (name, definition) in enumerate(OPERATIONS.items()):
        assert escaped(definition, how, bits, seed) == [], name


@pytest.mark.parametrize(("fmt", "style", "subnormals"), [(*s, SUBNORMALS[s[1]][-1]) for s in STYLES])
def test_no_composition_leaves_its_interval(fmt: str, style: str, subnormals: Any) -> None:
    how = arithmetic(FORMATS[fmt], style, subnormals=subnormals)  # type: ignore[arg-type]
    bits = inputs(FORMATS[fmt], 200, 2)
    for seed, (name, definition) in enumerate(COMPOSITIONS.items()):
        assert escaped(definition, how, bits, seed) == [], name


def test_another_compute_format_is_sound_too() -> None:
    how = arithmetic(FORMATS["float16"], compute=FORMATS["float64"])
    for seed, (name, definition) in enumerate(COMPOSITIONS.items()):
        assert escaped(definition, how, inputs(FORMATS["float16"], 240, 3), seed) == [], name


@pytest.mark.parametrize("function", sorted({f.function for f in LIBRARY.values()}))
def test_no_formula_of_the_library_leaves_its_interval(function: str) -> None:
    bits = {name: inputs(FORMATS[name], 40, 4) for name in ("float32", "float16", "bfloat16")}
    for seed, formula in enumerate(f for f in LIBRARY.values() if f.function == function):
        for fmt, subnormals in (("float32", "kept"), ("float16", "kept"), ("bfloat16", "either")):
            compute = FORMATS[formula.compute] if formula.compute else None
            how = arithmetic(FORMATS[fmt], formula.style, compute, subnormals)  # type: ignore[arg-type]
            params = formula.specification().exact_params
            lost = escaped(formula.definition, how, bits[fmt], seed, formula.rooms, **params)
            assert lost == [], f"{formula.id} in {fmt}"


FAULTS: dict[str, tuple[Any, Any, Definition]] = {
    "flushes": (arithmetic(FLOAT32), arithmetic(FLOAT32, subnormals="flushed"), lambda m, x: m.exp(x) * 1),
    "reads zeros": (
        arithmetic(FLOAT32), replace(arithmetic(FLOAT32), inputs="flushed"), lambda m, x: x * 2.0**100
    ),
    "fuses": (arithmetic(FLOAT32), replace(arithmetic(FLOAT32), contraction=True), lambda m, x: x * x - 0.1 * x),
    "stores": (arithmetic(BFLOAT16), replace(arithmetic(BFLOAT16), spills=True), lambda m, x: x / 3 - x / 5),
    "multiplies": (arithmetic(FLOAT32), replace(arithmetic(FLOAT32), reciprocals=True), lambda m, x: x / 6),
    "computes in less": (arithmetic(FLOAT64), arithmetic(FLOAT64, compute=FLOAT32), lambda m, x: x / 3),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_machine_that_does_otherwise_is_noticed(name: str) -> None:
    how, other, definition = FAULTS[name]
    assert escaped(definition, how, inputs(how.storage, 200, 5), 1, other=other)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_library_worse_than_its_k_is_noticed(name: str) -> None:
    how, bits = arithmetic(FLOAT32), inputs(FLOAT32, 200, 6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimulatedContext, "moved", worse(SimulatedContext.moved))
        assert escaped(lambda m, x: getattr(m, name)(x), how, bits, 1)


def worse(moved: Any) -> Any:
    """The same library with three times the error."""
    return lambda self, name, x, k, steps, *rest: moved(self, name, x, 3 * k, 3 * steps, *rest)
