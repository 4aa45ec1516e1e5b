"""From a RunResult to the page: the view model, the templates and the embedded parts."""

from __future__ import annotations

import os
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gradproof.extend import (
    Certificate,
    Interval,
    RunResult,
    in_order,
    kernel_origins,
    visible,
    with_origin,
    write_text,
)
from gradproof_reports.html import claims, data, failures, findings, matrix, states
from gradproof_reports.html.pages import pages, slugs
from gradproof_reports.summary import (
    DEFINITION_M,
    DEFINITION_U,
    STATUS_WORDS,
    counts_line,
    duration,
    failing,
    figure,
    headline,
    red,
    verdict,
)

SCRIPTS = ("store.js", "dom.js", "curve.js", "sweep.js", "cell.js", "main.js")
"""Parts of the page's own script, in the order in which they need each other."""

CHIPS = ("fail", "error", "undecided", "known", "unsupported", "not-run", "pass")


def render_html(result: RunResult) -> str:
    """The whole report as one HTML document.

    It loads nothing (its content security policy forbids it), holds the results file, and everything but
    the curves and the cells' pages is readable without scripts.
    """
    found = pages(result)
    at = slugs(found)
    stale = states.stale_subjects(result.ledger)
    places, rows = claims.properties(result, stale)
    bad = failing(result)
    curves = any(c.curve is not None for c in result.cells)
    view: dict[str, Any] = {
        "result": result,
        "verdict": verdict(result),
        "red": red(result),
        "counts": result.counts(),
        "counts_line": counts_line(result),
        "chips": [(status, STATUS_WORDS[status]) for status in CHIPS],
        "worst": headline(bad[0]) if bad else "",
        "worst_slug": at[next(i for i, c in enumerate(result.cells) if c is bad[0])] if bad else "",
        "wall": duration(result.run.seconds),
        "definitions": (DEFINITION_U, DEFINITION_M),
        "findings": findings.build(result),
        "claims": claims.claims(result, at),
        "absent": claims.absent(result),
        "places": places,
        "labels": {place: with_origin(place, whose) for place, whose in kernel_origins(result.cells).items()},
        "properties": rows,
        "matrix": matrix.build(found, stale),
        "states": list(states.STATES.values()),
        "step_labels": states.STEP_LABELS,
        "groups": failures.failure_groups(result, at),
        "undecided": failures.undecided(result, at),
        "known": failures.known_groups(result, at),
        "silent": failures.silent(result),
        "ledger": [s for s in result.ledger if s.state != "seen"],
        "ledger_seen": sum(s.state == "seen" for s in result.ledger),
        "shards": result.shards or [result.run],
        "style": Markup(asset("report.css")),
        "script": Markup("\n".join(asset(name) for name in SCRIPTS)),
        "payload": data.embed(data.payload(result, found, stale)),
        "library": data.drawing_library() if curves else "",
    }
    return _environment().get_template("page.html.j2").render(view)


def write_html(result: RunResult, path: str | os.PathLike[str]) -> None:
    """Write the report to ``path``, atomically. Raises UsageError where that cannot be written."""
    write_text(render_html(result), path, "HTML report")


def asset(name: str) -> str:
    """Text of one of the page's own style sheets or scripts."""
    return resources.files("gradproof_reports.html").joinpath("assets", name).read_text(encoding="utf-8")


def _region(found: Certificate) -> list[Interval]:
    return in_order(found.region, found.input)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gradproof_reports.html"),
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,  # Markup is our own
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure, "plain": claims.plain, "duration": duration, "region": _region}
    return environment
