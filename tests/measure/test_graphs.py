"""What a report draws: the worst input of each interval, with what was got and what is due."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from gradproof.formats import BFLOAT16, FLOAT64, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.measure.graphs import EDGES, MOST, apart, graph, levels
from gradproof.results.graphs import patterns


def nothing(bits: Bits) -> None:
    return None


def finite(name: str = "bfloat16") -> Bits:
    bits = fa.all_bits(get_format(name))
    return bits[fa.is_finite(bits, get_format(name))]


def test_each_interval_has_its_worst_input_in_the_order_of_the_line() -> None:
    bits = finite()
    magnitude = np.full(bits.size, 0.25)
    spike = int(np.flatnonzero(fa.values(bits, BFLOAT16) == -3.0)[0])
    magnitude[spike] = 40.0
    made = graph(bits, bits, bits, magnitude, BFLOAT16, nothing)
    drawn = patterns(made.inputs, 16)
    assert int(bits[spike]) in drawn
    values = [float(BFLOAT16.value(b)) for b in drawn]
    assert values == sorted(values)
    assert len(drawn) <= 2 * (EDGES.size + 1)
    assert base64.b64decode(made.errors)[drawn.index(int(bits[spike]))] == round(4 * np.log2(1 + 256 * 40))
    assert set(made.due.split()) == {"0"}
    assert made.own is None


def test_an_error_of_one_is_level_32_and_a_wrong_class_255() -> None:
    assert levels(np.array([0.0, 1.0, np.inf, 1e300])).tolist() == [0, 32, 255, 254]


def test_what_is_due_and_what_the_framework_gives_are_told_in_floats_from_what_was_got() -> None:
    one, nan = FLOAT64.parse_bits("0x3ff0000000000000"), FLOAT64.nan_bits
    got = np.array([one, one, 0, one, nan, nan], np.uint64)
    other = np.array([one + 3, one - 1, FLOAT64.sign_bit | 2, nan, one, nan], np.uint64)
    assert apart(got, other, FLOAT64) == "3 -1 -2 0x7ff8000000000000 0x3ff0000000000000 ?"


def test_what_is_not_judged_is_not_drawn() -> None:
    bits = finite()
    magnitude = np.where(fa.values(bits, BFLOAT16) > 0, np.nan, 0.1)
    made = graph(bits, bits, bits, magnitude, BFLOAT16, nothing)
    assert all(float(BFLOAT16.value(b)) <= 0 for b in patterns(made.inputs, 16))


def test_of_very_many_inputs_the_failing_ones_are_kept() -> None:
    rng = np.random.default_rng(3)
    values = rng.uniform(-8, 8, 3 * MOST)
    bits = values.view(np.uint64)
    magnitude = np.full(bits.size, 0.1)
    magnitude[12345] = 7.0
    made = graph(bits, bits, bits, magnitude, FLOAT64, nothing)
    assert int(bits[12345]) in patterns(made.inputs, 64)


@pytest.mark.parametrize("name", ["float16", "float32"])
def test_the_framework_is_asked_at_the_drawn_inputs_alone(name: str) -> None:
    fmt = get_format(name)
    bits = np.arange(0, 4000, 7).astype(fa.storage(fmt))
    asked: list[Bits] = []

    def own(inputs: Bits) -> Bits:
        asked.append(inputs)
        return inputs + np.asarray(1, inputs.dtype)

    made = graph(bits, bits, bits, np.zeros(bits.size), fmt, own)
    assert [int(b) for b in asked[0]] == patterns(made.inputs, fmt.width)
    assert set((made.own or "").split()) == {"1"}


def test_an_error_near_the_end_of_float64_is_shown_without_a_warning() -> None:
    huge = np.finfo(np.float64).max  # 5 where 1e-308 is due, say: over the least level it overflows
    assert levels(np.array([huge, np.inf, 0.0])).tolist() == [254, 255, 0]
