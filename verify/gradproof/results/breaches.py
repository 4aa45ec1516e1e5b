"""What a results file may not hold although its shapes are right: readers calculate with these values."""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from gradproof.files.reading import shortened
from gradproof.results.model import (
    Cell,
    Certificate,
    ClaimException,
    Curve,
    FailingInputs,
    Finding,
    Number,
    RunResult,
    WorstInput,
)
from gradproof.results.sweeps import PROPERTY

_BITS: Final = re.compile("0x[0-9a-f]{1,16}")
_ORDINAL: Final = re.compile("-?[0-9]{1,20}")


def breach(value: object) -> str:
    """Where within ``value``, one of the shapes of ``model``, and what is wrong there; empty where nothing is.

    As in ``.order: expected 0, 1 or 2, got 7``, to be written after the place of the value itself.
    """
    match value:
        case Number():
            return _number(value.bits, value.decimal)
        case Curve():
            return _curve(value)
        case Cell():
            return _magnitude(value.magnitude) or _cell(value)
        case Certificate() | ClaimException():
            return _magnitude(value.magnitude)
        case WorstInput():
            return _patterns([value.bits, value.got, value.expected or value.got], "")
        case FailingInputs():
            return _regions(value.regions, ".regions")
        case Finding():
            held = ((name, order, r) for name, orders in value.regions.items() for order, r in orders.items())
            return next(filter(None, (_regions(r, f".regions.{name}.{order}") for name, order, r in held)), "")
        case RunResult():
            return _twice(value.cells)
    return ""


def _number(bits: Any, decimal: Any) -> str:
    if not (isinstance(bits, str) and _BITS.fullmatch(bits)):
        return f".bits: expected a bit pattern such as 0x3f80, got {shortened(bits)}"
    try:
        float(decimal)
    except (TypeError, ValueError):
        return f".decimal: expected a number as text, got {shortened(decimal)}"
    return ""


def _patterns(patterns: list[str], where: str) -> str:
    wrong = next((p for p in patterns if not _BITS.fullmatch(p)), None)
    return "" if wrong is None else f"{where}: expected bit patterns such as 0x3f80, got {shortened(wrong)}"


def _regions(regions: list[list[str]], where: str) -> str:
    if any(len(region) != 2 for region in regions):
        return f"{where}: expected intervals of two ends"
    return next(filter(None, (_patterns(region, where) for region in regions)), "")


def _curve(curve: Curve) -> str:
    for name in ("lo", "hi"):
        if not _ORDINAL.fullmatch(getattr(curve, name)):
            return f".{name}: expected a whole number as text, got {shortened(getattr(curve, name))}"
    if int(curve.lo) > int(curve.hi):
        return f": expected lo of at most hi, got {curve.lo} and {curve.hi}"
    drawn = {} if curve.graph is None else {f"graph.{n}": getattr(curve.graph, n) for n in ("inputs", "got", "errors")}
    bytes_of = {"bins": curve.bins, **drawn}
    return next(filter(None, (_bins(text, f".{name}") for name, text in bytes_of.items())), "")


def _bins(text: str, where: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return f"{where}: expected base64, got {shortened(text)}"
    return ""


def _magnitude(value: float | None) -> str:
    return f".magnitude: expected no number below 0, got {value}" if value is not None and value < 0 else ""


def _twice(cells: list[Cell]) -> str:
    """Two verdicts for one thing: a reader that goes by the key would take the last."""
    first: dict[tuple[Any, ...], int] = {}
    for index, cell in enumerate(cells):
        if (before := first.setdefault(cell.key, index)) != index:
            return (
                f".cells[{index}]: expected one cell for {cell.id} ({cell.implementation}), got a second to [{before}]"
            )
    return ""


def _cell(cell: Cell) -> str:
    if not 0 <= cell.order <= 2:
        return f".order: expected 0, 1 or 2, got {cell.order}"
    return _sweep(cell.measured) if cell.property == PROPERTY and cell.measured else ""


def _sweep(measured: dict[str, Any]) -> str:
    """Of what a sweep measured, whose tables and intervals every report goes through: by the published schema."""
    for error in _schema().iter_errors(measured):
        return f".measured{error.json_path.removeprefix('$')}: {error.message[:200]}"
    envelopes = (_bins(text, f".measured.envelope.{name}") for name, text in measured.get("envelope", {}).items())
    return next(filter(None, itertools.chain(_numbers(measured, ".measured"), envelopes)), "")


def _numbers(value: Any, where: str) -> Iterator[str]:
    """The breaches of every datum within ``value``."""
    if isinstance(value, dict):
        if "bits" in value and "decimal" in value and (wrong := _number(value["bits"], value["decimal"])):
            yield where + wrong
        for key, item in value.items():
            yield from _numbers(item, f"{where}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{where}[{index}]")


@cache
def _schema() -> Any:
    # Imported late: only files with sweeps are checked by it.
    from jsonschema import Draft202012Validator

    from gradproof.results.validate import schema

    whole = schema()
    # An additional key is a newer minor version's, as everywhere in reading.
    part = _lenient(whole["$defs"]["cell"]["then"]["properties"]["measured"])
    return Draft202012Validator({"$defs": _lenient(whole["$defs"]), **part})


def _lenient(schema: Any) -> Any:
    """``schema`` without its bans on additional keys."""
    if isinstance(schema, dict):
        return {k: _lenient(v) for k, v in schema.items() if not (k == "additionalProperties" and v is False)}
    return [_lenient(v) for v in schema] if isinstance(schema, list) else schema
