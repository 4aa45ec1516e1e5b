"""What a run says at its end: rows and findings as the page has them, the ledger, what was not run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from gradproof.cli import codes
from gradproof.cli.claims import verdict_counts
from gradproof.cli.console import STYLES, console, count, duration, text
from gradproof.cli.failures import failing, show
from gradproof.cli.findings import show_finding
from gradproof.cli.outputs import DEFAULTS, RESULTS
from gradproof.cli.rows import show_rows
from gradproof.results.claims import overall
from gradproof.results.finding_texts import found_in
from gradproof.results.labels import kernel_origins, place_of, with_origin

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.cli.outputs import Written
    from gradproof.results.model import Cell, RunResult

SHOWN: Final = 20
"""Failures and ledger problems listed on a terminal; the rest are counted, and are in the results file. A log, which
nobody asks again, has them all."""
SHOWN_DEVIATIONS: Final = 12


def summarise(result: RunResult, code: int, written: Written, *, verbose: bool = False) -> None:
    """Print the summary to stdout; ``code`` is the run's exit code, ``written`` what became of its files."""
    out = console()
    whole = verbose or not out.is_terminal
    show_rows(out, result, verbose=verbose)
    _failures(out, result, whole=whole, cell_by_cell=verbose)
    _ledger(out, result, whole)
    _deviations(out, result, verbose)
    _reasons(out, result, "undecided", "Undecided")
    _uncertified(out, result)
    if verbose or code == codes.NOTHING:
        _reasons(out, result, "unsupported", "Unsupported")
    _reasons(out, result, "not-run", "Not run")
    counts = result.counts()
    words: list[str | tuple[str, str]] = []
    for status in ("pass", "fail", "error", "known", "undecided", "unsupported", "not-run"):
        words += [(f"{counts[status]} {status}", STYLES[status] if counts[status] else "dim"), ", "]
    out.print(text(*words[:-1]))
    profile = result.run.settings.get("profile", "?")
    out.print(text(f"{duration(result.run.seconds)}, profile {profile}, seed {result.run.seed}{_judged_on(result)}"))
    for line in written.lines():
        out.print(text(line))
    _claims(out, result, written.files)
    out.print(_verdict(result, code))


def _judged_on(result: RunResult) -> str:
    """``, on numpy:cpu (gradproof's reference kernels), torch:cpu``: the places of the cells that were judged."""
    judged = [cell for cell in result.cells if cell.status not in ("not-run", "unsupported")]
    places = ", ".join(with_origin(place, whose) for place, whose in kernel_origins(judged).items())
    return f", on {places}" if places else ""


def _failures(out: Console, result: RunResult, *, whole: bool, cell_by_cell: bool) -> None:
    """What is wrong, once for each fault, not SHOWN of them if ``whole``; then every failing cell if asked."""
    new = [f for f in found_in(result) if f.known_ref is None]
    cells = failing(result)
    if not cells:
        return
    heading = f"{count(len(new), 'finding')} from {count(len(cells), 'failing cell')}, the one to read first first"
    out.print(text((heading, "bold red")))
    for finding in new if whole else new[:SHOWN]:
        out.print()
        show_finding(out, finding, cells)
    if len(new) > SHOWN and not whole:
        out.print()
        out.print(text(f"... and {count(len(new) - SHOWN, 'more finding')}; see the results file or the report"))
    for cell in cells if cell_by_cell else ():
        out.print()
        show(out, cell)
    out.print()


def _ledger(out: Console, result: RunResult, whole: bool) -> None:
    problems = [s for s in result.ledger if s.state in ("grown", "gone")]
    if problems:
        out.print(text((f"Known deviations that changed: {len(problems)}", "bold red")))
        for state in problems if whole else problems[:SHOWN]:
            out.print(text(f"  {state.state:<6} {state.entry}: {state.detail}"))
        if len(problems) > SHOWN and not whole:
            out.print(text(f"  ... and {len(problems) - SHOWN} more"))
        out.print()
    stale = sum(s.state == "stale" for s in result.ledger)
    if stale:
        entries = "1 entry of the ledger does" if stale == 1 else f"{stale} entries of the ledger do"
        out.print(text(f"Note: {entries} not show here, on other versions or hardware than recorded"))
        out.print()


def _deviations(out: Console, result: RunResult, verbose: bool) -> None:
    known = [c for c in result.cells if c.status == "known"]
    if not known:
        return
    tally: dict[str, int] = {}
    for cell in known:
        tally[cell.known_ref or "?"] = tally.get(cell.known_ref or "?", 0) + 1
    ordered = sorted(tally.items(), key=lambda item: -item[1])
    out.print(text((f"Known deviations: {len(tally)}, in {count(len(known), 'cell')}", "bold")))
    width = len(str(ordered[0][1]))
    for name, number in ordered if verbose else ordered[:SHOWN_DEVIATIONS]:
        about = result.deviations.get(name, {})
        upstream = f" ({', '.join(about['upstream'])})" if about.get("upstream") else ""
        out.print(text(f"  {number:>{width}}  {about.get('title', name)}{upstream}"))
    if len(ordered) > SHOWN_DEVIATIONS and not verbose:
        out.print(text(f"  ... and {len(ordered) - SHOWN_DEVIATIONS} more"))
    out.print()


def _reasons(out: Console, result: RunResult, status: str, title: str) -> None:
    """Cells of one status, counted by reason and backend."""
    cells = [c for c in result.cells if c.status == status]
    if not cells:
        return
    rows = [(f"{backend}", count(n, "cell"), reason) for (backend, reason), n in _tally(cells)]
    out.print(text((f"{title}: {count(len(cells), 'cell')}", "bold")))
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    for backend, number, reason in rows:
        out.print(text(f"  {backend:<{first}}  {number:>{second}}  {reason}"))
    out.print()


def _uncertified(out: Console, result: RunResult) -> None:
    cells = [c for c in result.cells if c.measured.get("uncertified")]
    if not cells:
        return
    foreign = sorted({f"m.{name}" for c in cells for name in c.measured.get("beyond_arb", ())})
    why = "python-flint is missing, or the definition is beyond it"
    if foreign:
        why = (
            f"{', '.join(foreign)} has no power series here, so that derivatives are numerical differences, a thousand "
            "times as slow; docs/oracle.md lists what a definition may use instead"
        )
    out.print(
        text((f"Uncertified: {count(len(cells), 'cell')}", "bold"), f", judged by values that mpmath alone gave: {why}")
    )
    out.print()


def _claims(out: Console, result: RunResult, files: Sequence[str]) -> None:
    """One line for all claims, and how to read them where there is a results file."""
    if any(overall(claim) != "not checked" for claim in result.claims):
        path = next((f for f in files if f.endswith(".json")), "")
        argument = "" if path == DEFAULTS[RESULTS] else f" {path}"
        out.print(text(verdict_counts(result.claims), f"; see `gradproof claims{argument}`" if path else ""))


def _tally(cells: Iterable[Cell]) -> list[tuple[tuple[str, str], int]]:
    tally: dict[tuple[str, str], int] = {}
    for cell in cells:
        key = place_of(cell), " ".join(cell.reason.split())
        tally[key] = tally.get(key, 0) + 1
    return sorted(tally.items(), key=lambda item: -item[1])


def _all_well(result: RunResult) -> str:
    undecided = result.counts()["undecided"]
    rest = f"; {count(undecided, 'cell')} undecided, which is no verdict" if undecided else ""
    return f"nothing but passes and known deviations{rest}"


def _nothing(result: RunResult) -> str:
    if result.cells:
        return "no cell of this selection could be judged here"
    asked = {
        k: result.run.settings.get(k) for k in ("properties", "orders", "functions", "formats", "modes", "backends")
    }
    wanted = "; ".join(f"{k} {', '.join(map(str, v))}" for k, v in asked.items() if v)
    return (
        f"no property says anything about this selection ({wanted}); `gradproof list` shows orders and "
        "functions of each"
    )


def _verdict(result: RunResult, code: int) -> object:
    problems = sum(s.state in ("grown", "gone") for s in result.ledger)
    found = [count(len(failing(result)), "new failure")] if failing(result) else []
    found += [f"{count(problems, 'known deviation')} changed"] if problems else []
    phrases = {
        codes.OK: ("OK", "bold green", _all_well(result)),
        codes.FAILED: ("FAILED", "bold red", ", ".join(found)),
        codes.INTERRUPTED: (
            "INTERRUPTED",
            "bold yellow",
            ", ".join(["the results hold what was reached", *found]),
        ),
        codes.INTERNAL: (
            "INTERNAL ERROR",
            "bold magenta",
            "a check itself raised; see the cells with status error",
        ),
        codes.NOTHING: ("NOTHING RAN", "bold yellow", _nothing(result)),
    }
    word, style, rest = phrases[code]
    if code == codes.OK and not result.run.complete:
        rest += "; the run is incomplete"
    return text((word, style), f": {rest}")
