"""mpmath and arb beside each other: agreement, seeded faults, and life without arb."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import flint
import mpmath
import numpy as np
import pytest

from gradproof.errors import OracleDisagreement
from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64
from gradproof.functions import Function, all_functions, function, get_function
from gradproof.functions.registry import forget
from gradproof.oracle import Oracle, arb_route, mpmath_route
from gradproof.oracle.bulk import Ladder
from gradproof.oracle.reference import UNCERTIFIED
from tests.oracle.samples import VARIANTS, inputs, nothing_decided, quantum

each_variant = pytest.mark.parametrize("f", VARIANTS, ids=lambda f: f.label)


@pytest.fixture(autouse=True)
def _clean_registry() -> Iterator[None]:
    before = set(all_functions())
    yield
    forget(set(all_functions()) - before)


@each_variant
def test_the_two_routes_agree_to_far_below_a_quantum(f: Function) -> None:
    for fmt, precision in ((FLOAT64, 160), (FLOAT16, 96)):
        for bits in inputs(f, fmt, random=15, radius=0, seed=1).tolist():
            x = fmt.value(bits)
            if not f.ends[0] < x < f.ends[1]:
                continue
            piece = f.piece_at(x)
            values = mpmath_route.derivatives(f, piece, x, precision)
            for order, ends in enumerate(arb_route.enclosures(f, piece, x, precision)):
                if ends is None:  # arb's exponents have an end, and e^(1e300) lies beyond it
                    assert values[order].exponent > 2**60
                    continue
                for gap in (ends[0] - values[order], values[order] - ends[1]):
                    allowed = quantum(values[order], fmt).exp - 20
                    assert gap.man <= 0 or gap.exponent < allowed, (float(x), order)


def _scaled(name: str, factor: float) -> Any:
    honest = getattr(mpmath_route._SCALARS, name)
    return lambda x: honest(x) * (1 + mpmath.mpf(factor))


@pytest.mark.parametrize(
    ("scalar", "name", "x"),
    [("erfc", "gelu", 1.5), ("sigmoid", "silu", -3.0), ("expm1", "elu", -0.75), ("tanh", "tanh", 0.5),
     ("softplus", "logsigmoid", 2.0)],
)  # fmt: skip
def test_a_wrong_value_in_one_route_is_an_error_that_names_the_input(
    scalar: str, name: str, x: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = Oracle(get_function(name))
    bits = FLOAT32.round(Fraction(x))
    assert oracle.certified(bits, FLOAT32, 0).kind == "finite"
    monkeypatch.setattr(mpmath_route._SCALARS, scalar, _scaled(scalar, 2.0**-30))
    with pytest.raises(OracleDisagreement) as caught:
        oracle.certified(bits, FLOAT32, 0)
    message = str(caught.value)
    assert message.startswith(f"{oracle.function.label}, derivative of order 0 at x = {x!r} ({x.hex()}): mpmath says ")
    assert "arb encloses [" in message


def test_a_wrong_derivative_alone_is_noticed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = Oracle(get_function("sigmoid"))
    bits = FLOAT32.round(Fraction(4))
    monkeypatch.setattr(mpmath_route._SCALARS, "sech2", _scaled("sech2", 2.0**-20))
    assert oracle.certified(bits, FLOAT32, 0).kind == "finite"
    with pytest.raises(OracleDisagreement, match="derivative of order 1"):
        oracle.certified(bits, FLOAT32, 1)


def test_a_wrong_enclosure_is_noticed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = arb_route._ArbContext.sigmoid
    monkeypatch.setattr(arb_route._ArbContext, "sigmoid", lambda self, z: honest(self, z) * (1 + flint.arb(2) ** -30))
    with pytest.raises(OracleDisagreement, match="sigmoid"):
        Oracle(get_function("sigmoid")).certified(FLOAT64.round(Fraction(4)), FLOAT64, 0)


def test_bulk_work_checks_arb_against_mpmath_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mpmath_route._SCALARS, "erfc", _scaled("erfc", 2.0**-30))
    monkeypatch.setattr(Ladder, "fill", nothing_decided)  # filters leave next to nothing to arb
    bits = np.array([FLOAT64.round(Fraction(k, 16)) for k in range(1, 33)], np.uint64)
    with pytest.raises(OracleDisagreement):
        Oracle(get_function("gelu")).references(bits, FLOAT64)


@each_variant
def test_without_arb_values_are_the_same_and_labelled_uncertified(f: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    bits = inputs(f, BFLOAT16, random=4, radius=0, seed=2).tolist()
    certified = [[Oracle(f).certified(b, BFLOAT16, k) for k in (0, 1, 2)] for b in bits]
    monkeypatch.setattr(arb_route, "AVAILABLE", False)
    oracle = Oracle(f)
    for b, expected in zip(bits, certified, strict=True):
        for order in (0, 1, 2):
            answer = oracle.certified(b, BFLOAT16, order)
            assert answer.kind == expected[order].kind
            if answer.how == "uncertified" and expected[order].precision > answer.precision:
                # A hair beside a tie (x - tanh x at -322): what two precisions do not see, no label promises.
                assert abs(BFLOAT16.ordinal(answer.bits) - BFLOAT16.ordinal(expected[order].bits)) <= 1
            else:
                assert answer.bits == expected[order].bits
            if expected[order].how == "arb":
                assert answer.how == "uncertified"
            assert answer.how != "arb"
    assert oracle.supremum(Fraction(0), Fraction(1), 0) == float("inf")


def test_bulk_references_without_arb_carry_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arb_route, "AVAILABLE", False)
    monkeypatch.setattr(Ladder, "fill", nothing_decided)
    bits = np.array([FLOAT64.round(Fraction(3))], np.uint64)
    for reference in Oracle(get_function("gelu")).references(bits, FLOAT64):
        assert reference.how.tolist() == [UNCERTIFIED]


def test_what_arb_lacks_falls_back_to_two_precisions_of_mpmath() -> None:
    # A Python fraction is a number to mpmath's series and nothing to FLINT's; m.real would lift it for both.
    oracle = Oracle(function("third", lambda m, x: m.exp(x) * Fraction(1, 3)))
    lifted = Oracle(function("lifted", lambda m, x: m.exp(x) * m.real(Fraction(1, 3))))
    bits = FLOAT32.round(Fraction(2))
    ours, theirs = oracle.certified(bits, FLOAT32, 1), lifted.certified(bits, FLOAT32, 1)
    assert (ours.how, theirs.how) == ("uncertified", "arb")
    assert ours.bits == theirs.bits


def test_an_attribute_that_only_one_context_has_falls_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(arb_route._ArbContext, "erf")
    answer = Oracle(function("bell", lambda m, x: m.erf(x))).certified(FLOAT32.round(Fraction(1)), FLOAT32, 0)
    assert (answer.how, answer.bits) == ("uncertified", FLOAT32.round(Fraction(float(mpmath.erf(1)))))


@pytest.mark.parametrize("available", [True, False])
def test_outside_a_definitions_domain_everything_is_undecided(available: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arb_route, "AVAILABLE", available)
    cases = [
        (lambda m, x: m.log(x), [-1, 0]),
        (lambda m, x: m.sqrt(x), [-2]),
        (lambda m, x: 1 / x, [0]),
        (lambda m, x: m.sin(1 / x), [0]),
        (lambda m, x: m.exp(-1 / (x * x)), [0]),
    ]
    for definition, points in cases:
        oracle = Oracle(function("partial", definition))
        for x in points:
            bits = FLOAT32.round(Fraction(x))
            assert [oracle.certified(bits, FLOAT32, k).kind for k in (0, 1, 2)] == ["undecided"] * 3
            bulk = oracle.references(np.array([bits, FLOAT32.round(Fraction(5, 4))], np.uint32), FLOAT32)
            assert [r.kind.tolist() for r in bulk] == [[4, 0]] * 3


def test_a_first_derivative_at_the_edge_of_the_domain_is_undecided_beside_a_decided_value() -> None:
    oracle = Oracle(function("root", lambda m, x: m.sqrt(x)))
    assert [oracle.certified(0, FLOAT32, k).kind for k in (0, 1, 2)] == ["finite", "undecided", "undecided"]


def test_the_users_precisions_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def state() -> tuple[int, ...]:
        return flint.ctx.prec, flint.ctx.cap, mpmath.mp.prec, mpmath.mp.dps

    oracle = Oracle(get_function("gelu"))
    bits = FLOAT64.round(Fraction(-3))
    with mpmath.workprec(77):
        flint.ctx.prec = 99
        try:
            before = state()
            oracle.certified(bits, FLOAT64, 2)
            oracle.references(np.array([bits], np.uint64), FLOAT64)
            oracle.supremum(Fraction(0), Fraction(1), 1)
            assert state() == before
            monkeypatch.setattr(mpmath_route._SCALARS, "erfc", _scaled("erfc", 0.5))
            with pytest.raises(OracleDisagreement):
                oracle.certified(bits, FLOAT64, 0)
            assert state() == before
        finally:
            flint.ctx.prec = 53


def test_the_users_precision_does_not_reach_the_oracle() -> None:
    bits = FLOAT64.round(Fraction(-3))
    expected = [Oracle(get_function("gelu")).certified(bits, FLOAT64, k) for k in (0, 1, 2)]
    with mpmath.workprec(8):
        assert [Oracle(get_function("gelu")).certified(bits, FLOAT64, k) for k in (0, 1, 2)] == expected
