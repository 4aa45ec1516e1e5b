"""Reading and writing results files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from typing import Any

from gradproof.errors import UsageError
from gradproof.files.reading import parsed_json, read_text
from gradproof.files.writing import write_text
from gradproof.results.model import SCHEMA, RunResult
from gradproof.results.rebuild import rebuild


def dumps(result: RunResult) -> str:
    """``result`` as one line of compact JSON.

    NaN and infinity are no JSON: an infinite error is written as null and a datum as text, which is the
    caller's duty. Raises UsageError naming the place of one that slipped through, or of a value that is not
    JSON at all (an array scalar, a set).
    """
    document = result.to_json()
    try:
        return json.dumps(document, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError) as fault:
        where, value = next(_offenders(document, "document"), ("document", fault))
        raise UsageError(
            f"{where}: expected a JSON value (finite number, text, bool, null, list, dict), got {value!r}; "
            "write an infinite or missing number as None and a datum as its text"
        ) from fault


def write_results(result: RunResult, path: str | os.PathLike[str]) -> None:
    """Write ``result`` to ``path``, atomically: a reader finds the old file or the new one, never half of it.

    Raises UsageError for values that are no JSON (see ``dumps``) and for a place that cannot be written, WriteError
    for a full disk.
    """
    write_text(dumps(result) + "\n", path, "results file")


def read_results(path: str | os.PathLike[str]) -> RunResult:
    """The results file at ``path`` as the frozen shapes of ``model``; ``-`` is standard input.

    Keys of a newer minor version (``gradproof-results/1.2``) are passed over. Raises UsageError for a file
    that is missing, unreadable, half-written, foreign, or of another major version, and for a pipe or a device.
    """
    text = read_text(path, "a results file", stdin=True)
    try:
        document = parsed_json(text)
    except ValueError as fault:
        raise UsageError(
            f"expected a whole results file (schema {SCHEMA!r}), but {os.fspath(path)} is not: {fault}; run again or "
            "name the file that `gradproof run --json` wrote"
        ) from fault
    return loads(document, os.fspath(path))


def loads(document: Any, source: str = "document") -> RunResult:
    """A parsed results document as a RunResult; ``source`` names it in the UsageError of a foreign one."""
    found = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(found, str) or not (found == SCHEMA or found.startswith(SCHEMA + ".")):
        came = f"schema {found!r}" if found is not None else "no 'schema' key"
        raise UsageError(
            f"expected a results file with schema {SCHEMA!r}, got {came} in {source}; "
            "read it with the gradproof that wrote it, or run again"
        )
    try:
        result = rebuild(RunResult, document)
    except UsageError as fault:
        raise UsageError(f"{source} says schema {found!r} but does not follow it: {fault}") from None
    assert isinstance(result, RunResult)
    return result


def plain(value: Any) -> Any:
    """``value`` as JSON holds it: array scalars as numbers, NaN and infinities as text, whatever else as its text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool):
        return value
    if type(value) not in (int, float) and hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return plain(value.item())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return str(value)


def _offenders(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Places in a document that JSON cannot hold."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str | int | float | bool | None):
                yield f"{where} (a key)", key
            yield from _offenders(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _offenders(item, f"{where}[{index}]")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield where, value
    elif not isinstance(value, str | int | None):
        yield where, value
