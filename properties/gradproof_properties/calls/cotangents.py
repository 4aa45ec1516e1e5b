"""The vector-Jacobian product is linear in the cotangent: for c comes back c times what comes back for 1.

Each element's is its own: where every second cotangent is 2, twice that comes back at these, and no more elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gradproof.extend import (
    FINITE,
    LARGE_ERROR,
    LOST_SIGNAL,
    TRAINING,
    WRONG_CLASS,
    Bits,
    Floats,
    Format,
    Probe,
    Violations,
)
from gradproof.extend import arrays as fa
from gradproof_properties import flushing
from gradproof_properties.allowances import allowance

Mask = npt.NDArray[np.bool_]
REACH = 8.0
"""Cotangents other than 0 are tried on [-8, 8], where no activation function makes a large number of a small one."""
ALTERNATING = "1 and 2 in turn"
UNDERFLOWS = 16.0
"""Steps of a derivative's formula that may underflow; each error may still be multiplied by 1 + |x|."""


def cotangents(fmt: Format) -> tuple[float, ...]:
    """0, one that rounds, the least normal number, and a large one; all exact in ``fmt``."""
    return (0.0, -3.0, 2.0**fmt.e_min, 2.0 ** (fmt.e_max // 2))


def nonlinear(
    probe: Probe, bits: Bits, ones: Bits, pulled: Callable[[float], Bits], alternating: Callable[[], Bits]
) -> tuple[list[dict[str, Any]], list[Violations]]:
    """Check all cotangents at ``bits`` of shape (n,); ``ones`` is the answer to 1, ``pulled(c)`` that to c.

    ``alternating()`` is the answer to 1, 2, 1, 2 and so on.

    Cotangent 0 gives 0 wherever ``ones`` is finite. The others give c times ``ones`` within 2 |c| times the admissible
    error of f' (once for either answer) and the format's underflow, wherever ``ones`` is finite and the product stays
    within the format. Admissible is what the cell's contract allows, or the training contract where that is more; an
    input at which ``ones`` errs by more is not judged, as the accuracy of f' is another claim's business. Returns
    figures for the reader, and failures.
    """
    fmt = probe.format
    reference = probe.references(bits)[1]
    x, own = fa.values(bits, fmt), fa.values(ones, fmt)
    finite = np.isfinite(own) & np.isfinite(x)
    near = finite & (np.abs(x) <= REACH)
    room = np.fmax(allowance(probe, bits, reference, 1), allowance(probe, bits, reference, 1, contract=TRAINING))
    # Where f' is a convention, what came back is all there is to round.
    convention = finite & (reference.kind != FINITE)
    room[convention] = np.fmax(room[convention], _rounding(probe, own[convention]))
    known = near & (reference.kind == FINITE) & ~probe.judge(bits, ones, 1, reference).excused
    accurate = ~known
    accurate[known] = np.abs(own[known] - reference.values[known]) <= room[known]
    flushes = flushing.flushes(probe.traits)
    least = float(fmt.min_normal if flushes else fmt.min_subnormal)
    figures, found = [], []
    turns = np.where(np.arange(bits.size) % 2 == 1, 2.0, 1.0)
    asked: list[float | str] = [*cotangents(fmt), ALTERNATING]
    for given in asked:
        c = turns if isinstance(given, str) else np.full(bits.size, given)
        results = alternating() if isinstance(given, str) else pulled(given)
        got = fa.values(results, fmt)
        with np.errstate(all="ignore"):
            due = c * own
            bound = np.where(c == 0, 0.0, 2 * np.abs(c) * room + UNDERFLOWS * least * (1 + np.abs(x)))
            # Formulas multiply by x, some twice, before they multiply by what makes it small again.
            inside = np.abs(due) * (1 + np.abs(x)) ** 2 < float(fmt.max_value)
            eligible = finite & ((c == 0) | (near & inside))
            judged = eligible & ((c == 0) | accurate)
            error = np.abs(got - due)
            wrong = judged & ~(error <= bound)
            ratio = error / np.maximum(bound, least)
            felt = ~(error <= 2 * np.maximum(np.abs(c), 1.0) * room)
        skipped = int((eligible & ~judged).sum())
        figures.append({"cotangent": given, "n": int(judged.sum()), "not_judged": skipped, "failing": int(wrong.sum())})
        if wrong.any():
            found.append(_violations(fmt, bits, results, given, due, ratio, wrong, felt))
    return figures, found


def _rounding(probe: Probe, values: Floats) -> Floats:
    """What the cell's contract allows numbers of the format for being rounded, wherever they come from."""
    quantum = np.ldexp(1.0, fa.quantum_exponents(values, probe.format).astype(np.int32))
    return probe.contract.room(1, probe.format, quantum, 0.0, np.abs(values))


def _violations(
    fmt: Format, bits: Bits, results: Bits, given: float | str, due: Floats, ratio: Floats, wrong: Mask, felt: Mask
) -> Violations:
    got = fa.values(results, fmt)
    severity = np.where(np.isfinite(got), np.where(got == 0, LOST_SIGNAL, LARGE_ERROR), WRONG_CLASS).astype(np.int8)
    magnitude = np.where(np.isfinite(got), np.maximum(ratio, 1.0), np.inf)
    rows = np.flatnonzero(wrong)
    i = int(rows[np.lexsort((-magnitude[rows], severity[rows]))[0]])
    name = given if isinstance(given, str) else f"{given:g}"
    text = (
        f"at {fmt.decimal(int(bits[i]))}: the vjp of cotangent {name} is {got[i]:g}, and that of cotangent 1 "
        f"makes it {due[i]:g}"
    )
    flushed = got[i] == 0 and abs(due[i]) < fmt.min_normal
    return Violations(
        bits[wrong], results[wrong], magnitude[wrong], severity[wrong], felt[wrong], text,
        cause="flush" if flushed else "wrong-branch",
        pointwise=False,
    )  # fmt: skip
