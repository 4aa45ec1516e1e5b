"""What is wrong in released frameworks, from results files: docs/findings.md, its data, and issue texts ready to send.

    python benchmarks/findings.py collect results.json [more.json ...]
    python benchmarks/findings.py issue torch-softsign-tail

``collect`` takes every known finding about a framework's own function out of the files, adds the best formula that
keeps the contract there, and writes docs/evidence/findings.json and docs/findings.md. ``issue`` prints what to send
upstream about one deviation: versions, figures, the explanation, and a script that needs the framework and mpmath.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner

from gradproof.cli.app import program as gradproof
from gradproof.formats import get_format
from gradproof.formulas.registry import formulas_of
from gradproof.formulas.worst import worst_error
from gradproof.results import finding_texts, read_results
from gradproof.results.formatting import figure
from gradproof.results.model import RunResult

DOCS: Final = Path(__file__).parent.parent / "docs"
DATA: Final = DOCS / "evidence" / "findings.json"
PAGE: Final = DOCS / "findings.md"
FRAMEWORKS: Final = {"torch": "PyTorch", "jax": "JAX", "numpy": "NumPy"}

KINKS: Final = "kink-convention"

Row = dict[str, Any]


def rows_of(result: RunResult) -> list[Row]:
    """One row for each finding that a deviation of the ledger accounts for."""
    found = []
    for told in finding_texts.told(result):
        finding, worst = told.finding, told.finding.worst
        if finding.known_ref is None or ":" in finding.implementation or worst is None:
            continue
        entry = result.run.backends[f"{finding.backend}:{finding.device}"]
        deviation = result.deviations[finding.known_ref]
        found.append(
            {
                "deviation": finding.known_ref,
                "title": deviation["title"],
                "reason": deviation["reason"],
                "upstream": list(deviation.get("upstream", ())),
                "backend": finding.backend,
                "versions": dict(entry["versions"]),
                "hardware": entry["hardware"],
                "implementation": finding.implementation,
                "function": told.function,
                "mode": finding.mode,
                "kind": finding.kind,
                "what": finding.text,
                "at": told.at,
                "numbers": [list(number) for number in told.numbers],
                "error": told.error.partition(";")[0],
                "felt": bool(finding.felt),
                "explained": "" if finding.explanation is None else finding.explanation.text,
                "instead": instead(finding.function, tuple(finding.params.items()), worst.order, worst.format),
                "command": told.command,
            }
        )
    return found


@cache
def instead(function: str, params: tuple[tuple[str, Any], ...], order: int, name: str) -> str:
    """The formula with the least worst error that keeps the contract in the format; nothing without one."""
    fmt = get_format(name)
    ways = [f for f in formulas_of(function, (order,)) if f.applies_to(fmt)]
    kept = [w for w in (worst_error(f, fmt, dict(params)) for f in ways) if w.keeps_contract]
    if not kept:
        return ""
    best = min(kept, key=lambda w: w.error)
    return f"{best.formula.text} (at most {figure(best.error, 3)} of the contract's bound)"


def collect(files: list[str]) -> None:
    """Write the data and the page."""
    rows = [row for file in files for row in rows_of(read_results(file))]
    rows.sort(key=lambda r: (list(FRAMEWORKS).index(r["backend"]), r["deviation"], r["mode"] != "eager"))
    DATA.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(page(rows), "utf-8")


def again() -> None:
    """Write the page from the data that there are."""
    PAGE.write_text(page(json.loads(DATA.read_text("utf-8"))), "utf-8")


def page(rows: list[Row]) -> str:
    """docs/findings.md."""
    without = {r["deviation"] for r in rows if not r["upstream"]}
    several = {r["deviation"] for r in rows}
    lines = [
        "# What is wrong in today's releases",
        "",
        "Every deviation that runs of gradproof know, one row for each implementation that shows it: the worst input,",
        "what the framework gives there and what is due, and a formula that keeps the contract for that derivative in",
        "that format. Made by `benchmarks/findings.py` from results files, not by hand. `docs/evidence/findings.json`",
        "has the command that shows each row again; with `--script` it prints a script that needs the framework and",
        "mpmath alone. A test runs these.",
        "",
        "Errors are given as u and m: [u](glossary.md#u) in ulps of the exact value, [m](glossary.md#m) with what one",
        "ulp of x moves forgiven. [felt](glossary.md#felt) says whether training can notice.",
        "",
        f"{len(rows)} findings, from {len(several)} deviations; training can feel {sum(r['felt'] for r in rows)}.",
        f"Of {len(without)} deviations no thread is known here: `python benchmarks/findings.py issue ID` prints an",
        "issue to send.",
        "",
        f"Seen with {', '.join(versions(rows))}.",
    ]
    for backend in dict.fromkeys(r["backend"] for r in rows):
        lines += ["", f"## {FRAMEWORKS[backend]}"]
        for deviation in dict.fromkeys(r["deviation"] for r in rows if r["backend"] == backend):
            lines += section([r for r in rows if r["deviation"] == deviation])
    return "\n".join(lines) + "\n"


def versions(rows: list[Row]) -> list[str]:
    """``torch 2.13.0+cpu (AMD AVX2)``, once each."""
    return list(dict.fromkeys(f"{r['backend']} {r['versions'][r['backend']]} ({r['hardware']})" for r in rows))


def section(rows: list[Row]) -> list[str]:
    """One deviation."""
    first = rows[0]
    threads = ", ".join(first["upstream"]) or "none known"
    lines = ["", f"### {first['title']}", "", first["reason"], "", f"`{first['deviation']}`; threads: {threads}.", ""]
    lines += [
        "| implementation | mode | of | x | gives | due | error | felt | instead |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        x, got, due = columns(r, lambda decimal, bits: decimal)
        cells = (
            r["implementation"],
            r["mode"],
            r["at"],
            x,
            got,
            due,
            r["error"],
            "yes" if r["felt"] else "no",
            r["instead"],
        )
        lines.append(f"| {' | '.join(cell(c) for c in cells)} |")
    return lines


def named(row: Row) -> str:
    """The implementation; of a conversion its target too."""
    return (
        f"{row['implementation']} ({row['function']})" if row["function"].startswith("to_") else row["implementation"]
    )


def columns(row: Row, shown: Callable[[str, str], str]) -> list[str]:
    """Input, result and what is due; at a kink that is a convention."""
    texts = [shown(decimal, bits) for _, decimal, bits in row["numbers"]]
    return [*texts, *["a convention"] * (3 - len(texts))]


def cell(text: str) -> str:
    """Text in a table of Markdown."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")


def script(row: Row) -> str:
    """A script that shows one row without gradproof. Raises ValueError where the command line makes none."""
    words = shlex.split(row["command"])[1:]
    if KINKS in words:  # it compares functions; a script shows what one of them answers at the kink
        at = words.index(KINKS) - 1
        words = words[:at] + words[at + 2 :]
    done = CliRunner().invoke(gradproof, [*words, "--script"], standalone_mode=False)
    if "print(" not in done.output:
        raise ValueError(f"{row['command']}: {done.output} {done.exception or ''}")
    return done.output


def issue(deviation: str) -> str:
    """What to send upstream about one deviation. SystemExit for one that there is not."""
    every = json.loads(DATA.read_text("utf-8"))
    rows = [r for r in every if r["deviation"] == deviation]
    if not rows:
        raise SystemExit(
            f"expected a deviation, got {deviation!r}; known: {', '.join(dict.fromkeys(r['deviation'] for r in every))}"
        )
    first = rows[0]
    lines = [f"# {first['implementation']}: {first['title']}", "", f"Versions: {', '.join(versions(rows))}.", ""]
    lines += [first["reason"], "", "| function | of | x | got | expected | error |", "|---|---|---|---|---|---|"]
    for r in rows:
        x, got, due = columns(r, "{} ({})".format)
        name = named(r) + (f", {r['mode']}" if r["mode"] != "eager" else "")
        lines.append(f"| {' | '.join(cell(c) for c in (name, r['at'], x, got, due, r['error']))} |")
    lines += [
        "",
        "u is the distance from the exact value in its own ulps, m in one of these plus what one ulp of x moves.",
    ]
    if first["explained"]:
        lines += ["", f"All of it is what this formula gives in the format's own arithmetic: `{first['explained']}`."]
    if first["instead"]:
        lines += ["", f"Accurate in that format everywhere: `{first['instead']}`."]
    lines += ["", "Expected values are certified by two independent multi-precision libraries. To see it:", ""]
    return "\n".join([*lines, "```python", script(first).rstrip(), "```", ""])


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("collect").add_argument("results", nargs="+")
    what.add_parser("page", help="write docs/findings.md from docs/evidence/findings.json")
    what.add_parser("issue").add_argument("deviation")
    asked = parser.parse_args()
    if asked.what == "collect":
        collect(asked.results)
    elif asked.what == "page":
        again()
    else:
        sys.stdout.write(issue(asked.deviation))


if __name__ == "__main__":
    main()
