"""Whether what fails was computed in, or went through, a narrower format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from gradproof.engine.findings.enclosing import ENOUGH
from gradproof.engine.findings.results_at import LARGE_PART, FailingResults, Mask, vary
from gradproof.engine.subject.probe import Probe
from gradproof.errors import GradproofError
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.results.model import Explanation

NARROWER: Final = ("bfloat16", "float16", "float32")
"""Formats that a computation may have gone through, the narrowest significand first."""
IN: Final = "in/"
"""How the id of a format begins."""
IN_NARROWER: Final = 4.0
"""Quanta of a narrower format that its results may be off."""


def stored_in(probe: Probe, order: int, bits: Bits, got: Bits, varied: Bits) -> list[Explanation]:
    """The narrower formats that every result is a number of, and in which it is about right, or f is.

    ``varied`` are results that tell formats apart: 0 and 1 are numbers of all. They must be of it, too.
    """
    if not vary(probe, varied):
        return []
    values = fa.values(varied, probe.format)
    names = [f"{IN}{name}" for name in NARROWER if get_format(name).precision < probe.format.precision]
    names = [name for name in names if np.mean(_numbers_of(name, values)) >= ENOUGH]
    found = [e for name in names if (e := _in_format(probe, order, bits, got, name))]
    if found or not order:
        return found
    try:
        values = probe.evaluate(bits, 0)
    except GradproofError:
        return []
    if not vary(probe, values) or probe.judge(bits, values, 0).failing.mean() < LARGE_PART:
        return []
    return [
        e
        for name in names
        if _in_format(probe, 0, bits, values, name) and (e := _in_format(probe, order, bits, got, name, about=False))
    ]


def _in_format(probe: Probe, order: int, bits: Bits, got: Bits, name: str, *, about: bool = True) -> Explanation | None:
    """That nearly all results are numbers of a narrower format, and ``about`` right in it; None where they are not."""
    fmt, narrow = probe.format, get_format(name.removeprefix(IN))
    values, x = fa.values(got, fmt), fa.values(bits, fmt)
    references = probe.references(bits)
    y = references[order].values
    slope = np.abs(references[order + 1].values) if order + 1 < len(references) else np.zeros_like(y)
    with np.errstate(all="ignore"):
        held = _numbers_of(name, values)
        if about:
            room = IN_NARROWER * (_quantum(y, narrow) + slope * _quantum(x, narrow))
            beyond = np.maximum(np.abs(y), np.abs(x)) >= float(narrow.max_value) / 2
            held &= (np.abs(values - y) <= room) | (beyond & ~np.isfinite(values))
    share = float(np.mean(held))
    return Explanation(name, f"it computes in {narrow.name}", round(share, 6)) if share >= ENOUGH else None


def narrower_elsewhere(
    probe: Probe, order: int, asked: FailingResults, why: Sequence[Explanation], told: Sequence[Sequence[Explanation]]
) -> list[Explanation]:
    """The formats that other clusters were found to be computed in, where these results are numbers of them, too."""
    ids = {e.id for all_ in told for e in all_ if e.id.startswith(IN)} - {e.id for e in why}
    return [e for name in sorted(ids) if (e := _in_format(probe, order, asked.bits, asked.got, name, about=False))]


def _numbers_of(name: str, values: Floats) -> Mask:
    """Which of some numbers are numbers of the format that an explanation names."""
    narrow = get_format(name.removeprefix(IN))
    same = fa.values(fa.round_values(values, narrow), narrow)
    held: Mask = (same == values) | (np.isnan(same) & np.isnan(values))
    return held


def _quantum(values: Floats, fmt: Format) -> Floats:
    """The distance of the numbers of a format around ``values``."""
    exponent = np.frexp(np.abs(values))[1] - 1
    quanta: Floats = np.exp2(np.maximum(exponent, fmt.e_min) - fmt.precision + 1.0)
    return quanta
