"""Certificates: what a failure carries so that somebody else can check it again."""

from __future__ import annotations

import dataclasses
import os
import shlex
from typing import Final

import numpy as np

from gradproof.engine.findings.regions import Fails, Span, simplest, spans, widen
from gradproof.engine.properties.property import Violations
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.errors import ImplementationFault, Unsupported
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.functions import Function, exact
from gradproof.functions.function import Kind
from gradproof.oracle import Certified
from gradproof.results.formatting import finite_or_none, in_order
from gradproof.results.model import Certificate, Enclosure, Interval, Number
from gradproof.text import storable


def number(bits: int, fmt: Format) -> Number:
    """One datum as bits, C99 hex and decimal."""
    return Number(fmt.bits_text(bits), fmt.hexfloat(bits), fmt.decimal(bits))


USUAL_CLAIMS: Final[dict[Kind, str]] = {
    "value": "accuracy", "nearest": "conversion", "stochastic": "stochastic-rounding", "blocks": "block-scaling",
}  # fmt: skip


def usual_claim(function: Function) -> str:
    """The claim that ``gradproof repro`` checks when none is named."""
    return USUAL_CLAIMS[function.kind]


def reproduction(task: Task, bits: int | None, source: str | None = None, selection: Selection | None = None) -> str:
    """The command line that shows the failure again, from bits alone.

    A contract other than the default is named. So are profile and seed where the claim has to be searched again
    because one input does not show it.
    """
    words = ["gradproof", "repro", task.function.name]
    if source:
        words += ["--file", source]
    if task.implementation.user or "." not in task.implementation.name:
        words += ["--implementation", task.implementation.name]
    for key, value in sorted(task.function.params.items()):
        if key not in task.function.defaults or exact(value) != exact(task.function.defaults[key]):
            words += ["--param", storable(f"{key}={value!r}")]
    words += ["--backend", task.backend, "--format", task.format, "--order", str(task.order)]
    if task.mode != "eager":
        words += ["--mode", task.mode]
    if task.property != usual_claim(task.function):
        words += ["--property", task.property]
    if selection is not None:
        searched = bits is None or task.property != usual_claim(task.function)
        usual = {f.name: f.default for f in dataclasses.fields(Selection)}
        for name in ("contract", *(("profile", "seed") if searched else ())):
            if getattr(selection, name) != usual[name]:
                words += [f"--{name}", str(getattr(selection, name))]
    if bits is not None:
        words += ["--bits", f"{bits:#x}"]
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """One word of a command line; one with characters that a terminal cannot take, in the escapes of $'...'.

    So the name of a file may be of any bytes, as file systems have it.
    """
    if word.isprintable():
        return shlex.quote(word)
    shown = (chr(b) if 0x20 <= b < 0x7F and chr(b) not in "'\\" else f"\\x{b:02x}" for b in os.fsencode(word))
    return f"$'{''.join(shown)}'"


def certify_failure(
    task: Task,
    probe: Probe,
    violations: Violations,
    source: str | None,
    region: list[Interval] | None = None,
    *,
    search: bool = True,
) -> Certificate:
    """The certificate of the worst row of ``violations``: severity first, then magnitude.

    ``region`` are the failing intervals where they are known; otherwise they are found from the rows. With ``search``
    the one around the worst input is followed to its ends, and the simplest input in it is looked for: many calls.
    """
    fmt = probe.format
    worst = int(np.lexsort((-np.nan_to_num(violations.magnitude, posinf=1e308), violations.severity))[0])
    if not violations.bits.size:
        raise ValueError("a certificate needs at least one violation")
    bits, got = int(violations.bits[worst]), int(violations.got[worst])
    magnitude = float(violations.magnitude[worst])
    if violations.cause == "fault":  # of a call: no number is wrong
        return fault(violations.explanation, reproduction(task, None, source, probe.selection))
    if not violations.pointwise:
        return Certificate(
            number(bits, fmt), number(got, fmt), None, None, [], None, None, None, finite_or_none(magnitude), None,
            in_order(_plain_region(violations.bits, fmt), number(bits, fmt)), violations.cause or "rounding",
            violations.explanation,
            reproduction(task, bits, source, probe.selection),
        )  # fmt: skip
    expected = probe.certified(bits, task.order)
    u, m, absolute = _errors(probe, task, bits, got)
    cause = violations.cause or probe.cause(bits, got, task.order, expected, u)
    fails = _fails(probe, task.order)
    if region is None:
        region, simple = _region(probe, task.order, violations, bits, fails if search else None)
    else:
        simple = _simplest(region, bits, fmt, fails)
    return Certificate(
        input=number(bits, fmt),
        got=number(got, fmt),
        expected=number(expected.bits, fmt) if expected.kind in ("finite", "infinite", "nan") else None,
        enclosure=enclosure(expected),
        neighbours=_neighbours(probe, task.order, bits),
        u=finite_or_none(u),
        m=finite_or_none(m),
        abs_error=finite_or_none(absolute),
        magnitude=finite_or_none(magnitude),
        simplest=None if simple is None else number(simple, fmt),
        region=in_order(region, number(bits, fmt)),
        cause=cause,
        explanation=violations.explanation,
        reproduce=reproduction(task, bits if simple is None else simple, source, probe.selection),
    )


def fault(explanation: str, reproduce: str) -> Certificate:
    """The certificate of a call that raised, hung or answered with something else than one number per input."""
    return Certificate(
        None, None, None, None, [], None, None, None, None, None, [], "fault", explanation, reproduce
    )  # fmt: skip


def enclosure(value: Certified) -> Enclosure | None:
    """The oracle's interval as text; None where there is none."""
    if value.lower is None or value.upper is None:
        return None
    how = {"exact": "exact", "arb": "arb"}.get(value.how, "uncertified")
    return Enclosure(value.lower.decimal(30), value.upper.decimal(30), how, value.precision)


def _errors(probe: Probe, task: Task, bits: int, got: int) -> tuple[float, float, float]:
    dtype = fa.storage(probe.format)
    point, result = np.array([bits], dtype), np.array([got], dtype)
    judgement = probe.judge(point, result, task.order)
    return float(judgement.u[0]), float(judgement.m[0]), float(judgement.absolute[0])


def _fails(probe: Probe, order: int) -> Fails:
    def fails(bits: Bits) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return probe.judge(bits, probe.evaluate(bits, order), order).failing

    return fails


def _region(
    probe: Probe, order: int, violations: Violations, worst: int, fails: Fails | None
) -> tuple[list[Interval], int | None]:
    """Intervals of failing inputs; where ``fails`` may be asked the one around the worst widened, and its simplest."""
    fmt = probe.format
    numeric = ~fa.is_nan(violations.bits, fmt)
    if not numeric.any():
        return _plain_region(violations.bits, fmt), None
    tried = fa.ordinals(probe.held_points(order), fmt)
    found = spans(tried, fa.ordinals(violations.bits[numeric], fmt))
    simple = None
    if fails is not None and not fmt.is_nan(worst):
        at = fmt.ordinal(worst)
        home = next(i for i, s in enumerate(found) if s.low <= at <= s.high)
        try:
            if not fmt.is_16_bit:
                found[home] = widen(found[home], tried, fmt, fails)
            simple = simplest(found[home], fmt, fails)
        except (ImplementationFault, Unsupported):
            simple = None  # a callable that fails now and then keeps its unwidened region
    return [_interval(span, fmt, fmt.is_16_bit) for span in found], simple


def _simplest(region: list[Interval], worst: int, fmt: Format, fails: Fails) -> int | None:
    """The simplest failing input of the interval that holds the worst one; None for a NaN and where there is none."""
    if fmt.is_nan(worst):
        return None
    for interval in region:
        ends = [int(end.bits, 16) for end in (interval.lo, interval.hi)]
        if any(fmt.is_nan(end) for end in ends):
            continue
        low, high = (fmt.ordinal(end) for end in ends)
        if low <= fmt.ordinal(worst) <= high:
            try:
                return simplest(Span(low, high, interval.tried, interval.failing), fmt, fails)
            except (ImplementationFault, Unsupported):
                return None
    return None


def _interval(span: Span, fmt: Format, exhaustive: bool) -> Interval:
    low, high = fmt.from_ordinal(span.low), fmt.from_ordinal(span.high)
    return Interval(number(low, fmt), number(high, fmt), span.tried, span.failing, exhaustive)


def _plain_region(bits: Bits, fmt: Format) -> list[Interval]:
    """Runs of the failing inputs alone, with no claim about what lies between."""
    nans = bits[fa.is_nan(bits, fmt)]
    rest = fa.ordinals(bits[~fa.is_nan(bits, fmt)], fmt)
    intervals = (
        [dataclasses.replace(_interval(span, fmt, False), tried=0) for span in spans(rest, rest)] if rest.size else []
    )
    if nans.size:
        pattern = number(int(nans[0]), fmt)
        intervals.append(Interval(pattern, pattern, 0, int(nans.size), False))
    return intervals


def _neighbours(probe: Probe, order: int, bits: int) -> list[dict[str, Number]]:
    """Input, result and expectation at two neighbours on either side."""
    fmt = probe.format
    if fmt.is_nan(bits):
        return []
    limit = fmt.last_bits
    ordinals = [fmt.ordinal(bits) + d for d in (-2, -1, 1, 2)]
    near = np.array([fmt.from_ordinal(o) for o in ordinals if abs(o) <= limit], dtype=fa.storage(fmt))
    try:
        got = probe.evaluate(near, order)
    except (ImplementationFault, Unsupported):
        return []
    rows = []
    for x, g in zip(near, got, strict=True):
        due = probe.certified(int(x), order)
        row = {"input": number(int(x), fmt), "got": number(int(g), fmt)}
        if due.kind in ("finite", "infinite", "nan"):
            row["expected"] = number(due.bits, fmt)
        rows.append(row)
    return rows
