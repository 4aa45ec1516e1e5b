"""The work on one shard against the judge of a run, input by input: right results and every kind of wrong one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from gradproof.backends import get_backend
from gradproof.formats import BFLOAT16, FLOAT32, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.functions import get_function
from gradproof.functions.registry import forget
from gradproof.measure import Flushing
from gradproof.oracle import Oracle
from gradproof.oracle.taylor_models import BOUND
from gradproof.sweep.judging import shard_judge, shard_summary
from gradproof.sweep.judging.subject import Subject
from gradproof.sweep.plan import Shard, Target, params

Fault = Callable[[Bits, Bits], Bits]
"""From inputs and correctly rounded results to what is returned."""
SIGN = np.uint32(FLOAT32.sign_bit)


def target(function: str, order: int = 0, contract: str = "stable", fmt: str = "float32") -> Target:
    """NumPy's implementation; what it returns does not matter where a test puts its own results in its place."""
    row, *_ = [i for i in get_backend("numpy:cpu").catalogue() if i.function == function]
    bound = params(get_function(function, row.params).params)
    return Target(function, bound, row.name, "numpy:cpu", "eager", fmt, order, contract)


class Right(Subject):
    """A subject that returns the correctly rounded results, changed by a fault."""

    def __init__(self, subject: Target, fault: Fault, flushing: bool = False) -> None:
        super().__init__(subject)
        self.target = subject
        self.fault = fault
        self.oracle = Oracle(self.probe.function)
        if flushing:
            zeros = (self.oracle.certified(bits, self.probe.format, self.order) for bits in (0, int(SIGN)))
            flushed = Flushing.of(True, True, *zeros)
            self.probe.flushing = lambda order: flushed  # type: ignore[method-assign,assignment]

    def evaluate(self, bits: Bits) -> Bits:
        right = self.oracle.references(bits, self.probe.format)[self.order].rounded
        return self.fault(bits, right.copy())


def summaries(subject: Subject, lo: int, hi: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a shard says by models and the compiled loop, and what it says by the judge alone."""
    shard = Shard(target(subject.probe.function.name), 0, lo, hi)
    modelled, judged = shard_judge.ShardJudge(subject, shard), shard_judge.ShardJudge(subject, shard)
    assert modelled.modelled is not None
    judged.modelled = None
    return modelled.run(), judged.run()


def agree(modelled: dict[str, Any], judged: dict[str, Any]) -> None:
    """Marks and counts are the same; errors are within what a summary says of its bound."""
    assert modelled["classes"] == judged["classes"]
    assert {k: v for k, v in modelled["counts"].items() if k != "asked"} == {
        k: v for k, v in judged["counts"].items() if k != "asked"
    }
    for name in shard_summary.GREATEST:
        due, found = ((tallied["greatest"][name] or {"value": 0.0})["value"] for tallied in (judged, modelled))
        # References know a value within 2^-10 quanta, and the slope in m within 1 %.
        relative, absolute = (0.02 if name == "m" else 2.0**-18), 2.0**-9
        assert found == pytest.approx(due, rel=relative, abs=absolute)
        assert modelled["bound"][name] >= found
        if name != "abs":
            assert modelled["bound"][name] <= found * (1 + relative) + 2 * BOUND
    for name in shard_summary.HISTOGRAMS:
        ours, theirs = modelled["histograms"][name], judged["histograms"][name]
        if name in ("m", "abs"):
            assert sum(ours.values()) == sum(theirs.values())
        # Errors at the edge of a bin may fall into the next.
        moved = sum(abs(ours.get(k, 0) - theirs.get(k, 0)) for k in {*ours, *theirs})
        assert moved <= (0.3 if name == "m" else 0.1) * sum(theirs.values()) + 4
    for name in shard_summary.ENVELOPES:
        assert modelled["envelopes"][name].keys() == judged["envelopes"][name].keys()
        for place, value in judged["envelopes"][name].items():
            assert modelled["envelopes"][name][place] == pytest.approx(value, rel=0.02, abs=2.0**-9)


def every(n: int, value: int | None = None, add: int = 0) -> Fault:
    """Every n-th result replaced by a bit pattern, or moved by so many ulps."""

    def fault(bits: Bits, right: Bits) -> Bits:
        rows = bits % np.uint32(n) == 1
        right[rows] = right[rows] + np.uint32(add) if value is None else np.uint32(value)
        return right

    return fault


def negated(bits: Bits, right: Bits) -> Bits:
    rows = bits % np.uint32(5) == 2
    right[rows] ^= SIGN
    return right


def tiny_to_zero(bits: Bits, right: Bits) -> Bits:
    small = fa.magnitudes(right, FLOAT32) < FLOAT32.min_normal_bits
    right[small] &= SIGN
    return right


def noise(bits: Bits, right: Bits) -> Bits:
    """Anything at every fifth input or so, the same whenever the input comes."""
    mixed = (bits.astype(np.uint64) * np.uint64(0x9E37_79B9_7F4A_7C15)) >> np.uint64(16)
    return np.where(mixed % np.uint64(5) == 0, (mixed >> np.uint64(8)).astype(np.uint32), right)


def none(bits: Bits, right: Bits) -> Bits:
    return right


FAULTS = {
    "none": none,
    "three ulps": every(3, add=3),
    "nine ulps": every(4, add=9),
    "one ulp": every(2, add=1),
    "nan": every(7, FLOAT32.nan_bits),
    "infinity": every(7, FLOAT32.infinity_bits),
    "minus infinity": every(7, FLOAT32.infinity_bits | FLOAT32.sign_bit),
    "zero": every(3, 0),
    "one": every(3, FLOAT32.round(get_format("float32").value(0x3F800000))),
    "greatest": every(3, FLOAT32.max_bits),
    "sign": negated,
    "flushed": tiny_to_zero,
    "subnormal": every(3, FLOAT32.min_normal_bits // 2),
    "noise": noise,
}
WINDOWS = [
    # function, order, first bit pattern: where models meet what is not plain
    ("silu", 0, 0x00000000),  # 0 and the smallest subnormal numbers
    ("silu", 0, 0x007FFC00),  # the least normal number
    ("silu", 1, 0xBFA3C000),  # about the root of f'
    ("silu", 0, 0xC2CFE800),  # where f vanishes
    ("tanh", 0, 0x4110F000),  # saturates
    ("tanh", 1, 0x42AEA800),  # vanishes
    ("tanh", 0, 0x3F0C8000),  # passes 1/2: quanta vary
    ("exp", 0, 0x42B17000),  # overflows
    ("exp", 0, 0x442F0000),  # beyond 2^1000
    ("exp", 1, 0x7F7FFA00),  # the greatest number and infinity
    ("exp", 0, 0x7F7FFA00),
    ("log1p", 0, 0xBF7FFA00),  # -1, the end of the domain
    ("log1p", 1, 0xBF7FFA00),
    ("gelu", 2, 0x3FB4F000),  # about a root of f''
    ("elu", 0, 0x80000000),  # the kink at 0 from the left
    ("hardswish", 1, 0x403FFA00),  # a kink at 3
    ("relu", 0, 0x3F7FFA00),
    ("softplus", 0, 0x41A00000),
    ("relu", 0, 0x80000000),  # 0 at negative subnormal numbers
    ("relu", 0, 0x7F7FF800),  # so near the greatest number that an infinity is an ulp or two away
    ("celu", 0, 0x807FFC00),  # a hair below the least normal number at the least normal input
]


@pytest.mark.parametrize(("function", "order", "first"), WINDOWS, ids=lambda v: f"{v:#x}" if isinstance(v, int) else v)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_models_and_judge_agree(function: str, order: int, first: int, fault: Fault) -> None:
    agree(*summaries(Right(target(function, order), fault), first, first + 2999))


@pytest.mark.parametrize("contract", ["faithful", "stable", "training"])
@pytest.mark.parametrize("flushing", [False, True])
@pytest.mark.parametrize("fault", ["one ulp", "three ulps", "zero", "flushed", "subnormal", "infinity", "noise"])
def test_they_agree_under_every_contract_and_on_backends_that_flush(contract: str, flushing: bool, fault: str) -> None:
    for function, order, first in [*WINDOWS[:6], *WINDOWS[-3:]]:
        subject = Right(target(function, order, contract), FAULTS[fault], flushing)
        agree(*summaries(subject, first, first + 1499))


POLES = """
import numpy as np
import gradproof as gp

gp.function("ln", lambda m, x: m.log(x), domain=(0, "inf"), limits=(("-inf", "inf", "-inf"), ("inf", 0, 0)))
gp.function("inverse", lambda m, x: 1 / x, domain=(0, "inf"), limits=(("inf", "-inf", "inf"), (0, 0, 0)))
for name in ("ln", "inverse"):
    gp.implements(name, backend="numpy", derivative=lambda x: x)(lambda x: x)
"""


@pytest.fixture(scope="module")
def poles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, int], Target]]:
    """Targets of functions with a pole at 0, the end of their domain."""
    file = tmp_path_factory.mktemp("poles") / "poles.py"
    file.write_text(POLES)
    yield lambda name, order: Target(
        name, (), "poles:<lambda>", "numpy:cpu", "eager", "float32", order, "stable", str(file)
    )
    forget(["ln", "inverse"])


@pytest.mark.parametrize("first", [0x00000000, 0x007FFC00, 0x80000000, 0x807FFC00], ids=hex)
@pytest.mark.parametrize(("function", "order"), [("ln", 0), ("ln", 1), ("inverse", 0), ("inverse", 1)])
def test_they_agree_about_inputs_read_as_a_pole(
    function: str, order: int, first: int, poles: Callable[[str, int], Target]
) -> None:
    for flushing in (False, True):
        for fault in ("none", "infinity", "minus infinity", "subnormal"):
            subject = Right(poles(function, order), FAULTS[fault], flushing)
            shard = Shard(subject.target, 0, first, first + 1499)
            modelled, judged = shard_judge.ShardJudge(subject, shard), shard_judge.ShardJudge(subject, shard)
            judged.modelled = None
            found = modelled.run()
            agree(found, judged.run())
            wrong, excused = (found["classes"][name]["count"] for name in ("wrong-class", "excused"))
            if (function, order, fault) == ("ln", 0, "minus infinity"):
                put = [b & 0x7FFFFFFF for b in range(first, first + 1500) if b % 7 == 1]
                read = sum(0 < size < FLOAT32.min_normal_bits for size in put) * flushing
                assert (wrong, excused) == (sum(size > 0 for size in put) - read, read)


def test_a_fault_is_found_where_it_is_and_nowhere_else() -> None:
    lo, hi = 0x40000000, 0x40000000 + 99_999
    wrong = range(0x40001234, 0x40001300)

    def fault(bits: Bits, right: Bits) -> Bits:
        right[(bits >= wrong.start) & (bits < wrong.stop)] += np.uint32(40)
        return right

    found, _ = summaries(Right(target("silu"), fault), lo, hi)
    place = shard_summary.key(wrong.start, 32)
    assert found["classes"]["over-contract"] == {
        "count": len(wrong),
        "intervals": [[place, place + len(wrong) - 1, len(wrong)]],
    }
    assert wrong.start <= found["greatest"]["u"]["bits"] < wrong.stop
    # The results step up by 40 ulps at once, and back down at the end.
    after = shard_summary.key(wrong.stop, 32)
    assert found["classes"]["non-monotone"] == {"count": 1, "intervals": [[after, after, 1]]}


def test_right_results_are_within_half_an_ulp_and_fail_nowhere() -> None:
    for function, order, first in WINDOWS:
        found, _ = summaries(Right(target(function, order), none), first, first + 999)
        assert all(not held["count"] for held in found["classes"].values())
        assert found["bound"]["u"] <= 0.5 + 2 * BOUND


def test_a_function_that_models_hold_exactly_has_an_exact_maximum() -> None:
    found, _ = summaries(Right(target("relu"), every(5, add=1)), 0x3F800001, 0x3F800001 + 999)
    assert found["bound"]["u"] == pytest.approx(found["greatest"]["u"]["value"], rel=2.0**-47, abs=0)
    assert found["greatest"]["u"]["value"] == 1
    silu, _ = summaries(Right(target("silu"), every(5, add=1)), 0x3F800001, 0x3F800001 + 999)
    assert 0 < silu["bound"]["u"] - silu["greatest"]["u"]["value"] <= 2 * BOUND


def test_asymmetric_pairs_are_counted_once_for_odd_and_even_functions() -> None:
    lo = 0xBF800000
    one_side = every(10, add=1)

    def fault(bits: Bits, right: Bits) -> Bits:
        return one_side(bits, right) if bits[0] & SIGN else right

    for function, order in (("tanh", 0), ("tanh", 1), ("abs", 0)):
        found, _ = summaries(Right(target(function, order), fault), lo, lo + 999)
        assert found["classes"]["asymmetric"]["count"] == 100
        positive, _ = summaries(Right(target(function, order), fault), lo - 0x80000000, lo - 0x80000000 + 999)
        assert not positive["classes"]["asymmetric"]["count"]


def test_neighbours_in_two_shards_are_compared() -> None:
    edge = 0x41000000

    def fault(bits: Bits, right: Bits) -> Bits:
        right[bits == edge] -= np.uint32(3)
        return right

    subject = Right(target("softplus"), fault)
    found, _ = summaries(subject, edge, edge + 10)
    assert found["classes"]["non-monotone"]["count"] == 1
    found, _ = summaries(subject, edge - 10, edge - 1)
    assert not found["classes"]["non-monotone"]["count"]


def test_nan_inputs_are_judged_and_derivatives_there_are_not() -> None:
    lo = FLOAT32.infinity_bits - 2
    zero = every(1, 0)
    found = shard_judge.ShardJudge(
        Right(target("tanh"), lambda bits, right: right * np.uint32(0)), Shard(target("tanh"), 0, lo, lo + 99)
    )
    result = found.run()
    assert result["classes"]["wrong-class"]["count"] == 97
    derivative = shard_judge.ShardJudge(
        Right(target("tanh", 1), zero), Shard(target("tanh", 1), 0, lo + 3, lo + 99)
    ).run()
    assert not any(held["count"] for held in derivative["classes"].values())
    assert derivative["counts"]["judged"] == 0


def test_formats_of_16_bits_go_by_the_judge() -> None:
    shard = Shard(target("silu", fmt="bfloat16"), 0, 0, 0x7FFF)
    one = shard_judge.ShardJudge(Right(shard.target, none), shard)
    assert one.modelled is None
    found = one.run()
    assert found["greatest"]["u"]["value"] <= 0.5
    assert found["counts"]["judged"] == BFLOAT16.infinity_bits


def test_parts_of_a_range_make_the_whole() -> None:
    lo, hi = 0xC2AE0000, 0xC2AE0000 + 5_999
    subject = Right(target("silu"), FAULTS["zero"])
    shard = Shard(target("silu"), 0, lo, hi)
    whole = shard_judge.ShardJudge(subject, shard).run()
    cuts = [lo, lo + 17, lo + 3000, hi + 1]
    parts = [
        shard_judge.ShardJudge(subject, Shard(target("silu"), i, a, b - 1)).run()
        for i, (a, b) in enumerate(itertools.pairwise(cuts))
    ]
    together = shard_summary.merged(parts)
    assert together["classes"] == whole["classes"]
    assert together["greatest"] == whole["greatest"]
    assert together["histograms"] == whole["histograms"]
    assert together["envelopes"] == whole["envelopes"]
