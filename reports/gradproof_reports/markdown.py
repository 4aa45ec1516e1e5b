"""The Markdown report: a page for a pull request or a job's summary."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from gradproof.extend import (
    PRIMES,
    REGRESSIONS,
    Cell,
    ComparedResult,
    PlaceVerdict,
    RunResult,
    Since,
    claim_verdicts,
    compact_figure,
    finding_texts,
    function_label,
    kernel_origins,
    short_format,
    sweeps,
    visible,
    with_origin,
    write_text,
)
from gradproof_reports.summary import (
    CAUSE_WORDS,
    DEFINITION_M,
    DEFINITION_U,
    STATUS_WORDS,
    counts_line,
    duration,
    failing,
    format_rank,
    place_label,
    unique,
    verdict,
)

SHOWN = 100
"""Failures in the table; the rest are counted. Summaries of hosted CI end at about a megabyte."""


NAMED = 6
"""Functions that a line of known findings names; the rest are counted."""


def render_markdown(result: RunResult) -> str:
    """Verdict, counts by backend, findings, claims, failures (the gravest first), known deviations and the ledger.

    What changed since an earlier file comes first where a comparison is given, and is all where it asks for that.
    """
    since = result.since if isinstance(result, ComparedResult) else None
    changes = list(_changes(result, since)) if since is not None else []
    rest = [] if since is not None and since.alone else list(_lines(result))
    return "\n".join([*changes, *([""] if changes and rest else []), *rest]) + "\n"


def write_markdown(result: RunResult, path: str | os.PathLike[str]) -> None:
    """Write the report to ``path``, atomically. Raises UsageError where that cannot be written."""
    write_text(render_markdown(result), path, "Markdown report")


def _changes(result: RunResult, since: Since) -> Iterator[str]:
    """What changed, short enough for a comment: findings, then cells by class, each with what shows it."""
    counts = {kind: sum(c.kind == kind for c in since.cells) for kind in unique(c.kind for c in since.cells)}
    worse = sum(counts.get(kind, 0) for kind in REGRESSIONS)
    yield f"# gradproof: {f'{worse} regression' + 's' * (worse != 1) if worse else 'no regression'}"
    listed = ", ".join(f"{number} {kind}" for kind, number in counts.items()) or "no cell changed"
    lacks = "".join(f", {who} lacks {n}" for who, n in zip(("HEAD", "BASE"), since.lacking, strict=True) if n)
    yield f"\n{listed}; {since.common} cells in both files{lacks}. Since the run of {_text(since.run.started)}.\n"
    for kind, whose, sentence in since.findings[:SHOWN]:
        yield f"- {_text(kind)}: {_text(whose)}: **{_text(sentence)}**"
    if since.cells:
        yield "\n| change | cell | was | is | reproduce |"
        yield "|---|---|---|---|---|"
    for c in since.cells[:SHOWN]:
        again = f"; {_text(c.again)}" if c.again else ""
        command = _code(c.command) if c.command else ""
        yield f"| {_text(c.kind)} | {_text(c.id)} | {_text(c.was)} | {_text(c.now)}{again} | {command} |"
    if len(since.cells) > SHOWN:
        yield f"\nand {len(since.cells) - SHOWN} more."


def _lines(result: RunResult) -> Iterator[str]:
    yield f"# gradproof: {verdict(result)}"
    yield f"\n{counts_line(result)}; {duration(result.run.seconds)}.\n"
    if not result.run.complete:
        yield "**The run did not finish.**\n"
    yield f"{DEFINITION_U} {DEFINITION_M}\n"
    yield from _by_backend(result)
    yield from _findings(result)
    yield from _claims(result)
    yield from _failures(failing(result))
    yield from _sweeps([c for c in result.cells if c.property == sweeps.PROPERTY and c.evidence.n])
    known = [c for c in result.cells if c.status == "known"]
    if known:
        yield "\n## Known deviations\n"
    for ref in unique(c.known_ref for c in known):
        text = result.deviations.get(ref or "", {})
        count = sum(c.known_ref == ref for c in known)
        title = _text(text.get("title") or ref or "without a reference")
        yield f"- {title} ({count} cells): {_text(text.get('reason', ''))}"
    changed = [s for s in result.ledger if s.state in ("grown", "gone", "stale")]
    if changed:
        yield "\n## Ledger\n"
        yield from (f"- {s.state}: {_text(s.entry)} {_text(s.detail)}".rstrip() for s in changed)


def _by_backend(result: RunResult) -> Iterator[str]:
    statuses = ("pass", "fail", "error", "known", "undecided", "unsupported", "not-run")
    yield "| backend | " + " | ".join(STATUS_WORDS[s] for s in statuses) + " |"
    yield "|---|" + "---:|" * len(statuses)
    for place in unique(place_label(c) for c in result.cells):
        cells: list[str] = [c.status for c in result.cells if place_label(c) == place]
        yield f"| {_text(place)} | " + " | ".join(str(cells.count(s)) for s in statuses) + " |"


def _findings(result: RunResult) -> Iterator[str]:
    """What is wrong, once for each fault: new ones in words, then known ones by the deviation that explains them."""
    told = finding_texts.told(result)
    if not told:
        return
    new = [t for t in told if t.new]
    yield "\n## Findings\n"
    if not new:
        yield "None that is new.\n"
    for one in new[:SHOWN]:
        whose = f"{_text(one.subject)} as {_text(one.function)} on {_text(one.place)}, {_text(one.kind)}"
        yield f"- {whose}: **{_text(one.finding.text)}**"
        yield from (f"  - {label}: {shown}" for label, shown in _told(one) if shown)
    if len(new) > SHOWN:
        yield f"\nand {len(new) - SHOWN} more: see the HTML report or the results file."
    known = finding_texts.known_by(told, result.deviations)
    if known:
        yield "\n| known by | findings | cells | kinds | functions |"
        yield "|---|---:|---:|---|---|"
    for title, group in known:
        cells = sum(len(t.finding.cells) for t in group)
        kinds, functions = (unique(names) for names in zip(*((t.finding.kind, t.function) for t in group), strict=True))
        several = f" and {len(functions) - NAMED} more" if len(functions) > NAMED else ""
        yield (
            f"| {_text(title)} | {len(group)} | {cells} | {_text(', '.join(kinds))} "
            f"| {_text(', '.join(functions[:NAMED]) + several)} |"
        )


def _told(told: finding_texts.Told) -> Iterator[tuple[str, str]]:
    """What is known of a finding, line by line, escaped."""
    numbers = ", ".join(f"{name} {decimal} ({bits})" for name, decimal, bits in told.numbers)
    yield "worst input", _text(f"{numbers}; {told.at}" if numbers else "")
    yield "error", _text(told.error)
    yield "probably", _text(CAUSE_WORDS.get(told.probably, told.probably))
    yield "explained", _text(told.explained)
    yield "baseline", _text(told.baseline)
    yield "instead", _text(told.advice)
    yield f"{told.cells} cell{'s' if told.cells != 1 else ''}", _text(told.accounts)
    yield "reproduce", _code(told.command)


def _claims(result: RunResult) -> Iterator[str]:
    """A table of claims by place; a cell says one verdict, or one per format where formats differ."""
    verdicts = [v for c in result.claims for v in c.verdicts if v.verdict != "not checked"]
    if not verdicts:
        return
    places = unique(f"{v.backend}:{v.device}" for v in verdicts)
    yield "\n## Claims\n"
    whose = kernel_origins(result.cells)
    yield "| claim | " + " | ".join(_text(with_origin(place, whose.get(place, ""))) for place in places) + " |"
    yield "|---|" + "---|" * len(places)
    unasked = []
    for claim in result.claims:
        if claim_verdicts.overall(claim) == "not checked":
            unasked.append(claim.id)
            continue
        shown = [_verdicts([v for v in claim.verdicts if f"{v.backend}:{v.device}" == place]) for place in places]
        yield f"| **{_text(claim.question)}** {_text(claim.statement)} | " + " | ".join(shown) + " |"
    if unasked:
        yield f"\nNot checked: {', '.join(map(_text, unasked))}."


def _verdicts(verdicts: list[PlaceVerdict]) -> str:
    """``holds``, or ``f64, f32: holds except 7 of 34 cells; f16: holds``."""
    formats: dict[str, list[str]] = {}
    for v in sorted(verdicts, key=lambda v: format_rank(v.format)):
        several = sum(w.format == v.format for w in verdicts) > 1
        mode = f" {'/'.join(v.modes)}" if several else ""
        formats.setdefault(claim_verdicts.in_words(v), []).append(short_format(v.format) + mode)
    if len(formats) == 1:
        return _text(next(iter(formats)))
    return _text("; ".join(f"{', '.join(names)}: {words}" for words, names in formats.items())) or "–"


def _failures(cells: list[Cell]) -> Iterator[str]:
    if not cells:
        return
    yield "\n## New failures\n"
    yield "| cell | error over bound | severity | cause | felt | reproduce |"
    yield "|---|---:|---|---|---|---|"
    for c in cells[:SHOWN]:
        cause = CAUSE_WORDS.get(c.certificate.cause, c.certificate.cause) if c.certificate else ""
        name = f"{function_label(c)}{PRIMES[c.order]} {place_label(c)} {c.format} {c.property}"
        size = "" if c.status == "error" else compact_figure(c.magnitude)
        row: Iterable[str] = (
            _text(name), size, _text(c.severity or c.status), _text(cause), "yes" if c.felt else "no",
            _code(c.certificate.reproduce) if c.certificate else _text(c.reason),
        )  # fmt: skip
        yield "| " + " | ".join(row) + " |"
    if len(cells) > SHOWN:
        yield f"\nand {len(cells) - SHOWN} more: see the HTML report or the results file."


def _sweeps(cells: list[Cell]) -> Iterator[str]:
    """What each sweep found: maxima with their inputs, and on which intervals it fails."""
    if not cells:
        return
    yield "\n## Sweeps\n"
    yield from (f"{_text(text)}\n" for text in unique(sweeps.statement(c) for c in cells))
    for c in cells[:SHOWN]:
        least = "at least " if c.evidence.kind == "sampled" else ""
        yield f"- **{_text(c.id)}**: {STATUS_WORDS[c.status]}; {least}{_text(_maxima(c))}"
        yield from (f"  - {_text(line)}" for line in sweeps.lines(c) or [c.reason])
    if len(cells) > SHOWN:
        yield f"\nand {len(cells) - SHOWN} more: see the HTML report or the results file."


def _maxima(cell: Cell) -> str:
    """``u 2e7 at -89.0532, m 1e5 at ...``; without an input where the file has none."""
    found = cell.measured.get("maxima", {})
    values = {"u": ("u", cell.u_max), "m": ("m", cell.m_max), "abs": ("absolute", cell.abs_max)}
    at = {name: f" at {sweeps.short(best['input']['decimal'])}" for name, best in found.items()}
    return ", ".join(
        f"{word} {compact_figure(v)}{at.get(name, '') if v is not None else ''}" for name, (word, v) in values.items()
    )


def _text(text: object) -> str:
    """Text that stays text: no markup, no links, no table borders, no line breaks."""
    plain = re.sub(r"([\\`*_~\[\]<>|#])", r"\\\1", " ".join(visible(str(text)).split()))
    return re.sub(r"://|www\.", lambda found: f"{found[0][:-1]}\\{found[0][-1]}", plain).replace("&", "&amp;")


def _code(text: str) -> str:
    """A code span that holds any text: its fence is longer than any run of backticks inside."""
    text = " ".join(visible(text).split()).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else ""
