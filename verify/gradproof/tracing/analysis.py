"""What a recording shows: each operation's own error, how errors grow, and the operation that matters.

The error of the result is taken apart: H(k) is the result if the operations up to k return what they did return and all
after them are exact. H(0) is exact and the last one is what came out, so the differences H(k) - H(k - 1) are what each
operation adds, in ulps of the result and without linearising. An operation that adds most although it rounded well is
not to blame: then the one behind it is marked that magnifies its error most (1 - s where s is near 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from gradproof.formats import FORMATS
from gradproof.results.formatting import finite_or_none
from gradproof.results.model import Operand, Traced
from gradproof.tracing.recording import Datum, Recording, Step
from gradproof.tracing.shadow import applied, conditions, context, number

ROUNDED_WELL: Final = 2.0
"""Ulps up to which an operation's own error is what one must expect of it."""
MAGNIFIES: Final = 4.0
"""Amplification from which on an operation can be to blame for an error that it was handed."""
RIGHT: Final = 4.0
"""Ulps up to which nothing is marked in a result."""
SPARE_BITS: Final = 160
"""Bits of the exact arithmetic beyond those from 1 down to the least number of the widest format."""
LONGEST: Final = 1 << 16
"""Exponents of two beyond which exact values are told as powers of ten."""
MOST: Final = 256
"""Operations beyond which no call is analysed."""


@dataclass(frozen=True)
class _StepErrors:
    """Errors of one step as mpfs; infinite ones are inf, unknown ones None."""

    step: Step
    exact: Any
    local: Any
    amplification: Any
    accumulated: Any


def rows(recording: Recording, due: Fraction | None = None) -> list[Traced] | None:
    """The operations as the results file has them, None where there is nothing to tell.

    ``due`` is the true value of the result, where it is one number: what operations of unknown mathematics add follows
    from it. Rows are in the order of the calls and leave out what does not change a number.
    """
    steps, output = recording.steps, recording.output
    if output is None or len(steps) > MOST or steps[output].result.number is None or not steps[output].operands:
        return None
    m = context(_precision(steps))
    computed = [None if s.result.number is None else number(m, s.result.number) for s in steps]
    shadow, known = _shadows(m, steps, computed)
    fmt = FORMATS[steps[output].result.format or "float64"]
    adds = _added(m, steps, computed, shadow, output)
    least = number(m, fmt.min_normal)
    size = abs(number(m, due) if due is not None else shadow[output])
    unit = _ulp(m, size if m.isfinite(size) and size > least else least, fmt.precision)
    judged = {i: _judged(m, i, steps, computed, shadow, known) for i, s in enumerate(steps) if s.operands}
    marked = _marked(m, steps, judged, adds, unit, due, (shadow[output], computed[output]), output)
    return [
        Traced(
            operation=j.step.name,
            phase=j.step.phase,
            part_of=j.step.part_of,
            kind=j.step.kind,
            line=j.step.line,
            operands=[_shown(o if isinstance(o, Datum) else steps[o].result) for o in j.step.operands],
            result=_shown(j.step.result),
            exact=None if j.exact is None else _decimal(m, j.exact),
            local=_error(j.local),
            amplification=_error(j.amplification),
            accumulated=_error(j.accumulated),
            adds=_error(None if adds[i] is None else abs(adds[i]) / unit),
            marked=i == marked,
        )
        for i, j in judged.items()
    ]


def _precision(steps: Sequence[Step]) -> int:
    """Bits that tell 1 - s from 0 wherever s differs from 1 by a number of the formats."""
    formats = [FORMATS[s.result.format] for s in steps if s.result.format in FORMATS]
    return SPARE_BITS + max((f.bias + f.precision for f in formats), default=0)


def _shadows(m: Any, steps: Sequence[Step], computed: Sequence[Any]) -> tuple[list[Any], list[bool]]:
    """Exact values carried through, and which of them rest on nothing but rules.

    What has no rule, or no operand as a number, keeps its computed result.
    """
    values: list[Any] = []
    known: list[bool] = []
    for step, own in zip(steps, computed, strict=True):
        given = _operands(m, step, values)
        if not step.operands:
            values.append(own)
            known.append(own is not None)
        elif given is None or step.rule is None:
            values.append(own)
            known.append(False)
        else:
            values.append(applied(m, step.rule, given))
            known.append(all(known[o] for o in step.operands if isinstance(o, int)))
    return values, known


def _operands(m: Any, step: Step, values: Sequence[Any]) -> list[Any] | None:
    found = [
        values[o] if isinstance(o, int) else None if o.number is None else number(m, o.number) for o in step.operands
    ]
    return None if any(v is None for v in found) else found


def _added(m: Any, steps: Sequence[Step], computed: Sequence[Any], shadow: Sequence[Any], output: int) -> list[Any]:
    """H(k) - H(k - 1) for every step; infinite where only one of the two is a number."""
    values = list(shadow)
    added: list[Any] = []
    for k, own in enumerate(computed):
        before = values[output]
        if _differ(m, own, values[k]):
            values[k] = own
            changed = {k}
            for later in range(k + 1, len(steps)):
                step = steps[later]
                if step.rule is None or not any(o in changed for o in step.operands if isinstance(o, int)):
                    continue
                given = _operands(m, step, values)
                result = None if given is None else applied(m, step.rule, given)
                if result is not None and _differ(m, result, values[later]):
                    values[later] = result
                    changed.add(later)
        added.append(_difference(m, values[output], before))
    return added


def _differ(m: Any, one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is not other
    return bool(one != other and not (m.isnan(one) and m.isnan(other)))


def _difference(m: Any, one: Any, other: Any) -> Any:
    if not _differ(m, one, other):
        return m.zero
    return one - other if m.isfinite(one) and m.isfinite(other) else m.inf


def _judged(
    m: Any, index: int, steps: Sequence[Step], computed: Sequence[Any], shadow: Sequence[Any], known: Sequence[bool]
) -> _StepErrors:
    step = steps[index]
    fmt = FORMATS.get(step.result.format or "")
    exact = shadow[index] if known[index] else None
    given = None if step.rule is None else _operands(m, step, computed)
    truly = None if step.rule is None else _operands(m, step, shadow)
    if fmt is None or given is None or truly is None or step.rule is None:
        return _StepErrors(step, exact, None, None, None)
    local = _ulps(m, computed[index], applied(m, step.rule, given), fmt.precision)
    return _StepErrors(
        step, exact, local, max(conditions(m, step.rule, truly)),
        None if exact is None else _ulps(m, computed[index], exact, fmt.precision),
    )  # fmt: skip


def _ulps(m: Any, got: Any, exact: Any, precision: int) -> Any:
    """|got - exact| in ulps of ``exact``, as if exponents had no end: what underflows is far off."""
    if not _differ(m, got, exact):
        return m.zero
    if not m.isfinite(got) or not m.isfinite(exact) or not exact:
        return m.inf
    return abs(got - exact) / _ulp(m, exact, precision)


def _ulp(m: Any, value: Any, precision: int) -> Any:
    return m.ldexp(1, int(m.mag(value)) - precision)


def _marked(
    m: Any,
    steps: Sequence[Step],
    judged: dict[int, _StepErrors],
    adds: Sequence[Any],
    unit: Any,
    due: Fraction | None,
    ends: tuple[Any, Any],
    output: int,
) -> int | None:
    """The index of the operation that matters; None where the result is right, or the formula itself is another one."""
    exactly, got = ends
    true = exactly if due is None else number(m, due)
    if abs(_difference(m, got, true)) <= RIGHT * unit:
        return None
    source = max(judged, key=lambda i: abs(adds[i]), default=None)
    if source is None:
        return None
    rest = abs(_difference(m, exactly, true))
    if rest >= abs(adds[source]):
        opaque = [i for i, j in judged.items() if j.step.rule is None]
        return opaque[-1] if opaque and rest > RIGHT * unit else None
    local = judged[source].local
    if local is None or local > ROUNDED_WELL:
        return source
    return _magnifier(m, steps, source, output, judged)


def _magnifier(m: Any, steps: Sequence[Step], source: int, output: int, judged: dict[int, _StepErrors]) -> int:
    """The operation behind ``source`` that magnifies most what it hands on; ``source`` itself where none does."""
    reached, needed = {source}, {output}
    for i in range(source + 1, output + 1):
        if any(o in reached for o in steps[i].operands if isinstance(o, int)):
            reached.add(i)
    for i in range(output, source, -1):
        if i in needed:
            needed.update(o for o in steps[i].operands if isinstance(o, int))
    between = sorted((reached & needed) - {source})
    behind = [i for i in between if i in judged and judged[i].amplification is not None]
    worst = max(behind, key=lambda i: judged[i].amplification, default=source)
    return worst if worst != source and judged[worst].amplification >= MAGNIFIES else source


def _shown(value: Datum) -> Operand:
    return Operand(value.text, value.bits, value.format)


def _decimal(m: Any, value: Any) -> str:
    """17 digits; of what no reader of numbers takes the power of ten: ``-10^7.80728e+307``."""
    if m.isfinite(value) and value and abs(m.mag(value)) > LONGEST:
        power = m.log(abs(value)) / m.log(10)
        return f"{'-' * (value < 0)}10^{m.nstr(power, 6)}"
    return str(m.nstr(value, 17)).removeprefix("+")


def _error(value: Any) -> float | None:
    """As a float of four digits; None where it is infinite or unknown."""
    if value is None:
        return None
    return finite_or_none(float(f"{float(value):.4g}"))  # four digits of the greatest numbers are beyond them
