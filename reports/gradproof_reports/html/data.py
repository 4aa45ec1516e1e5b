"""What the page's script reads: the results document, the pages' index, the axes."""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from markupsafe import Markup

from gradproof.extend import FORMATS, Cell, Curve, RunResult, cache_entries, kernel_origin, sweeps
from gradproof_reports.html.curves import grid, grid_key
from gradproof_reports.html.pages import Page
from gradproof_reports.html.states import STATES, classify

EMBEDDING: Final = "window.vegaEmbed = vegaEmbed;"
"""What the bundle of the drawing library leaves in the page."""
PLAIN_LIMIT: Final = 1 << 20
"""Documents up to this many characters are embedded as they are; longer ones compressed (about 5 to 1)."""


def payload(result: RunResult, found: dict[str, Page], stale: set[str]) -> dict[str, Any]:
    """The results document as it is written to disk, an index of pages and the axes of their curves."""
    grids: dict[str, Any] = {}
    for cell in result.cells:
        if cell.curve is not None:
            key = grid_key(cell.format, cell.curve)
            if key not in grids:
                grids[key] = grid(cell.format, cell.curve)
    return {
        "results": result.to_json(),
        "pages": [
            {
                "slug": p.slug,
                "family": p.family,
                "title": p.title,
                "series": p.series,
                "origin": kernel_origin(p.cells[0].implementation),
                "cells": p.indices,
            }
            for p in found.values()
        ],
        "states": [classify(c, stale).key for c in result.cells],
        "words": {s.key: {"glyph": s.glyph, "label": s.label} for s in STATES.values()},
        "grids": grids,
        "sweeps": _sweeps(result),
    }


def _sweeps(result: RunResult) -> dict[str, Any]:
    """By index of a sweep's cell: what it claims and found in sentences, and the axis of its fine envelope."""
    shown: dict[str, Any] = {}
    axes: dict[str, Any] = {}
    for i, cell in enumerate(result.cells):
        if not sweeps.is_sweep(cell):
            continue
        if cell.format not in axes:
            axes[cell.format] = _axis(cell)
        shown[str(i)] = {"title": sweeps.TITLE, "statement": sweeps.statement(cell), "range": sweeps.in_range(cell)}
    return {"cells": shown, "axes": axes, "classes": sweeps.CLASSES, "failing": sweeps.FAILING, "timed": sweeps.TIMED}


def _axis(cell: Cell) -> dict[str, Any] | None:
    """The axis of an envelope over the line of all patterns, from -NaN to +NaN: half of the patterns have the sign."""
    fmt = FORMATS.get(cell.format)
    if fmt is None:
        return None
    line = Curve(str(-fmt.sign_bit), str(fmt.sign_bit - 1), cell.measured["envelope"]["u"], [], [])
    return grid(cell.format, line)


def embed(document: dict[str, Any], limit: int = PLAIN_LIMIT) -> Markup:
    """``document`` as JSON that may stand inside ``<script type="application/json">``.

    Beyond ``limit`` characters it becomes ``{"gzip": "<base64>"}``, which the page unpacks when first asked
    for a cell. Markup characters are written as escapes, so that no text in it can end the element.
    """
    text = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    if len(text) > limit:
        # mtime=0: equal results give equal files.
        packed = gzip.compress(text.encode("utf-8", "backslashreplace"), compresslevel=9, mtime=0)
        text = json.dumps({"gzip": base64.b64encode(packed).decode()})
    return Markup(script_safe(text))


def script_safe(text: str) -> str:
    """JSON text without ``<``, ``>`` and ``&``: neither ``</script>`` nor ``<!--`` can occur in it.

    U+2028 and U+2029 are escaped too; some readers take them for line ends.
    """
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def drawing_library() -> Markup:
    """Vega, Vega-Lite and vega-embed in one piece of JavaScript, compressed, as base64.

    Taken from the installed vl-convert-python, which carries it; the page unpacks it when the first curve is
    drawn, so that opening costs nothing. Kept in the cache folder. Raises ImportError without that package.
    """
    key = {"drawing library": version("vl-convert-python"), "script": EMBEDDING}
    return Markup(cache_entries.kept("drawing", key, _bundle).decode())


def _bundle() -> bytes:
    # Imported late: 30 MB of native code, which take seconds to make a bundle.
    from vl_convert import javascript_bundle

    return base64.b64encode(gzip.compress(javascript_bundle(EMBEDDING).encode(), compresslevel=9, mtime=0))
