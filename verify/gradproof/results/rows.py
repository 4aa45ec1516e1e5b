"""One row for each kernel, device, mode and format, with what a reader decides by: the same in every medium."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from gradproof.formats import FORMATS
from gradproof.results import finding_texts, graphs
from gradproof.results.cell_changes import ComparedResult
from gradproof.results.formatting import compact_figure
from gradproof.results.labels import PRIMES, function_label, kernel_origin, short_format
from gradproof.results.model import Cell, RunResult, exact_params
from gradproof.results.ranges import Usable, failing_spans, usable, value

SAFE: Final = "()=,.-+:~"  # readable in an address bar, and no part of any markup


@dataclass(frozen=True)
class Word:
    """How one verdict looks: ``glyph`` differs in shape, never in colour alone."""

    key: str
    glyph: str
    text: str
    meaning: str


VERDICTS: Final = {
    w.key: w
    for w in (
        Word("crashed", "!", "crashed", "it raised, hung or broke the contract of a call"),
        Word("wrong", "✗", "wrong", "something fails that no known deviation explains"),
        Word("undecided", "?", "undecided", "the oracle could not certify enough to judge"),
        Word("known", "◆", "known", "fails as the ledger of known deviations says, and in no other way"),
        Word("partly", "◌", "right so far", "what was judged passes, but not everything was run"),
        Word("right", "✓", "right", "everything that was judged passes"),
        Word("unjudged", "○", "not judged", "nothing was run, for the reason given"),
    )
}
"""The verdicts of a row, the one that needs attention first."""

RANGES: Final = ("no", "within", "safe", "unknown")
"""Kinds of usable ranges, the one that needs attention first."""

WIDEST: Final = "float64"
"""The format in which hardly any network is trained."""

STEPS: Final = (0.25, 1.0, 10.0, 100.0, 1e4)
"""Upper ends of the colour scale's classes, in error over bound; what is above has the last class."""


@dataclass(frozen=True)
class Fact:
    """One column of a row: what stands there, the key that it is filtered and sorted by, and why."""

    text: str
    key: str
    title: str = ""


@dataclass
class Row:
    """All cells of one kernel on one device, in one mode and format."""

    slug: str
    function: str
    implementation: str
    origin: str
    place: str
    """``torch:cpu``, with the mode where it is not eager."""
    format: str
    short: str
    group: int
    """Number of the kernel: rows of one function, parameters, implementation and backend share it."""
    cells: list[Cell] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    findings: list[finding_texts.Told] = field(default_factory=list)

    @property
    def verdict(self) -> Word:
        """The gravest of its cells' verdicts."""
        seen = {c.status for c in self.cells}
        tests = (
            ("crashed", "error" in seen), ("wrong", "fail" in seen), ("undecided", "undecided" in seen),
            ("known", "known" in seen), ("partly", "pass" in seen and "not-run" in seen), ("right", "pass" in seen),
        )  # fmt: skip
        return VERDICTS[next((key for key, holds in tests if holds), "unjudged")]

    @property
    def judged(self) -> bool:
        """Whether any of its cells has a verdict."""
        return self.verdict.key != "unjudged"

    @property
    def magnitude(self) -> float:
        """The largest error over the contract's bound of any of its cells, infinite for a wrong class."""
        sizes = [math.inf if c.magnitude is None and c.status in ("fail", "known", "error") else c.magnitude or 0.0
                 for c in self.cells]  # fmt: skip
        return max(sizes, default=0.0)

    def range(self) -> Usable:
        """Where f and f' may be used."""
        numeric = [
            c for c in self.cells if c.property in ("accuracy", "sweep") and c.status in ("pass", "fail", "known")
        ]
        if any(c.status == "error" for c in self.cells):
            return Usable("no", "no")
        if not any(c.order <= 1 for c in numeric):
            return Usable("unknown", "–")
        return usable([*failing_spans(self.cells, (0, 1)), *self._elsewhere()])

    def _elsewhere(self) -> list[tuple[float, float]]:
        """Inputs of findings about several results at once, of which no single one is wrong."""
        fmt = FORMATS.get(self.format)
        worst = [
            t.finding.worst for t in self.findings if not t.finding.regions and t.finding.kind not in ("kink", "path")
        ]
        points = [
            value(fmt, w.bits) for w in worst if fmt and w is not None and w.format == self.format and w.order <= 1
        ]
        return [(x, x) for x in points]

    def second(self, first: Usable) -> str:
        """Where f'' may be used, where that is less; empty elsewhere."""
        if first.kind in ("unknown", "no") or not any(
            c.order == 2 and c.status in ("fail", "known") for c in self.cells
        ):
            return ""
        both = usable([*failing_spans(self.cells, (0, 1, 2)), *self._elsewhere()])
        return "" if both.text == first.text else f"f″ {both.text}"

    def worst(self, within: Usable) -> Fact:
        """The largest error over the bound in the usable range, or anywhere where there is none."""
        judged = [
            c for c in self.cells if c.property in ("accuracy", "sweep") and c.status in ("pass", "fail", "known")
        ]
        if not judged:
            return Fact("–", "")
        if within.kind == "no":
            sizes = [math.inf if c.magnitude is None and c.status != "pass" else c.magnitude or 0.0 for c in judged]
            most = max(sizes)
        else:
            most = max((self._largest(c, within) for c in judged if c.order <= 1), default=0.0)
        return Fact(
            compact_figure(most),
            str(sum(most > end for end in STEPS)),
            f"{compact_figure(most)} times the contract's bound",
        )

    def _largest(self, cell: Cell, within: Usable) -> float:
        if cell.status == "pass":
            return cell.magnitude or 0.0
        inside = [e for x, e in graphs.errors(cell) if within.low <= x <= within.high and e <= 1]
        return max(inside, default=1.0)

    @property
    def excused(self) -> Fact | None:
        """What flushing excuses, which counts as no error."""
        some = [c for c in self.cells if c.excused]
        if not some:
            return None
        sizes = [(c.measured.get("excused") or {}).get("magnitude") for c in some]
        most = compact_figure(None if None in sizes else max(s for s in sizes if s is not None))
        count = sum(c.excused for c in some)
        return Fact(
            "flushes",
            "flushes",
            f"{count} results excused: this backend flushes subnormal numbers; there up to {most} times the bound",
        )

    @property
    def infinities(self) -> Fact:
        """What comes out at the infinities, NaN and the ends of the format."""
        cells = [
            c for c in self.cells if c.property == "special-values" and c.status in ("pass", "fail", "known", "error")
        ]
        bad = sorted({c.order for c in cells if c.status != "pass"})
        if not cells:
            return Fact("–", "")
        if not bad:
            return Fact("right", "right")
        reason = next(c.reason for c in cells if c.status != "pass")
        return Fact("wrong: " + ", ".join("f" + PRIMES[n] for n in bad), "wrong", reason)

    @property
    def felt(self) -> Fact:
        """Whether training feels what fails."""
        failing = [c for c in self.cells if c.status in ("fail", "known", "error")]
        if not failing:
            return Fact("–", "")
        felt = any(c.felt for c in failing)
        if not felt and all(c.status == "error" for c in failing):
            return Fact("–", "")
        return Fact("yes" if felt else "no", "felt" if felt else "unfelt")

    @property
    def own(self) -> Fact:
        """How it does beside the framework's own function."""
        if self.cells[0].backend == "bits":
            return Fact("–", "")
        if ":" not in self.implementation:
            return Fact("reference" if self.origin else "is its own", "", self.origin or "the framework's own function")
        said = {t.finding.baseline for t in self.findings}
        if found := next((b for b in ("worse", "same", "better") if b in said), None):
            return Fact({"same": "no worse"}.get(found, found), found, finding_texts.BASELINE[found])
        shares = [graphs.agreement(c) for c in self.cells]
        known = [s for s in shares if s is not None]
        if not known:
            return Fact("–", "")
        equal, total = (sum(s[i] for s in known) for i in (0, 1))
        return Fact(
            "same bits" if equal == total else "no worse", "same", f"the same bits at {equal} of {total} inputs drawn"
        )

    def since(self, result: RunResult) -> Fact | None:
        """What changed since the earlier file; None where no report was asked to say so."""
        if not isinstance(result, ComparedResult) or result.since is None:
            return None
        mine = set(self.indices)
        changed = [c for c in result.since.cells if c.cell in mine]
        if not changed:
            return Fact("as before", "")
        kinds = list(dict.fromkeys(c.kind for c in changed))
        title = "; ".join(f"{c.id}: {c.was} → {c.now}" for c in changed[:3])
        return Fact(", ".join(f"{sum(c.kind == k for c in changed)} {k}" for k in kinds[:2]), "changed", title)


@dataclass(frozen=True)
class RowFacts:
    """What is shown of a row, each part made once."""

    row: Row
    verdict: Word
    usable: Usable
    second: str
    """The usable range of f'', where that is less."""
    worst: Fact
    excused: Fact | None
    infinities: Fact
    felt: Fact
    own: Fact
    since: Fact | None


def facts(found: Iterable[Row], result: RunResult) -> list[RowFacts]:
    """What every medium shows of the rows of ``result``, by verdict and usable range, the gravest first.

    Where several formats of a kernel are alike in both, first comes what training feels, then the formats that networks
    are trained in, the largest error over the contract's bound first, and of equal ones the narrowest.
    """
    return sorted((_facts(row, result) for row in found), key=_gravity)


def row_document(of: RowFacts) -> dict[str, Any]:
    """A row as JSON holds it: the columns by name, each with its text; ``usable`` with its ends, null for none."""
    row, usable = of.row, of.usable
    ends = [end if math.isfinite(end) else None for end in (usable.low, usable.high)]
    said = {"infinities": of.infinities, "felt": of.felt, "beside_own": of.own, "worst": of.worst}
    return {
        "function": row.function,
        "implementation": row.implementation,
        "on": row.place,
        "format": row.format,
        "verdict": of.verdict.text,
        "usable": {"kind": usable.kind, "text": usable.text, "low": ends[0], "high": ends[1], "second": of.second},
        **{name: fact.text for name, fact in said.items()},
        "excused": of.excused.text if of.excused else None,
        "since": of.since.text if of.since else None,
    }


def _facts(row: Row, result: RunResult) -> RowFacts:
    usable = row.range()
    return RowFacts(
        row,
        row.verdict,
        usable,
        row.second(usable),
        row.worst(usable),
        row.excused,
        row.infinities,
        row.felt,
        row.own,
        row.since(result),
    )


def _gravity(of: RowFacts) -> tuple[Any, ...]:
    row = of.row
    alike = list(VERDICTS).index(of.verdict.key), RANGES.index(of.usable.kind), row.group
    fmt = FORMATS.get(row.format)
    return *alike, of.felt.key != "felt", row.format == WIDEST, -row.magnitude, fmt.precision if fmt else 0


def rows(result: RunResult) -> list[Row]:
    """Every row of a result, in the order of its cells; ``slug`` is ``silu/torch-cpu/bfloat16``.

    Parameters are part of the slug where a function appears with more than one set, and the implementation where one
    column holds several of the same function; compiled modes always are.
    """
    several = _several({(c.function, function_label(c)) for c in result.cells})
    variants: dict[tuple[Any, ...], list[str]] = {}
    for c in result.cells:
        names = variants.setdefault((function_label(c), c.backend, c.device, c.mode), [])
        if c.implementation not in names:
            names.append(c.implementation)
    found: dict[str, Row] = {}
    groups: dict[tuple[str, str, str], int] = {}
    for index, c in enumerate(result.cells):
        label = function_label(c)
        first = variants[label, c.backend, c.device, c.mode][0]
        name = label.replace(" ", "") if c.function in several else c.function
        place = f"{c.backend}-{c.device}" + ("" if c.mode == "eager" else f"-{c.mode}")
        parts = [name if c.implementation == first else f"{name}~{c.implementation}", place, c.format]
        slug = "/".join(quote(p, safe=SAFE, errors="backslashreplace") for p in parts)
        if slug not in found:
            group = groups.setdefault((label, c.implementation, c.backend), len(groups))
            shown = f"{c.backend}:{c.device}" + ("" if c.mode == "eager" else f" {c.mode}")
            found[slug] = Row(
                slug,
                label,
                c.implementation,
                kernel_origin(c.implementation),
                shown,
                c.format,
                short_format(c.format),
                group,
            )
        found[slug].cells.append(c)
        found[slug].indices.append(index)
    _with_findings(found.values(), finding_texts.told(result))
    return list(found.values())


def _with_findings(found: Iterable[Row], told: Sequence[finding_texts.Told]) -> None:
    by_subject: dict[tuple[Any, ...], list[finding_texts.Told]] = {}
    for one in told:
        by_subject.setdefault(_subject(one.finding), []).append(one)
    for row in found:
        row.findings = [t for t in by_subject.get(_subject(row.cells[0]), []) if row.format in t.finding.formats]


def _subject(of: Any) -> tuple[Any, ...]:
    return of.function, exact_params(of.params), of.implementation, of.backend, of.device, of.mode


def _several(pairs: Iterable[tuple[str, str]]) -> set[str]:
    names = [name for name, _ in pairs]
    return {name for name in dict.fromkeys(names) if names.count(name) > 1}
