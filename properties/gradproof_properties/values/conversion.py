"""conversion: a number of a wider format is rounded once, to nearest, ties to even."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

import numpy as np

from gradproof.extend import Bits, Evidence, Format, Kind, Outcome, Pointwise, Probe, Property, Violations, conversion
from gradproof.extend import arrays as fa

PART: Final = 1 << 20
"""Results of a file that are judged at a time."""
KEPT: Final = 1 << 12
"""Failing ones of a part that are kept, spread evenly; all of a smaller part are."""


class Conversion(Property):
    """Narrowing conversions against one correct rounding of the exact number."""

    id: ClassVar[str] = "conversion"
    title: ClassVar[str] = "Conversions round once"
    statement: ClassVar[str] = (
        "Converting from a wider format rounds once, to nearest, ties to even, gradually among the subnormals. What "
        "overflows becomes infinity; where the target has none all of it becomes NaN, or all of it the greatest "
        "number, which 8 bits with an infinity may do too. A NaN stays a NaN where there is one. What an unsigned "
        "target makes of negative numbers is one thing for all. These conventions are recorded, as the sign of zero is."
    )
    source: ClassVar[str] = (
        "IEEE 754-2019, sections 4.3.1, 5.4.2, 7.4; OCP 8-bit Floating Point and Microscaling Specifications"
    )
    about: ClassVar[Kind] = "nearest"
    tries_witnesses: ClassVar[bool] = True

    def check(self, probe: Probe, order: int) -> Outcome:
        """Judge every pattern of a 16-bit source; of a wider one midpoints, their surroundings and a spread."""
        assert probe.target is not None
        source, target = probe.format, probe.target
        inputs = probe.implementation.inputs
        if inputs is not None:
            return self._given(probe, order, inputs.parts(PART), complete=inputs.complete)
        bits = fa.distinct(np.concatenate([probe.base_points, np.array(probe.witnesses, fa.storage(source))]))
        got = probe.evaluate(bits, order)
        judgement = probe.judge(bits, got, order)
        severity = conversion.severities(bits, got, judgement, source, target)
        points = Pointwise(probe, order)
        points.add_judged(bits, got, judgement, severity)
        outcome = points.outcome(exhaustive=source.is_16_bit)
        if outcome.violations:
            (failing,) = outcome.violations
            outcome.violations = _by_fault(failing, source, target)
        outcome.measured.update(_recorded(bits, got, source, target))
        return outcome

    def _given(self, probe: Probe, order: int, parts: Iterable[Bits], *, complete: bool) -> Outcome:
        """Judge the only inputs there are, part by part; of each part what fails, and the greatest error, is kept."""
        assert probe.target is not None
        source, target = probe.format, probe.target
        points, n, count = Pointwise(probe, order), 0, 0
        for bits in parts:
            got = probe.evaluate(bits, order)
            judgement = probe.judge(bits, got, order)
            failing = np.flatnonzero(judgement.failing)
            n, count = n + bits.size, count + failing.size
            some = failing[np.linspace(0, failing.size - 1, min(failing.size, KEPT)).astype(np.int64)]
            kept = np.append(some, int(np.argmax(judgement.u))) if bits.size > KEPT else np.arange(bits.size)
            rows = bits[kept], got[kept], judgement[kept]
            points.add_judged(*rows, conversion.severities(*rows, source, target))
        outcome = points.outcome(exhaustive=complete, with_curve=False)
        outcome.evidence = Evidence("exhaustive" if complete else "sampled", n)
        if outcome.violations:
            (failing_rows,) = outcome.violations
            outcome.violations = _by_fault(failing_rows, source, target)
            outcome.measured["failing"] = count
        return outcome


def _by_fault(failing: Violations, source: Format, target: Format) -> list[Violations]:
    """The failing rows, those with one fault together and told by it."""
    kinds, between = conversion.faults(failing.bits, failing.got, source, target)
    return [
        _chosen(failing, kinds == fault, fault, target, between)
        for fault in conversion.FAULTS
        if (kinds == fault).any()
    ]


def _chosen(rows: Violations, chosen: Any, fault: str, target: Format, between: str) -> Violations:
    return Violations(
        rows.bits[chosen], rows.got[chosen], rows.magnitude[chosen], rows.severity[chosen], rows.felt[chosen],
        conversion.fault_text(fault, target, between), conversion.FAULTS[fault][0],
    )  # fmt: skip


def _recorded(bits: Bits, got: Bits, source: Format, target: Format) -> dict[str, str]:
    """What became of finite numbers beyond the target, of infinities and signs of zeros, and of what else has no place
    in the target.
    """
    x, g = fa.values(bits, source), fa.values(got, source)
    threshold = float(target.overflow_threshold)  # exact: a number of some more bits than the target's
    beyond = np.isfinite(x) & (np.abs(x) >= threshold) & (target.signed | (x > 0))
    if not target.overflows(target.overflow_threshold):
        beyond &= np.abs(x) != threshold
    found = {"overflow": _became(g[beyond]), "infinity": _became(g[np.isinf(x) & (target.signed | (x > 0))])}
    if target.has_minus_zero:
        zero = g == 0
        found["sign_of_zero"] = "kept" if (np.signbit(g) == np.signbit(x))[zero].all() else "lost"
    if not target.has_nan:
        kinds = np.unique(g[np.isnan(x)])
        found["nan"] = "mixed" if kinds.size > 1 else f"{kinds[0]:.9g}" if kinds.size else "none"
    if not target.signed:
        found["zero"] = _became(g[x == 0], "least")
        found["negative"] = _became(g[(x < 0) & (x > -threshold)], "number")
    return found


def _became(results: Any, finite: str = "saturated") -> str:
    """One word for all of ``results``: nan, infinity, or ``finite``; ``mixed`` for several, ``none`` without any."""
    words = {
        "nan": bool(np.isnan(results).any()),
        "infinity": bool(np.isinf(results).any()),
        finite: bool(np.isfinite(results).any()),
    }
    seen = [word for word, there in words.items() if there]
    return "none" if not seen else seen[0] if len(seen) == 1 else "mixed"
