"""What the page's script reads: the original results file, and which of its cells belong to a row."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from typing import Any, Final

from markupsafe import Markup

from gradproof.extend import FORMATS, RunResult, kernel_rows, results_text

KINKS: Final = "fd-jump"
"""The property that says where a function's kinks are."""


def packed(text: str) -> Markup:
    """Text as base64 of gzip, which the page unpacks when it is first asked for; equal texts give equal files."""
    raw = gzip.compress(text.encode("utf-8", "backslashreplace"), compresslevel=9, mtime=0)
    return Markup(base64.b64encode(raw).decode())


def results_file(result: RunResult) -> Markup:
    """The results file byte for byte, as it is written to disk."""
    return packed(results_text(result) + "\n")


def index(result: RunResult, found: Iterable[kernel_rows.Row]) -> Markup:
    """By row the indices of its cells and the kinks of its function; and how the formats' bits are read."""
    kinks: dict[str, list[str]] = {}
    for cell in result.cells:
        if cell.property == KINKS and cell.measured.get("kinks"):
            kinks.setdefault(f"{cell.function} {sorted(cell.params.items())!r}", list(cell.measured["kinks"]))
    document = {
        "rows": {
            row.slug: {
                "cells": row.indices,
                "kinks": kinks.get(f"{row.cells[0].function} {sorted(row.cells[0].params.items())!r}", []),
            }
            for row in found
            if row.judged
        },
        "formats": {
            name: {"width": f.width, "mantissa": f.precision - 1, "infinities": f.has_infinity}
            for name, f in FORMATS.items()
        },
    }
    return embed(document)


def embed(document: dict[str, Any]) -> Markup:
    """``document`` as JSON that may stand inside ``<script type="application/json">``."""
    text = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Markup(script_safe(text))


def script_safe(text: str) -> str:
    """JSON text without ``<``, ``>`` and ``&``: neither ``</script>`` nor ``<!--`` can occur in it.

    U+2028 and U+2029 are escaped too; some readers take them for line ends.
    """
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
