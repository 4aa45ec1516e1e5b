"""conversion: right conversions of every kind pass, and each way to round wrongly is found and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from gradproof.backends.base import Traits
from gradproof.formats import get_format
from gradproof.measure.conversion import judge_conversion
from gradproof.strategies import conversion_bits
from tests.properties.stubs import Offer
from tests.properties.subjects import Call, outcome, verdict

STORED = (
    "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn",
)  # fmt: skip
KINDS = {
    **{name: getattr(ml_dtypes, name) for name in STORED},
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
}
PAIRS = [
    ("float64", "float32"), ("float64", "float16"), ("float32", "float16"), ("float64", "bfloat16"),
    ("float32", "bfloat16"), ("float64", "float8_e4m3fn"), ("float32", "float8_e4m3fn"), ("float16", "float8_e4m3fn"),
    ("bfloat16", "float8_e4m3fn"), ("float64", "float8_e5m2"), ("float32", "float8_e5m2"), ("float16", "float8_e5m2"),
    ("bfloat16", "float8_e5m2"),
]  # fmt: skip


def odd(x: Any) -> Any:
    """float64 rounded to float32 by rounding to odd: a further rounding is then as good as one.

    Boldo, Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd", IEEE
    Transactions on Computers 57, 2008: two more bits than the target are enough.
    """
    near = x.astype(np.float32)
    inward = np.where(np.abs(near) > np.abs(x), np.nextafter(near, np.float32(0)), near)
    sticky = (inward.view(np.uint32) | 1).view(np.float32)
    return np.where((inward == x) | np.isnan(x), inward, sticky)


def right(target: str) -> Call:
    """The conversion rounded once: by the processor to float32, else through rounding to odd."""

    def call(x: Any) -> Any:
        with np.errstate(all="ignore"):
            wide = x.astype(np.float64)
            narrow = wide.astype(np.float32) if target == "float32" else odd(wide).astype(KINDS[target])
            return narrow.astype(x.dtype)

    return call


def changed(target: str, change: Callable[[Any, Any], Any]) -> Call:
    """The right conversion with ``change(x, right result)``, both float64, in place of its results."""
    convert = right(target)

    def call(x: Any) -> Any:
        with np.errstate(all="ignore"):
            wide = x.astype(np.float64)
            return np.asarray(change(wide, convert(x).astype(np.float64))).astype(x.dtype)

    return call


def before(target: str, change: Callable[[Any], Any]) -> Call:
    """The right conversion of ``change(x)``, in float64."""
    return lambda x: right(target)(change(x.astype(np.float64))).astype(x.dtype)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_conversion_that_rounds_once_passes(source: str, target: str) -> None:
    cell = verdict("conversion", f"to_{target}", [right(target)], source)
    assert cell.status == "pass", cell.reason
    assert cell.u_max == 0.5
    assert cell.evidence.kind == ("exhaustive" if source.endswith("float16") else "sampled")
    beyond = "nan" if target == "float8_e4m3fn" else "infinity"
    assert cell.measured == {"overflow": beyond, "infinity": beyond, "sign_of_zero": "kept"}


@pytest.mark.parametrize("source", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("target", STORED)
def test_a_conversion_to_a_format_that_only_stores_numbers_passes(source: str, target: str) -> None:
    convert = right(target)
    if target == "float8_e8m0fnu":  # ml_dtypes rounds up what lies between its two least numbers
        least = 2.0**-127
        convert = changed(target, lambda x, y: np.where((x > 0) & (x < 1.5 * least), least, y))
    cell = verdict("conversion", f"to_{target}", [convert], source)
    assert cell.status == "pass", cell.reason
    assert cell.measured["overflow"] == ("saturated" if target.endswith("fn") else "nan")
    assert (cell.measured.get("nan") is None) == (not target.endswith("fn"))
    if target == "float8_e8m0fnu":
        assert (cell.measured["zero"], cell.measured["negative"]) == ("nan", "nan")


def test_ml_dtypes_rounds_up_beside_the_least_scale() -> None:
    cell = verdict("conversion", "to_float8_e8m0fnu", [right("float8_e8m0fnu")], "float32")
    assert cell.status == "fail"
    assert cell.certificate is not None
    assert cell.certificate.expected is not None
    assert float.fromhex(cell.certificate.expected.hex) == 2.0**-127


@pytest.mark.parametrize("source", ["float32", "bfloat16"])
@pytest.mark.parametrize("target", ["float8_e4m3fnuz", "float8_e5m2fnuz", "float4_e2m1fn", "float6_e3m2fn"])
def test_ties_away_from_zero_fail_in_every_small_format(source: str, target: str) -> None:
    found = outcome("conversion", f"to_{target}", [changed(target, half_away(target))], source)
    assert any("did not go to the even neighbour" in v.explanation for v in found.violations)


@pytest.mark.parametrize("target", ["float16", "bfloat16"])
def test_right_casts_are_silent_and_truncating_ones_are_not_whatever_the_seed(target: str) -> None:
    """The samples of many seeds, judged as the cell judges them; benchmarks/small_formats.py does it for 10^5."""
    fmt, wide = get_format(target), get_format("float32")
    for seed in range(40):
        x = conversion_bits(wide, fmt, 64, seed)
        x = x[:: max(1, x.size // 4096)]
        with np.errstate(all="ignore"):
            got = x.view(np.float32).astype(KINDS[target]).astype(np.float32).view(np.uint32)
            cut = x & np.uint32(-1 << (wide.precision - fmt.precision) & 0xFFFF_FFFF)
        assert not judge_conversion(x, got, wide, fmt).failing.any()
        assert judge_conversion(x, cut, wide, fmt).failing.any()


def saturated(largest: float) -> Callable[[Any, Any], Any]:
    return lambda x, y: np.where(~np.isnan(x) & ~np.isfinite(y), np.copysign(largest, x), y)


@pytest.mark.parametrize("source", ["float64", "bfloat16"])
def test_a_format_without_infinity_may_saturate_instead(source: str) -> None:
    cell = verdict("conversion", "to_float8_e4m3fn", [changed("float8_e4m3fn", saturated(448.0))], source)
    assert cell.status == "pass", cell.reason
    assert cell.measured["overflow"] == cell.measured["infinity"] == "saturated"


def test_eight_bits_with_an_infinity_may_saturate_and_sixteen_may_not() -> None:
    for target, largest, status in (("float8_e5m2", 57344.0, "pass"), ("float16", 65504.0, "fail")):
        cell = verdict("conversion", f"to_{target}", [changed(target, saturated(largest))], "float32")
        assert (cell.status, cell.measured["overflow"]) == (status, "saturated")


def test_overflow_must_be_one_thing_for_all_numbers() -> None:
    mixed = changed("float8_e4m3fn", lambda x, y: np.where((x > 600) & (x < 700), 448.0, y))
    found = outcome("conversion", "to_float8_e4m3fn", [mixed], "float16")
    (failing,) = found.violations
    values = failing.bits.view(np.float16).astype(float)
    assert (values.min(), values.max()) == (600.5, 699.5)
    assert found.measured["overflow"] == "mixed"


def toward_zero(target: str) -> Callable[[Any, Any], Any]:
    fmt = get_format(target)

    def change(x: Any, y: Any) -> Any:
        quantum = np.ldexp(1.0, np.maximum(np.frexp(x)[1] - 1, fmt.e_min) - fmt.precision + 1)
        return np.where(np.isfinite(x) & np.isfinite(y), np.trunc(x / quantum) * quantum, y)

    return change


def half_away(target: str) -> Callable[[Any, Any], Any]:
    fmt = get_format(target)

    def change(x: Any, y: Any) -> Any:
        quantum = np.ldexp(1.0, np.maximum(np.frexp(x)[1] - 1, fmt.e_min) - fmt.precision + 1)
        tie = np.abs(x / quantum) % 1 == 0.5
        return np.where(np.isfinite(x) & np.isfinite(y) & tie, y + np.where(np.abs(y) < np.abs(x), 2, 0) * (x - y), y)

    return change


def flush(target: str) -> Callable[[Any, Any], Any]:
    least = float(get_format(target).min_normal)
    return lambda x, y: np.where(np.abs(y) < least, 0 * y, y)


def overflow_at(target: str, place: float) -> Callable[[Any, Any], Any]:
    """Infinity (or NaN) exactly from ``place`` ulps of the largest number past it on."""
    fmt = get_format(target)
    ulp = 2.0 ** (fmt.e_max - fmt.precision + 1)
    largest = float(fmt.max_value)
    beyond = np.inf if fmt.has_infinity else np.nan
    return lambda x, y: np.where(
        np.abs(x) > largest + place * ulp, x * beyond, np.where(np.abs(x) > largest, np.copysign(largest, x), y)
    )


FAULTS = [
    ("truncation", toward_zero, "not the nearest number"),
    ("ties away from zero", half_away, "a tie did not go to the even neighbour"),
    ("flushing", flush, "flushed to zero"),
    ("overflow too early", lambda t: overflow_at(t, 0.25), "overflows"),
    ("overflow too late", lambda t: overflow_at(t, 0.75), "overflows"),
    ("a NaN lost", lambda t: lambda x, y: np.where(np.isnan(x), 0.0, y), "a NaN on one side only"),
    ("a NaN made", lambda t: lambda x, y: np.where(x == 1.5, np.nan, y), "a NaN on one side only"),
    ("no rounding", lambda t: lambda x, y: np.where(np.abs(x) < 2, x, y), "is no number of"),
    ("infinity kept finite", lambda t: lambda x, y: np.where(np.isinf(x), np.copysign(4.0, x), y), "overflows"),
    ("a sign turned", lambda t: lambda x, y: np.where(np.isfinite(y) & (x == 2.5), -y, y), "not the nearest number"),
]


@pytest.mark.parametrize(
    ("source", "target"),
    [("float64", "bfloat16"), ("float32", "float16"), ("float16", "float8_e5m2"), ("bfloat16", "float8_e4m3fn")],
)
@pytest.mark.parametrize(("name", "change", "words"), FAULTS, ids=[f[0] for f in FAULTS])
def test_a_wrong_conversion_fails_and_says_how(
    source: str, target: str, name: str, change: Callable[[str], Any], words: str
) -> None:
    found = outcome("conversion", f"to_{target}", [changed(target, change(target))], source)
    assert found.violations, name
    assert any(words in v.explanation for v in found.violations), [v.explanation for v in found.violations]


@pytest.mark.parametrize("target", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_rounding_twice_through_float32_fails_only_where_it_differs_from_rounding_once(target: str) -> None:
    through = before(target, lambda x: x.astype(np.float32).astype(np.float64))
    found = outcome("conversion", f"to_{target}", [through], "float64")
    assert {v.explanation for v in found.violations} == {"rounded twice: through float32 the number becomes a tie"}
    for failing in found.violations:
        x = failing.bits.view(np.float64)
        with np.errstate(over="ignore"):
            once, twice = right(target)(x), x.astype(np.float32).astype(KINDS[target]).astype(np.float64)
        differ = ~((once == twice) | (np.isnan(once) & np.isnan(twice)))
        assert differ.all()
        assert (failing.magnitude > 1).all()
    assert outcome("conversion", f"to_{target}", [through], "float32").violations == []


def test_one_wrong_pattern_of_a_16_bit_source_is_found() -> None:
    one = changed("float8_e5m2", lambda x, y: np.where(x == 1 + 2.0**-10, 1.25, y))
    found = outcome("conversion", "to_float8_e5m2", [one], "float16")
    (failing,) = found.violations
    assert failing.bits.tolist() == [0x3C01]


def test_the_lost_sign_of_a_zero_is_recorded_and_no_failure() -> None:
    cell = verdict("conversion", "to_float16", [changed("float16", lambda x, y: np.where(y == 0, 0.0, y))], "float32")
    assert (cell.status, cell.measured["sign_of_zero"]) == ("pass", "lost")


def test_a_failure_carries_a_certificate_in_the_terms_of_a_conversion() -> None:
    through = before("bfloat16", lambda x: x.astype(np.float32).astype(np.float64))
    cell = verdict("conversion", "to_bfloat16", [through], "float64")
    made = cell.certificate
    assert made is not None
    assert made.input is not None
    assert made.got is not None
    assert made.expected is not None
    x, got, due = (float.fromhex(n.hex) for n in (made.input, made.got, made.expected))
    assert due == float(right("bfloat16")(np.array([x]))[0]) != got
    assert made.u == pytest.approx(0.5, rel=1e-4)
    assert made.reproduce.startswith("gradproof repro to_bfloat16 --implementation mine:subject --backend numpy:cpu")
    assert "--property" not in made.reproduce
    assert made.cause == "rounding"


@pytest.mark.parametrize(("least", "status"), [(1.0, "pass"), (2.0, "fail")])
def test_a_backend_that_flushes_is_excused_among_the_subnormals_alone(offer: Offer, least: float, status: str) -> None:
    # Twice the least normal number is a normal result, which flushing does not excuse.
    flushing = offer("flushing", traits=lambda self, fmt: Traits(flushes_results=True, zeros_inputs=False))
    limit = least * float(get_format("float16").min_normal)
    call = changed("float16", lambda x, y: np.where(np.abs(x) < limit, 0 * y, y))
    cell = verdict("conversion", "to_float16", [call], "float32", backend=flushing)
    assert cell.status == status, cell.reason
    assert cell.excused > 1000
    assert verdict("conversion", "to_float16", [call], "float32").status == "fail", "numpy does not flush"
