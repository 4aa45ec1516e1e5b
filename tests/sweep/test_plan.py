"""Targets and shards: what is cut where, and how ranges are read."""

from __future__ import annotations

import json
import math
import pickle
import re
import struct

import pytest

from gradproof.errors import UsageError
from gradproof.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT32, FLOAT64, FORMATS, Format
from gradproof.sweep.plan import (
    EXHAUSTIBLE,
    Shard,
    Target,
    params,
    parse_numbers,
    parse_range,
    partition,
    shards,
    whole,
)

TARGET = Target("silu", (), "torch.nn.functional.silu", "torch:cpu", "eager", "float32", 0, "stable")


def covered(blocks: list[tuple[int, int]]) -> list[int]:
    return [bits for lo, hi in blocks for bits in range(lo, hi + 1)]


@pytest.mark.parametrize("fmt", [f for f in FORMATS.values() if f.width <= 16], ids=lambda f: f.name)
def test_a_partition_holds_every_pattern_of_a_format_once(fmt: Format) -> None:
    assert covered(partition(fmt, *whole(fmt))) == list(range(1 << fmt.width))


@pytest.mark.parametrize(("first", "last"), [(0, 0), (5, 70), (0x7FFF, 0x8000), (0x8000, 0xFFFF), (77, 0xFFFE)])
def test_a_partition_holds_every_pattern_of_a_range_once(first: int, last: int) -> None:
    assert covered(partition(BFLOAT16, first, last)) == list(range(first, last + 1))


def test_no_shard_crosses_the_sign() -> None:
    for fmt in (FLOAT32, BFLOAT16, FLOAT8_E4M3FN):
        assert all(lo & fmt.sign_bit == hi & fmt.sign_bit for lo, hi in partition(fmt, *whole(fmt)))


def test_float32_is_cut_into_256_blocks_of_two_to_the_24() -> None:
    blocks = partition(FLOAT32, *whole(FLOAT32))
    assert (len(blocks), {hi - lo + 1 for lo, hi in blocks}) == (256, {1 << 24})
    assert blocks[-1][1] == 0xFFFFFFFF


def test_a_range_is_cut_where_the_whole_is() -> None:
    inside = partition(FLOAT32, 0x3F800001, 0x41000007)
    assert inside == [(0x3F800001, 0x3FFFFFFF), (0x40000000, 0x40FFFFFF), (0x41000000, 0x41000007)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0x3f800000..0x40000000", (0x3F800000, 0x40000000)),
        ("0..255", (0, 255)),
        (" 1 .. 0x2 ", (1, 2)),
        ("7..7", (7, 7)),
    ],
)
def test_ranges_are_read_in_hexadecimal_and_decimal(text: str, expected: tuple[int, int]) -> None:
    assert parse_range(text, FLOAT32) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0x3f80", "expected --bits LO..HI, such as 0x0..0x7f7f for bfloat16, got '0x3f80'"),
        ("0..0x10000", "expected a bit pattern of 16 bits for bfloat16, such as 0x7f7f, got '0x10000'"),
        ("-1..4", "expected a bit pattern of 16 bits for bfloat16, such as 0x7f7f, got '-1'"),
        ("1.5..2", "expected a bit pattern of 16 bits for bfloat16, such as 0x7f7f, got '1.5'"),
        ("5..", "expected a bit pattern of 16 bits for bfloat16, such as 0x7f7f, got ''"),
        ("9..5", "the lower one first, got 0x9..0x5"),
    ],
)
def test_a_range_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_range(text, BFLOAT16)
    assert said in str(refused.value)


def test_more_patterns_than_anybody_can_try_are_refused() -> None:
    assert len(partition(FLOAT64, 0, EXHAUSTIBLE - 1)) == EXHAUSTIBLE >> 24
    with pytest.raises(UsageError, match="name a narrower range"):
        partition(FLOAT64, 0, EXHAUSTIBLE)


def test_targets_are_called_like_cells() -> None:
    assert TARGET.id == "silu-torch-cpu-float32-order0"
    other = Target("elu", params({"alpha": 2.0}), "x", "jax:cpu", "compiled", "float16", 2, "stable")
    assert other.id == "elu-alpha=2.0-jax-cpu-compiled-float16-order2"


@pytest.mark.parametrize("value", [0.1, 3, "0.1", "1/3"])
def test_a_target_survives_json_and_pickling_with_exact_parameters(value: object) -> None:
    target = Target("elu", params({"alpha": value}), "x", "numpy:cpu", "eager", "float16", 1, "stable", "a.py")
    assert Target.from_json(json.loads(json.dumps(target.to_json()))) == target
    shard = Shard(target, 3, 5, 9)
    assert pickle.loads(pickle.dumps(shard)) == shard
    assert hash(shard) == hash(pickle.loads(pickle.dumps(shard)))


def test_shards_are_numbered_in_the_order_of_their_bits() -> None:
    found = shards(TARGET, 3, (3 << 24) - 1)
    assert [(s.index, s.lo) for s in found] == [(0, 3), (1, 1 << 24), (2, 2 << 24)]
    assert sum(s.points for s in found) == (3 << 24) - 3


NUMBERS = ["-8..8", "0..1", "-0..1", "-1..-0", "-1.0..-0.5", "1e-3..0x1p-3", "-inf..-1e38", "0.1..0.1015625", "1..inf"]


@pytest.mark.parametrize("text", NUMBERS)
def test_a_range_in_numbers_holds_every_float_between_them_and_no_other(text: str) -> None:
    ends = [float.fromhex(t) if "x" in t else float(t) for t in text.split("..")]
    # As the line of floats has it: -0 lies just below 0, where an end says so.
    signed = [(end, math.copysign(1, end)) for end in ends]
    due = []
    for bits in range(1 << 16):
        value = struct.unpack("<f", struct.pack("<I", bits << 16))[0]  # a bfloat16 is the upper half of a float32
        if not math.isnan(value) and signed[0] <= (value, math.copysign(1, value)) <= signed[1]:
            due.append(bits)
    found = parse_numbers(text, BFLOAT16)
    assert covered(found.parts) == due
    assert found.points == len(due)
    target = Target("silu", (), "torch.nn.functional.silu", "torch:cpu", "eager", "bfloat16", 0, "stable")
    assert covered([(s.lo, s.hi) for s in shards(target, found.first, found.last, found.gap)]) == due


@pytest.mark.parametrize(
    ("text", "fmt", "why"),
    [
        ("8", BFLOAT16, "expected --range LO..HI in numbers, such as -8..8, got '8'"),
        ("1..-8", BFLOAT16, "from the lower to the higher one, got '1..-8'"),
        ("a..8", BFLOAT16, "expected a number in --range, such as -8, 1e-3 or 0x1p-126, got 'a'"),
        ("1.001..1.002", BFLOAT16, "from the lower to the higher one"),  # no bfloat16 lies between
        ("0..inf", FLOAT8_E4M3FN, "float8_e4m3fn has no infinity; its greatest number is 448.0"),
        ("-1..1", FLOAT64, "expected at most 2**36 numbers in one sweep"),
        ("nan..1", BFLOAT16, "expected a number in --range"),
    ],
)
def test_a_range_in_numbers_that_is_none_is_refused(text: str, fmt: Format, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)):
        parse_numbers(text, fmt)
