"""What is said of whole binades holds at the points in them, whatever is asked first."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradproof.formats.arrays import Floats
from gradproof.functions import Function, function, get_function
from gradproof.functions.registry import forget
from gradproof.oracle import arb_route, intervals, tails
from gradproof.oracle.dyadic import Dyadic
from gradproof.oracle.series import ORDERS
from gradproof.oracle.tails import BEYOND, END, GONE, TailBound, Tails
from tests.oracle.containment import EXACT, in_pieces
from tests.oracle.samples import VARIANTS

BINADES = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    20,
    30,
    53,
    64,
    100,
    200,
    340,
    341,
    400,
    511,
    512,
    600,
    900,
    1022,
    1023,
)
NAMED = [f for f in VARIANTS if f.label != "celu(alpha=1e+30)"]


def points(k: int, seed: int = 0) -> Floats:
    """Inputs in the binade [2^k, 2^(k+1)), its ends included."""
    inner = np.random.default_rng([seed, k]).uniform(1, 2, 2)
    x: Floats = np.ldexp(np.concatenate([[1.0, 2.0 - 2.0**-52], inner]), k)
    return x


def verdicts(f: Function, piece: int, sign: int, binades: Any = BINADES) -> dict[int, list[TailBound | None]]:
    t = Tails(f, piece, sign)
    return {k: t.verdicts(k) for k in binades}


def contradicted(f: Function, piece: int, order: int, verdict: TailBound, x: float, *, outward: bool = False) -> bool:
    """Whether arb, at the point, excludes what the verdict says of it."""
    for precision in (256, 1400, 3000):
        ends = arb_route.enclosures(f, piece, Fraction(x), precision + max(0, int(np.frexp(x)[1])))[order]
        if ends is not None and _fits(ends, verdict, x):
            return False
    return True


def _fits(ends: tuple[Dyadic, Dyadic], verdict: TailBound, x: float) -> bool:
    if verdict.exponent > BEYOND:  # overflowed: some number beyond all formats, of this sign
        return all((e.man > 0) == (verdict.value[0] > 0) and e.exponent >= BEYOND for e in ends)
    if verdict.rad == 0 and verdict.value == (0.0, 0.0) and not verdict.sloped:
        return all(e.man == 0 for e in ends)
    if verdict.exponent < GONE:
        sign = int(np.sign(verdict.value[0]))
        return all(e.man == 0 or (e.exponent <= verdict.exponent and e.man * sign >= 0) for e in ends)
    middle, room = EXACT.mpf(verdict.value[0]) + EXACT.mpf(verdict.value[1]), EXACT.mpf(verdict.rad)
    if verdict.sloped:
        middle, room = EXACT.mpf(x), room * abs(EXACT.mpf(x))
    return all(abs(EXACT.ldexp(EXACT.mpf(e.man), e.exp - verdict.exponent) - middle) <= room for e in ends)


def false_verdicts(f: Function) -> tuple[list[Any], int]:
    """What does not hold at some point of the binade, and how many verdicts there were."""
    wrong, count = [], 0
    for piece in range(len(f.pieces)):
        for sign in (-1, 1):
            for k, found in verdicts(f, piece, sign).items():
                x = dict(in_pieces(f, np.sort(sign * points(k))))[piece]
                for order, verdict in enumerate(found):
                    if verdict is None:
                        continue
                    count += x.size > 0
                    wrong += [(piece, order, float(v)) for v in x if contradicted(f, piece, order, verdict, float(v))]
    return wrong, count


@pytest.mark.parametrize("f", NAMED, ids=lambda f: f.label)
def test_every_verdict_holds_at_the_points_of_its_binade(f: Function) -> None:
    wrong, count = false_verdicts(f)
    assert wrong == []
    assert count > 8


@pytest.mark.parametrize(
    "f", [f for f in NAMED if f.name not in ("log1p", "softplus_threshold")], ids=lambda f: f.label
)
def test_a_verdict_on_all_that_lies_outward_holds_at_the_end_too(f: Function) -> None:
    for sign, piece in ((1, len(f.pieces) - 1), (-1, 0)):
        t = Tails(f, piece, sign)
        for k in (4, 11, 300, 700, 1023):
            for order, verdict in enumerate(t._outward(k)):
                if verdict is not None:
                    for x in (points(k)[0], points(1023)[1], points((k + 1023) // 2)[2]):
                        assert not contradicted(f, piece, order, verdict, sign * float(x)), (k, order, x)


@pytest.mark.parametrize("f", NAMED, ids=lambda f: f.label)
def test_the_order_in_which_binades_are_asked_does_not_matter(f: Function) -> None:
    # What is known may depend on it (something held from 2^k on is kept), what is true may not: the same is decided.
    rng = np.random.default_rng(4)
    for piece, sign in {(0, -1), (len(f.pieces) - 1, 1)}:
        rising = verdicts(f, piece, sign, sorted(BINADES))
        for order in (sorted(BINADES, reverse=True), rng.permutation(BINADES).tolist()):
            other = verdicts(f, piece, sign, order)
            for k in BINADES:
                assert [v is None for v in other[k]] == [v is None for v in rising[k]], (piece, sign, k)


def only(f: Function, sign: int, k: int) -> list[TailBound | None]:
    return Tails(f, 0 if sign < 0 else len(f.pieces) - 1, sign).verdicts(k)


@pytest.mark.parametrize("k", [11, 12, 100, 1023])
def test_exp_overflows_to_the_right_and_is_gone_to_the_left(k: int) -> None:
    for verdict in only(get_function("exp"), 1, k):
        assert verdict is not None
        assert verdict.value[0] > 0
        assert verdict.exponent > BEYOND
    for verdict in only(get_function("exp"), -1, k):
        assert verdict is not None
        assert verdict.value[0] >= 0
        assert verdict.exponent < GONE


@pytest.mark.parametrize(
    ("name", "k"), [("gelu", 6), ("gelu_tanh", 6), ("silu", 11), ("quick_gelu", 11), ("mish", 11), ("erfc", 7)]
)
def test_left_and_right_tails_of_gated_functions(name: str, k: int) -> None:
    # erfc(2^6/sqrt 2) is some e^-2048 = 2^-2954; silu(-2^11) some e^-2048. On the right f follows x, f' is 1.
    f = get_function(name)
    gone = only(f, -1 if name != "erfc" else 1, k)
    assert all(v is not None and v.exponent < GONE for v in gone)
    if name != "erfc":
        value, slope, *curved = only(f, 1, k)
        assert value is not None
        assert slope is not None
        assert value.sloped or value.value == (0.0, 0.0)
        assert abs(slope.value[0] - 1) + slope.rad < 2.0**-80
        assert all(v is not None and v.exponent < GONE for v in curved)


@pytest.mark.parametrize(
    ("name", "sign", "limit"),
    [("tanh", 1, 1), ("tanh", -1, -1), ("sigmoid", 1, 1), ("erf", -1, -1), ("erfc", -1, 2), ("expm1", -1, -1)],
)
def test_constant_ends_are_their_limits(name: str, sign: int, limit: int) -> None:
    verdict = only(get_function(name), sign, 12)[0]
    assert verdict is not None
    assert (verdict.value[0], verdict.exponent, verdict.sloped) == (limit, 0, False)
    assert verdict.rad <= 2.0**-90 * abs(limit)


def test_a_rising_function_without_an_asymptote_has_no_verdict() -> None:
    f = function("root", lambda m, x: m.sqrt(1 + x * x) + m.log1p(x * x))
    forget(["root"])
    for k in (3, 40, 200):
        assert only(f, 1, k)[0] is None


def test_an_asymptote_of_another_slope_or_with_an_offset_that_counts_is_none() -> None:
    doubled = function("doubled", lambda m, x: 2 * x + m.exp(-x))
    shifted = function("shifted", lambda m, x: x + 1 + m.exp(-x))
    forget(["doubled", "shifted"])
    assert only(doubled, 1, 64)[0] is None
    assert only(shifted, 1, 64)[0] is None
    assert only(shifted, 1, 100)[0] == TailBound((0.0, 0.0), pytest.approx(2.0**-100, rel=0.02), 0, sloped=True)


def test_a_wave_is_not_constant() -> None:
    f = function("wave", lambda m, x: m.sin(x))
    forget(["wave"])
    assert [only(f, 1, k) for k in (0, 8, 100)] == [[None] * ORDERS] * 3


def test_a_bump_further_out_is_not_passed_over() -> None:
    # 0 to all appearance at 2^10 and at 2^14, not between: what is said of all that lies outward knows it.
    f = function("bump", lambda m, x: m.exp(-(x - 3000) * (x - 3000)))
    forget(["bump"])
    inside, beyond = only(f, 1, 11)[0], only(f, 1, 14)[0]
    assert inside is None
    assert beyond is not None
    assert beyond.exponent < GONE
    before = Tails(f, 0, 1)
    assert before._outward(9) == [None] * ORDERS
    near = before.verdicts(9)[0]
    assert near is not None
    assert near.exponent < GONE
    assert before.verdicts(11)[0] is None


def test_a_piece_that_ends_claims_nothing_beyond() -> None:
    f = get_function("softplus_threshold")
    assert Tails(f, 0, 1)._outward(3) == [None] * ORDERS
    assert Tails(f, 1, 1)._outward(5)[1] is not None


def test_patched_values_are_the_verdicts_of_their_rows() -> None:
    f = get_function("silu")
    t = Tails(f, 0, 1)
    x = np.array([2.0**40, 3.0, 2.0**1000, 2.0**14])
    values = [tails.Values.plain(np.full(4, np.nan), np.zeros(4), np.full(4, np.inf)) for _ in range(ORDERS)]
    t.patch(values, np.arange(4), x, np.frexp(x)[1].astype(np.int64) - 1)
    assert values[0].sound.tolist() == [True, False, True, True]
    assert (values[0].hi[[0, 2, 3]] == x[[0, 2, 3]]).all()
    assert (values[0].rad[[0, 2, 3]] <= x[[0, 2, 3]] * 2.0**-90).all()
    assert values[1].hi[[0, 2, 3]].tolist() == [1, 1, 1]


@pytest.mark.parametrize("f", [f for f in NAMED if f.name not in ("squareplus", "log1p")], ids=lambda f: f.label)
def test_enclosures_over_intervals_hold_every_point(f: Function) -> None:
    rng = np.random.default_rng(11)
    for _ in range(6):
        low, width = float(rng.normal(0, 4)), float(2.0 ** rng.uniform(-8, 6))
        piece = f.piece_at(Fraction(low))
        high = min([low + width, *(float(b) for b in f.breaks if b > low)])
        if not low < high:
            continue
        try:
            over = intervals.derivatives_over(f, piece, Fraction(low), Fraction(high), 200)
        except (AttributeError, ZeroDivisionError):
            continue
        for x in np.linspace(low, high, 5).tolist():
            for held, point in zip(over, arb_route.enclosures(f, piece, Fraction(x), 200), strict=True):
                assert (
                    held is None or point is None or ((point[1] - held[0]).man >= 0 and (held[1] - point[0]).man >= 0)
                )


def _outer(honest: Any) -> Any:
    return lambda self, first, last: honest(self, first + 1, last + 1 if last < END else last)


def _premature(honest: Any) -> Any:
    return lambda ends, gone=GONE: honest(ends, -40)


def test_a_verdict_on_the_wrong_binade_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tails, "_over", _outer(Tails._over))
    assert false_verdicts(get_function("gelu"))[0]


def test_a_kept_verdict_that_is_used_too_far_inward_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Tails._outward

    def careless(self: Tails, k: int) -> list[TailBound | None]:
        known = [verdict for _, verdict in self._beyond]
        return known if any(known) else honest(self, k)

    monkeypatch.setattr(Tails, "_outward", careless)
    t = Tails(get_function("silu"), 0, -1)
    t.verdicts(1000)
    verdict = t.verdicts(2)[0]
    assert verdict is not None
    assert contradicted(get_function("silu"), 0, 0, verdict, -5.0)
