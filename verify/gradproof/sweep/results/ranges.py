"""Ranges of the line of all bit patterns: by kind of input.

A range is a ``KeyInterval``: first and last key, and how many inputs between them are of the class. One that is
not full was coarsened; what is inside its parts is found by sweeping them again, at the speed of a sweep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gradproof.formats import Format, get_format
from gradproof.sweep.judging import shard_summary
from gradproof.sweep.judging.shard_summary import KeyInterval, bits_at, key
from gradproof.sweep.plan import Shard, Target

KINDS: Final = ("finite", "infinite", "nan")
"""Kinds of inputs: accuracy speaks of the first, special-values of the others."""
Keys = tuple[int, int]
"""First and last key, both included."""


def kinds(fmt: Format) -> dict[str, list[Keys]]:
    """Where the inputs of each kind lie, along the line of keys."""
    low, high = key(fmt.sign_bit | fmt.max_bits, fmt.width), key(fmt.max_bits, fmt.width)
    size = int(fmt.has_infinity)
    ends = (1 << fmt.width) - 1
    infinite = [(low - 1, low - 1), (high + 1, high + 1)] if size else []
    return {"finite": [(low, high)], "infinite": infinite, "nan": [(0, low - 1 - size), (high + 1 + size, ends)]}


def full(interval: KeyInterval) -> bool:
    """Whether every input of the range is of the class."""
    return interval[2] == interval[1] - interval[0] + 1


def within(
    intervals: Iterable[KeyInterval], where: Sequence[Keys], target: Target, names: Sequence[str]
) -> list[KeyInterval]:
    """The parts of ``intervals`` that lie in ``where``; ``names`` are the classes that they are of.

    Parts of ranges that are not full are swept again, so that counts and ends are those of the class.
    """
    made: list[KeyInterval] = []
    for interval in intervals:
        first, last, _ = interval
        parts = [(max(first, a), min(last, b)) for a, b in where if max(first, a) <= min(last, b)]
        if parts == [(first, last)]:
            made.append(list(interval))
        elif full(interval):
            made += [[a, b, b - a + 1] for a, b in parts]
        else:
            for a, b in parts:
                made += of_classes([part["classes"] for part in again(target, a, b)], names)
    return shard_summary.touching(sorted(made))


def of_classes(found: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[KeyInterval]:
    """The intervals of several classes as one list of ranges."""
    return shard_summary.touching(sorted(i for classes in found for name in names for i in classes[name]["intervals"]))


def again(target: Target, first: int, last: int) -> list[dict[str, Any]]:
    """The summaries of the patterns from one key to another, one per sign: the shard's work done once more."""
    from gradproof.sweep.judging.work import work

    fmt = get_format(target.format)
    zero = 1 << (fmt.width - 1)
    signs = [(first, min(last, zero - 1)), (max(first, zero), last)]
    ends = [sorted(bits_at(k, fmt.width) for k in part) for part in signs if part[0] <= part[1]]
    return [work(Shard(replace(target, against=None), 0, lo, hi)) for lo, hi in ends]
