"""From cells to findings: one fault, once, with every cell that it accounts for.

Plain data in, plain data out: whoever has the cells of a results file can derive its findings. The intervals of failing
inputs that touch or overlap on the number line, whatever their format and order, are one finding; a systematic error,
the same share of the value nearly everywhere, is one by itself. Cells of claims that relate several results belong to
the findings of the implementation they are about where the experiment said so (``Cell.attributed``); what fails still
is a finding of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from gradproof.formats import FORMATS, Format
from gradproof.results.formatting import ORDINARY, decimal, figure
from gradproof.results.model import (
    FINDING_KINDS,
    Advice,
    Cell,
    Explanation,
    FailingInputs,
    Finding,
    Traced,
    WorstInput,
    exact_params,
)

FAILING: Final = ("fail", "error", "known")
PATH: Final = ("consistency",)
AT_KINKS: Final = ("kink-convention", "fd-jump")
OF_ONE_INPUT: Final = ("kink-convention", "special-values")
"""Claims whose certificate names the one input that is wrong."""
ENOUGH: Final = 0.9
"""Share of a finding's failing inputs that its explanation must enclose."""
SPREAD: Final = 0.25
"""How much the share of a systematic error may differ between cells."""
SOMEWHERE: Final = ("bulk", "tail", "root", "kink", "special")
"""Kinds that say where on the number line; relations of several results come after results that are wrong."""
BETWEEN: Final = 0.125
"""What lies between two intervals that count as one, relative to the numbers there: inputs are tried as densely."""
SYSTEMATIC: Final = "wrong by {share} %"
IS_NAN: Final = "NaN"
IS_INFINITE: Final = "infinite"
IS_LOST: Final = "lost (0)"
IS_WRONG: Final = "wrong by {share} % and more"
IS_OFF: Final = "off by up to {ulps} ulp"
HOW: Final = (SYSTEMATIC, IS_NAN, IS_INFINITE, IS_LOST, IS_WRONG, IS_OFF)
"""In which way results are wrong."""
SEVERAL: Final = 3
"""Formats that a sentence names; the rest are counted."""


@dataclass(eq=False)
class _Part:
    """One cluster of one cell, on the number line."""

    cell: Cell
    cluster: FailingInputs

    @cached_property
    def ordinals(self) -> list[tuple[int, int]]:
        """Closed intervals of inputs; a NaN has none."""
        return _ordinals(self.cell.format, self.cluster.regions)

    @cached_property
    def ways(self) -> dict[str, Explanation]:
        """Its explanations by the way to write the function, whatever the order: ``silu/quotient``."""
        return {"/".join(e.id.split("/")[:2]): e for e in self.cluster.explanations}

    @cached_property
    def spans(self) -> list[tuple[float, float]]:
        """The same as numbers."""
        fmt = FORMATS[self.cell.format]
        return [(_real(fmt, low), _real(fmt, high)) for low, high in self.ordinals]

    def touches(self, other: _Part) -> bool:
        """Whether the two overlap or nearly so, or are neighbours in one format."""
        if any(_meet(a, b) for a, b in itertools.product(self.spans, other.spans)):
            return True
        return self.cell.format == other.cell.format and any(
            theirs[0] - ours[1] == 1 or ours[0] - theirs[1] == 1
            for ours, theirs in itertools.product(self.ordinals, other.ordinals)
        )


@dataclass
class _Group:
    parts: list[_Part]
    related: list[Cell] = field(default_factory=list)

    @property
    def cells(self) -> list[Cell]:
        """Those of the clusters, then those of relations, each once."""
        return list({id(c): c for c in (*(p.cell for p in self.parts), *self.related)}.values())


def findings(cells: Iterable[Cell]) -> list[Finding]:
    """The findings of ``cells``, the one to read first first: new ones, then by kind, then by size of the error."""
    subjects: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        if cell.status in FAILING and cell.format in FORMATS:  # a newer version may know more
            key = (cell.function, exact_params(cell.params), cell.implementation, cell.backend, cell.device, cell.mode)
            subjects.setdefault(key, []).append(cell)
    found = [finding for subject in subjects.values() for finding in _of_one(subject)]
    return sorted(found, key=_first)


def _first(finding: Finding) -> tuple[Any, ...]:
    nowhere = finding.kind in SOMEWHERE and not finding.regions
    new = finding.known_ref is None
    return not new, nowhere, FINDING_KINDS.index(finding.kind), not finding.felt, -_size(finding.magnitude)


def _size(magnitude: float | None) -> float:
    return math.inf if magnitude is None else magnitude


def _of_one(cells: Sequence[Cell]) -> list[Finding]:
    """The findings of one implementation in one mode."""
    parts = [_Part(cell, c) for cell in cells for c in cell.clusters]
    groups = sorted(_joined(parts), key=lambda g: _first(_of_group(g)))
    rest: list[Cell] = []
    for cell in (c for c in cells if not c.clusters):
        homes = [g for g in groups if _concerns(g, cell)] or groups
        if cell.attributed and homes:
            homes[0].related.append(cell)
        else:
            rest.append(cell)
    return [_of_group(g) for g in groups] + [_of_relation(g) for g in _alike(rest)]


def _concerns(group: _Group, cell: Cell) -> bool:
    """Whether a group has failing inputs in the cell's format, of its order or one below."""
    return any(p.cell.format == cell.format and p.cell.order <= max(cell.order, 1) for p in group.parts)


def _joined(parts: list[_Part]) -> list[_Group]:
    """Systematic errors that touch, with what else fails there; what is explained alike; and what else touches."""
    systematic = _touching([p for p in parts if p.cluster.systematic])
    rest: list[_Part] = []
    for part in (p for p in parts if not p.cluster.systematic):
        home = next((g for g in systematic if any(_alike_in_size(part, p) for p in g)), rest)
        home.append(part)
    explained, unexplained = _by_explanation(rest)
    return [_Group(g) for g in (*systematic, *explained, *_touching(unexplained))]


def _by_explanation(parts: list[_Part]) -> tuple[list[list[_Part]], list[_Part]]:
    """The parts that one way to write it covers, together, the widest cover first; and those that none covers."""
    groups: list[list[_Part]] = []
    left = list(parts)
    while inputs := _inputs_by_way(left):
        best = max(inputs, key=lambda way: inputs[way])
        groups.append([p for p in left if best in p.ways])
        left = [p for p in left if best not in p.ways]
    return groups, left


def _inputs_by_way(parts: Iterable[_Part]) -> dict[str, float]:
    """How many failing inputs each way to write it encloses."""
    inputs: dict[str, float] = {}
    for part in parts:
        for way, explanation in part.ways.items():
            inputs[way] = inputs.get(way, 0.0) + explanation.encloses * part.cluster.inputs
    return inputs


def _alike_in_size(part: _Part, systematic: _Part) -> bool:
    """Whether a part is off by a systematic error's share, in the same order, or lies among its ordinary inputs."""
    ours, theirs = part.cluster.share, systematic.cluster.share
    known = part.cell.order == systematic.cell.order and ours is not None and theirs is not None
    same = known and abs(ours - theirs) <= SPREAD * theirs  # type: ignore[operator]
    return same or (part.cluster.kind == "bulk" and part.touches(systematic))


def _touching(parts: Iterable[_Part]) -> list[list[_Part]]:
    """Parts that touch, directly or by way of others, together."""
    groups: list[list[_Part]] = []
    for part in parts:
        mine = [g for g in groups if any(part.touches(p) for p in g)]
        groups = [g for g in groups if g not in mine] + [[*itertools.chain.from_iterable(mine), part]]
    return groups


def _alike(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Cells of one property, or one fault, together, known ones apart."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        what = cell.measured.get("fault") if cell.status == "error" else cell.property
        groups.setdefault((what, cell.known_ref), []).append(cell)
    return list(groups.values())


def _of_group(group: _Group) -> Finding:
    clusters = [p.cluster for p in group.parts]
    kind = min((c.kind for c in clusters), key=FINDING_KINDS.index)
    # Of the lowest order: what is wrong with f is wrong with its derivatives too.
    worst = min(
        (p for p in group.parts if p.cluster.kind == kind),
        key=lambda p: (p.cell.order, not p.cluster.felt, -_size(p.cluster.magnitude)),
    )
    regions: dict[str, dict[str, list[list[str]]]] = {}
    for part in sorted(group.parts, key=lambda p: (list(FORMATS).index(p.cell.format), p.cell.order)):
        held = regions.setdefault(part.cell.format, {}).setdefault(str(part.cell.order), [])
        held[:] = union(part.cell.format, [*held, *part.cluster.regions])
    judgements = {c.baseline for c in clusters if c.baseline}
    baseline = next((b for b in ("worse", "same", "better") if b in judgements), None)
    return _finding(
        group.cells, kind, _told(group, worst), regions, worst.cluster.worst,
        None if any(c.magnitude is None for c in clusters) else max(c.magnitude or 0.0 for c in clusters),
        any(c.felt for c in clusters), _explained(group.parts), baseline, worst.cluster.advice,
            worst.cluster.trace, _instead(group.parts),
    )  # fmt: skip


def _instead(parts: Sequence[_Part]) -> list[Advice]:
    """One piece of advice for each order, of the kind to be read first: what helps in the most formats."""
    found: list[Advice] = []
    for order in sorted({p.cell.order for p in parts}):
        some = [(p.cluster.kind, a) for p in parts if p.cell.order == order and (a := p.cluster.advice) is not None]
        kind = min((FINDING_KINDS.index(k) for k, _ in some), default=None)
        alike: dict[str, list[Advice]] = {}
        for k, advice in some:
            if FINDING_KINDS.index(k) == kind:
                alike.setdefault(advice.formula, []).append(advice)
        if alike:
            formula = max(alike, key=lambda text: len({f for a in alike[text] for f in a.formats}))
            formats = {f for a in alike[formula] for f in a.formats}
            bound = max(a.bound for a in alike[formula])
            found.append(Advice(formula, bound, order, [name for name in FORMATS if name in formats]))
    return found


def _explained(parts: Sequence[_Part]) -> Explanation | None:
    """The explanation of nearly all failing inputs, that of the lowest order told; None without one."""
    inputs = _inputs_by_way(parts)
    best = max(inputs, key=lambda way: inputs[way], default="")
    share = inputs.get(best, 0.0) / sum(p.cluster.inputs for p in parts)
    if share < ENOUGH:
        return None
    first = min((p for p in parts if best in p.ways), key=lambda p: p.cell.order).ways[best]
    return Explanation(first.id, first.text, round(share, 6))


def _of_relation(cells: list[Cell]) -> Finding:
    """What no wrong result of a single call accounts for."""
    first = max(cells, key=lambda c: (bool(c.felt), _size(c.magnitude)))
    certificate = first.certificate
    worst = None
    if certificate is not None and certificate.input is not None and certificate.got is not None:
        due = certificate.expected.bits if certificate.expected else None
        worst = WorstInput(
            first.format, first.order, certificate.input.bits, certificate.got.bits, due, certificate.u, certificate.m
        )
    if first.status == "error":
        kind = "behaviour"
    elif first.property in AT_KINKS:
        kind = "kink"
    elif first.property in PATH:
        kind = "path"
    else:
        kind = "bulk" if worst is None else _place(decimal(certificate.input if certificate else None))
    text = " ".join((first.reason or first.property).split())
    return _finding(
        cells, kind, f"{first.property}: {text}" if first.status != "error" else text, _named(cells), worst,
        first.magnitude, any(bool(c.felt) for c in cells), None, None,
    )  # fmt: skip


def _named(cells: Iterable[Cell]) -> dict[str, dict[str, list[list[str]]]]:
    """The inputs that claims about single results name: they are the region."""
    regions: dict[str, dict[str, list[list[str]]]] = {}
    for cell in cells:
        if cell.property in OF_ONE_INPUT and cell.certificate is not None and cell.certificate.input is not None:
            bits = cell.certificate.input.bits
            held = regions.setdefault(cell.format, {}).setdefault(str(cell.order), [])
            held[:] = union(cell.format, [*held, [bits, bits]])
    return regions


def _finding(
    cells: Sequence[Cell],
    kind: str,
    text: str,
    regions: dict[str, dict[str, list[list[str]]]],
    worst: WorstInput | None,
    magnitude: float | None,
    felt: bool,
    explanation: Explanation | None,
    baseline: Any,
    advice: Advice | None = None,
    trace: list[Traced] | None = None,
    instead: Sequence[Advice] = (),
) -> Finding:
    first = cells[0]
    known = {c.known_ref for c in cells}
    return Finding(
        function=first.function,
        params=first.params,
        implementation=first.implementation,
        backend=first.backend,
        device=first.device,
        mode=first.mode,
        kind=kind,
        text=text,
        orders=sorted({c.order for c in cells}),
        formats=[name for name in FORMATS if name in {c.format for c in cells}],
        regions=regions,
        worst=worst,
        magnitude=magnitude,
        felt=felt,
        explanation=explanation,
        baseline=baseline,
        advice=advice,
        trace=trace,
        # Known only where all of it is: one new cell makes it new.
        known_ref=None if None in known else sorted(str(k) for k in known)[0],
        cells=[c.id for c in cells],
        instead=list(instead),
    )


# -- on the number line --------------------------------------------------------------------------------


def _ordinals(name: str, regions: Iterable[Sequence[str]]) -> list[tuple[int, int]]:
    fmt = FORMATS[name]
    ends = [[int(bits, 16) for bits in region] for region in regions]
    return [(fmt.ordinal(a), fmt.ordinal(b)) for a, b in ends if not fmt.is_nan(a)]


def _real(fmt: Format, ordinal: int) -> float:
    bits = fmt.from_ordinal(ordinal)
    if fmt.is_infinite(bits):
        return -math.inf if bits & fmt.sign_bit else math.inf
    return float(fmt.value(bits))


def union(name: str, regions: Sequence[list[str]]) -> list[list[str]]:
    """Intervals of one format, from left to right, those that touch joined; a NaN last."""
    fmt = FORMATS[name]
    joined: list[list[int]] = []
    for low, high in sorted(_ordinals(name, regions)):
        if joined and low <= joined[-1][1] + 1:
            joined[-1][1] = max(joined[-1][1], high)
        else:
            joined.append([low, high])
    nans = sorted({a for a, _ in regions if fmt.is_nan(int(a, 16))})
    return [[fmt.bits_text(fmt.from_ordinal(end)) for end in pair] for pair in joined] + [[n, n] for n in nans]


# -- in words ------------------------------------------------------------------------------------------


def _told(group: _Group, worst: _Part) -> str:
    """The finding in a sentence or two: what is wrong, how, where and in which formats; and what is wrong otherwise.

    How it is at the worst input comes first, then the orders, or formats of theirs, that are wrong in other ways.
    """
    heads = _heads(group)
    formats = [name for name in FORMATS if name in {name for _, name in heads}]
    how = _how(heads[worst.cell.order, worst.cell.format])
    alike = {key: part for key, part in heads.items() if _how(part) == how}
    subject, verb = _subject({order for order, _ in alike})
    first = f"{subject} {verb} {_in_words(how, alike.values())} {_where(group)} ({_several(formats)})"
    others: dict[str, list[int]] = {}
    for order in sorted({order for order, _ in heads}):
        here = {name: heads[order, name] for name in formats if (order, name) in heads}
        if phrase := _otherwise(here, how):
            others.setdefault(phrase, []).append(order)
    clauses = [(*_subject(orders), phrase) for phrase, orders in others.items()]
    rest = [f"{subject} {verb if i == 0 else ''} {phrase}" for i, (subject, verb, phrase) in enumerate(clauses)]
    return "; ".join(filter(None, [first, ", ".join(" ".join(clause.split()) for clause in rest)]))


def _otherwise(parts: Mapping[str, _Part], how: str) -> str:
    """``NaN in float32 and lost (0) in float64``: what the parts of an order by format are that are not ``how``."""
    phrases = []
    for other in HOW:
        alike = {name: part for name, part in parts.items() if other != how and _how(part) == other}
        if alike:
            where = f" in {_several(list(alike), ' and ')}" if len(alike) < len(parts) else ""
            phrases.append(_in_words(other, alike.values()) + where)
    return " and ".join(phrases)


def _heads(group: _Group) -> dict[tuple[int, str], _Part]:
    """The part of each order and format that is told of: of the kind that matters most, the gravest."""
    heads: dict[tuple[int, str], _Part] = {}
    for part in sorted(group.parts, key=_gravity, reverse=True):
        heads[part.cell.order, part.cell.format] = part
    return heads


def _gravity(part: _Part) -> tuple[Any, ...]:
    """Sort key of the parts of an order, the one to tell first: what is systematic, the kind, the size of the error."""
    cluster = part.cluster
    return not cluster.systematic, FINDING_KINDS.index(cluster.kind), not cluster.felt, -_size(cluster.magnitude)


def _several(names: Sequence[str], last: str = ", ") -> str:
    """``float64, float32, float16 and 1 more``."""
    if len(names) > SEVERAL:
        return f"{', '.join(names[:SEVERAL])} and {len(names) - SEVERAL} more"
    return last.join(filter(None, (", ".join(names[:-1]), names[-1])))


def _subject(orders: Iterable[int]) -> tuple[str, str]:
    """``f and f'`` with its verb."""
    *others, last = ("f" + "'" * order for order in sorted(orders))
    return (f"{', '.join(others)} and {last}", "are") if others else (last, "is")


def _in_words(how: str, parts: Iterable[_Part]) -> str:
    """``off by up to 3 ulp``: the largest error of some parts that are wrong alike."""
    clusters = [part.cluster for part in parts]
    share = figure(100 * max(c.share or 0.0 for c in clusters), 2)
    ulps = figure(max((c.worst.u for c in clusters if c.worst.u is not None), default=None))
    return how.format(share=share, ulps=ulps)


def _how(part: _Part) -> str:
    """In which way a part is wrong, one of ``HOW``."""
    cluster, fmt = part.cluster, FORMATS[part.cell.format]
    if cluster.systematic and cluster.share is not None:
        return SYSTEMATIC
    got = int(cluster.worst.got, 16)
    if fmt.is_nan(got):
        return IS_NAN
    if fmt.is_infinite(got):
        return IS_INFINITE
    if not got & ~fmt.sign_bit:
        return IS_LOST
    return IS_WRONG if cluster.share is not None and cluster.share >= 0.01 else IS_OFF


def _where(group: _Group) -> str:
    """The hulls of all its intervals, the widest first, or the one input."""
    spans = [s for p in group.parts for s in p.spans]
    if not spans:
        return "at NaN"
    points = sorted({end for span in spans for end in span})
    if len(points) == 1:
        return f"at {points[0]:.6g}"
    hulls = _hulls(spans)
    shown = " and ".join(f"at {a:.6g}" if a == b else f"on [{a:.6g}, {b:.6g}]" for a, b in hulls[:2])
    more = len(hulls) - 2
    return shown + (f" and {more} more interval{'s' * (more > 1)}" if more > 0 else "")


def _hulls(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Intervals with those that meet joined, the widest among ordinary inputs first, then the widest."""
    joined: list[tuple[float, float]] = []
    for span in sorted(spans):
        if joined and _meet(joined[-1], span):
            joined[-1] = joined[-1][0], max(joined[-1][1], span[1])
        else:
            joined.append(span)
    return sorted(joined, key=lambda s: (-_ordinary_width(s), -(s[1] - s[0])))


def _ordinary_width(span: tuple[float, float]) -> float:
    """How much of an interval lies among ordinary inputs."""
    low, high = (min(max(end, -ORDINARY[1]), ORDINARY[1]) for end in span)
    return high - low


def _meet(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two intervals overlap, or the gap between is small against the numbers on its sides."""
    first, second = sorted((one, other))
    if second[0] <= first[1]:
        return True
    size = max(abs(first[1]), abs(second[0]))
    return math.isfinite(size) and second[0] - first[1] <= BETWEEN * size


def _place(text: str) -> str:
    """The kind of an input that a relation names: ``special`` for zeros, infinities and NaN."""
    try:
        size = abs(float(text))
    except ValueError:
        return "tail"
    if size == 0 or not math.isfinite(size):
        return "special"
    return "bulk" if ORDINARY[0] <= size <= ORDINARY[1] else "tail"
