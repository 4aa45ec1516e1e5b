"""What would keep the contract where an implementation does not: a formula, a wider format, a value at infinity."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from gradproof.engine.findings.enclosing import known_formulas
from gradproof.engine.findings.other_functions import is_catalogued
from gradproof.engine.subject.probe import Probe
from gradproof.errors import GradproofError
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.formats.arrays import Bits
from gradproof.formulas.worst import worst_error
from gradproof.functions import get_function
from gradproof.results.model import Advice

COMPUTE: Final = "float32"
"""The format that 16-bit formats compute in."""


def advice(probe: Probe, order: int, bits: Bits) -> Advice | None:
    """What would keep the contract where a user's f^(order) does not, at ``bits``; None where nothing is known.

    At the infinities alone that is what to return there. In a narrow format it is the same code in float32, where that
    was tried at every input and keeps the contract; else the formula with the least worst error that does.
    """
    numbers = bits[~fa.is_nan(bits, probe.format)]
    if not numbers.size:
        return None
    if not fa.is_finite(numbers, probe.format).any():
        return _at_infinities(probe, order, numbers)
    if (wider := _in_float32(probe, order)) is not None:
        return wider
    if not is_catalogued(probe.function):
        return None
    params = tuple(sorted(probe.function.params.items()))
    return _best(probe.function.name, params, order, probe.format.name)


def _at_infinities(probe: Probe, order: int, bits: Bits) -> Advice | None:
    """What to return at ``bits``, which are infinities; None where that is no single number."""
    due = _due(probe, order, bits)
    return Advice(f"only infinities fail: {due}, told apart", 0.0, order, [probe.format.name]) if due else None


def _due(probe: Probe, order: int, bits: Bits) -> str:
    """``0.0 at -inf and 1.0 at inf``; empty where something is due that is no single number."""
    fmt = probe.format
    due = [(int(b), probe.certified(int(b), order)) for b in sorted(bits, reverse=True)]
    if any(value.kind not in ("finite", "infinite", "nan") for _, value in due):
        return ""
    return " and ".join(f"{fmt.decimal(value.bits)} at {fmt.decimal(at)}" for at, value in due)


def _in_float32(probe: Probe, order: int) -> Advice | None:
    """That the implementation keeps the contract at every input if it computes in float32 and its result is rounded.

    An experiment: it is called in float32 with the numbers of the narrow format. None where it cannot be, or does not.
    """
    fmt, wide = probe.format, get_format(COMPUTE)
    if not fmt.is_16_bit or probe.given is not None or probe.mode != "eager" or probe.target is not None:
        return None
    every = fa.all_bits(fmt)
    every = every[~fa.is_nan(every, fmt)]
    try:
        got = probe.in_format(wide, fa.round_values(fa.values(every, fmt), wide), order)
    except GradproofError:
        return None
    judged = probe.judge(every, fa.round_values(fa.values(got, wide), fmt), order)
    if judged.failing[fa.is_finite(every, fmt)].any():
        return None
    text = f"the same code in {wide.name}, rounded once at the end"
    if judged.failing.any():
        apart = _due(probe, order, every[judged.failing])
        if not apart:
            return None
        text += f", and {apart}"
    bound = float(np.max(judged.magnitude[judged.judged & ~judged.failing], initial=0.0))
    return Advice(text, float(f"{bound:.4g}"), order, [fmt.name])


@lru_cache(maxsize=256)
def _best(name: str, params: tuple[tuple[str, object], ...], order: int, format_name: str) -> Advice | None:
    fmt, given = get_format(format_name), dict(params)
    function = get_function(name, given)  # type: ignore[arg-type]
    worst = [worst_error(f, fmt, given) for f in known_formulas(function, order, fmt)]  # type: ignore[arg-type]
    kept = [w for w in worst if w.keeps_contract]
    if not kept:
        return None
    least = min(kept, key=lambda w: w.error)
    text = f"{least.formula.text} [{least.formula.id}]"
    return Advice(text, float(f"{least.error:.4g}"), order, [fmt.name])
