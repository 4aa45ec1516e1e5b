"""Traces for the eye: the operation that matters, marked, and those around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gradproof.cli.console import columns, count
from gradproof.cli.failures import print_row
from gradproof.formats import FORMATS

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.results.model import Traced

SHOWN: Final = 12
"""Operations of a trace that are shown."""
HEAD: Final = ("   ", "phase", "operation", "result", "exact", "own error", "magnifies", "error", "line")
PHASES: Final = {"forward": "f", "backward": "f'", "second backward": "f''"}


def show_trace(out: Console, rows: Sequence[Traced], *, table: bool = True) -> None:
    """The operation that matters among those of one call (``Finding.trace``), and a table of twelve around it."""
    if not rows:
        return
    marked = next((i for i, row in enumerate(rows) if row.marked), None)
    print_row(out, "where", _where(rows, marked))
    if not table:
        return
    first = 0 if marked is None else max(0, min(marked - SHOWN // 2, len(rows) - SHOWN))
    shown = rows[first : first + SHOWN]
    columns(out, HEAD, [_row(row) for row in shown])
    if len(rows) > len(shown):
        print_row(out, "", f"{len(shown)} of {count(len(rows), 'operation')}; --json has all of them")


def _where(rows: Sequence[Traced], marked: int | None) -> str:
    """The operation that matters, in words."""
    if marked is None:
        unknown = [row for row in rows if row.exact is None and row.kind != "operation"]
        if unknown:
            return f"in {unknown[0].operation}, a {unknown[0].kind} that cannot be looked into, or in the formula"
        return "no single operation: each does what it says, as exactly as it can"
    row = rows[marked]
    kind = "" if row.kind == "operation" else f" ({row.kind})"
    of = f" in {row.part_of}" if row.part_of else ""
    line = row.line
    at = f", from {line.file}:{line.number}: {line.text}" if line else ""
    return f"{row.phase}: {row.operation}{kind}{of}, {_fault(rows, marked)}{at}{_turned(rows, marked)}"


def _turned(rows: Sequence[Traced], marked: int) -> str:
    """Where what an operation behind the marked one is handed becomes NaN."""
    for row in rows[marked + 1 :]:
        given = [_number(o.decimal) for o in row.operands]
        if math.isnan(_number(row.result.decimal)) and not any(map(math.isnan, given)):
            return f"; NaN in {_place(row)}: {_called(row)}"
    return ""


def _place(row: Traced) -> str:
    return f"the {row.phase} operation" + (f" of {row.part_of}" if row.part_of else "")


def _called(row: Traced) -> str:
    return f"{row.operation}({', '.join(_short(o.decimal) for o in row.operands)})"


def _fault(rows: Sequence[Traced], marked: int) -> str:
    row = rows[marked]
    got = _number(row.result.decimal)
    if row.exact is None or row.amplification is None:
        return "of which the exact result is not known"
    if row.local is None:
        verb = (
            "overflows"
            if math.isinf(got)
            else "gives NaN"
            if math.isnan(got)
            else f"gives {_short(row.result.decimal)}"
        )
        return f"{verb}: {_short(row.exact)} exactly"
    if row.local > 2:
        verb = "underflows to 0" if got == 0 else f"off by {_ulps(row, 'local')} ulp by itself"
        return f"{verb}: {_short(row.exact)} exactly"
    if row.amplification >= 4:
        return f"magnifies the error that it is handed {row.amplification:.3g} times"
    mine, last = FORMATS.get(row.result.format or ""), FORMATS.get(rows[-1].result.format or "")
    if mine is not None and last is not None and mine.precision < last.precision:
        return f"rounds to {mine.name}, not to {last.name}"
    other = next((later for later in rows[marked + 1 :] if _decides_otherwise(later)), None)
    if other is not None:
        return f"off by {_ulps(row, 'local')} ulp, which turns {_called(other)}"
    return f"off by {_ulps(row, 'local')} ulp by itself"


def _decides_otherwise(row: Traced) -> bool:
    """Whether a comparison answers otherwise than exact numbers would have it."""
    decided = row.result.format is None and row.exact is not None
    return decided and _number(row.result.decimal) != _number(str(row.exact))


def _row(row: Traced) -> tuple[str, ...]:
    line = row.line
    return (
        "  >" if row.marked else "   ",
        PHASES[row.phase],
        _called(row),
        _short(row.result.decimal),
        "?" if row.exact is None else _short(row.exact),
        _ulps(row, "local"),
        _ulps(row, "amplification"),
        _ulps(row, "accumulated"),
        f"{line.file}:{line.number}" if line else row.kind,
    )


def _ulps(row: Traced, name: str) -> str:
    value: float | None = getattr(row, name)
    if value is not None:
        return f"{value:.3g}"
    return "" if row.amplification is None or row.exact is None else "inf"


def _short(decimal: str) -> str:
    """Six digits, as far as the text is a number of a float's size."""
    value = _number(decimal)
    if math.isnan(value) or (value == 0 and any(c in "123456789" for c in decimal.lower().partition("e")[0])):
        return decimal.removeprefix("-") if decimal.endswith("nan") else decimal
    return decimal if math.isinf(value) else f"{value:.6g}"


def _number(decimal: str) -> float:
    try:
        return float(decimal)
    except ValueError:
        return float(decimal == "True")
