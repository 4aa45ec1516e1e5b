"""Checking a document against the published JSON Schema (2020-12)."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from gradproof.errors import UsageError
from gradproof.results.model import RunResult

SHOWN = 5
"""Breaches listed in one error; the rest are counted."""


@cache
def _text() -> str:
    return resources.files("gradproof.results").joinpath("schema.json").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """The JSON Schema of results files, a fresh copy that the caller may change."""
    document: dict[str, Any] = json.loads(_text())
    return document


def validate(document: RunResult | dict[str, Any]) -> None:
    """Check a result or a parsed results file against the schema.

    Stricter than ``read_results``: a key that this version does not write is a breach. Raises UsageError
    that lists the breaches with their places.
    """
    # Imported late: only those who ask for validation pay for it.
    from jsonschema import Draft202012Validator

    # Through text, so that tuples and the like are judged as what a reader of the file would see.
    instance = json.loads(json.dumps(document.to_json() if isinstance(document, RunResult) else document))
    found = Draft202012Validator(schema()).iter_errors(instance)
    breaches = sorted(found, key=lambda e: [str(step) for step in e.path])
    if not breaches:
        return
    lines = [f"{e.json_path.replace('$', 'document', 1)}: {e.message[:200]}" for e in breaches[:SHOWN]]
    if len(breaches) > SHOWN:
        lines.append(f"and {len(breaches) - SHOWN} more")
    raise UsageError("expected a document that follows the results schema, got:\n  " + "\n  ".join(lines))
