"""From a RunResult to the page: the view model, the templates and the embedded parts."""

from __future__ import annotations

import os
from functools import cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gradproof.extend import (
    ComparedResult,
    RunResult,
    compact_figure,
    kernel_origins,
    kernel_rows,
    visible,
    with_origin,
    write_text,
)
from gradproof_reports.html import claims, data, opened, pictures, tabs
from gradproof_reports.summary import (
    DEFINITION_M,
    DEFINITION_U,
    counts_line,
    duration,
    failing,
    headline,
    red,
    verdict,
)

SCRIPTS: Final = ("dom.js", "plot.js", "rows.js", "page.js")
"""Parts of the page's own script, in the order in which they need each other."""


def render_html(result: RunResult) -> str:
    """The whole report as one HTML document.

    It loads nothing (its content security policy forbids it), holds the results file, and everything but the plots is
    readable without scripts.
    """
    found = kernel_rows.rows(result)
    at = {id(cell): row.slug for row in found for cell in row.cells}
    columns = kernel_rows.facts(found, result)
    places, properties = tabs.properties(result)
    bad = failing(result)
    opener = opened.Opener()
    view: dict[str, Any] = {
        "result": result,
        "since": result.since if isinstance(result, ComparedResult) else None,
        "verdict": verdict(result),
        "red": red(result),
        "counts_line": counts_line(result),
        "worst": headline(bad[0]) if bad else "",
        "worst_slug": at[id(bad[0])] if bad else "",
        "wall": duration(result.run.seconds),
        "definitions": (DEFINITION_U, DEFINITION_M),
        "rows": columns,
        "open": opener.open,
        "slug_of": {i: row.slug for row in found for i in row.indices},
        "claims": claims.claims(result, at),
        "absent": claims.absent(result),
        "pictures": pictures.pictures(result),
        "places": places,
        "labels": {place: with_origin(place, whose) for place, whose in kernel_origins(result.cells).items()},
        "properties": properties,
        "known": tabs.known(result, at),
        "silent": tabs.silent(result),
        "ledger": [s for s in result.ledger if s.state != "seen"],
        "ledger_seen": sum(s.state == "seen" for s in result.ledger),
        "shards": result.shards or [result.run],
        "style": Markup(asset("report.css")),
        "script": Markup("\n".join(asset(name) for name in SCRIPTS)),
        "index": data.index(result, found),
        "file": data.results_file(result),
    }
    return _environment().get_template("page.html.j2").render(view)


def write_html(result: RunResult, path: str | os.PathLike[str]) -> None:
    """Write the report to ``path``, atomically. Raises UsageError where that cannot be written."""
    write_text(render_html(result), path, "HTML report")


def asset(name: str) -> str:
    """Text of one of the page's own style sheets or scripts."""
    return resources.files("gradproof_reports.html").joinpath("assets", name).read_text(encoding="utf-8")


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
    environment.filters |= {
        "figure": compact_figure,
        "plain": tabs.plain,
        "duration": duration,
        "regions": opened.regions,
    }
    return environment
