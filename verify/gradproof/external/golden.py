"""Published golden values: a CSV or JSON file of inputs and what is said to be right there.

Numbers come as decimal text, as C99 hexadecimal (``0x1.8p+0``), or as bit patterns (``0x3fc0``). Which one a column
holds is declared, or recognised: hexadecimal with a ``p`` is a number, other text that begins with ``0x`` a pattern.
Decimal text is rounded once to the format, exactly; how many inputs that moved is told.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

from gradproof.errors import UsageError
from gradproof.files.reading import read_text, shortened
from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage

NOTATIONS: Final = ("auto", "decimal", "hex", "bits")
COLUMNS: Final = (("x", "input", "in", "inputs"), ("y", "output", "out", "expected", "golden", "outputs"))
"""Names by which the two columns are recognised, in any case."""


@dataclass(frozen=True)
class Golden:
    """The rows of a golden file as bit patterns of shape (n,); ``lines`` say where each stands, in words."""

    inputs: Bits
    outputs: Bits
    lines: tuple[str, ...]
    moved: int
    """Inputs that are no number of the format as they are written."""


def read_golden(path: str, fmt: Format, columns: Sequence[str] = (), notation: str = "auto") -> Golden:
    """The rows of the CSV or JSON file at ``path``.

    A CSV file has a header, or two columns; JSON is a list of pairs, a list of objects, or an object of two lists.
    ``columns`` names input and output. Raises UsageError that names the row for what is no number of any notation.
    """
    text = read_text(path, "golden values", stdin=True)
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".json", "") or (suffix == "" and path != "-"):
        raise UsageError(f"expected golden values as .csv or .json, or - for either on standard input, got {path!r}")
    is_json = suffix == ".json" or (not suffix and text.lstrip()[:1] in ("[", "{"))
    rows = _of_json(text, path, columns) if is_json else _of_csv(text, path, columns)
    if not rows:
        raise UsageError(f"expected golden values in {path}, got no row")
    inputs, outputs, moved = [], [], 0
    for line, x, y in rows:
        bits, exact = parsed(x, fmt, notation, f"{path}, {line}, input")
        inputs.append(bits)
        outputs.append(parsed(y, fmt, notation, f"{path}, {line}, output")[0])
        moved += not exact
    dtype = storage(fmt)
    return Golden(np.array(inputs, dtype), np.array(outputs, dtype), tuple(line for line, _, _ in rows), moved)


def parsed(text: str, fmt: Format, notation: str, where: str) -> tuple[int, bool]:
    """The bit pattern that ``text`` stands for, and whether that is its exact value. UsageError says ``where``."""
    word = text.strip().lower()
    sign, plain = (word[0], word[1:]) if word[:1] in ("-", "+") else ("", word)
    hexadecimal = plain.startswith("0x")
    kind = notation if notation != "auto" else "hex" if hexadecimal and "p" in plain else "bits" if hexadecimal else ""
    try:
        if kind == "bits":
            digits = word if hexadecimal else f"0x{word}"
            return fmt.parse_bits(digits), True
        if plain in ("nan", "inf", "infinity"):
            return _special(plain, fmt, sign == "-"), True
        value = _hex(plain) if kind == "hex" else Fraction(plain)
    except (ValueError, ZeroDivisionError, UsageError):
        _refused(text, fmt, notation, where)
    bits = fmt.round(value) | (fmt.sign_bit if sign == "-" else 0)
    return bits, fmt.is_finite(bits) and abs(fmt.value(bits)) == value


def _special(word: str, fmt: Format, negative: bool) -> int:
    bits = fmt.nan_bits if word == "nan" else fmt.overflow_bits
    return bits | (fmt.sign_bit if negative else 0)


def _hex(word: str) -> Fraction:
    """C99 hexadecimal as an exact number: float.fromhex would round long ones."""
    digits, _, exponent = word.removeprefix("0x").partition("p")
    whole, _, part = digits.partition(".")
    power = int(exponent or "0") - 4 * len(part)
    if abs(power) > 1 << 16:
        raise ValueError("an exponent beyond all formats")
    return Fraction(int(whole + part, 16)) * Fraction(2) ** power


def _refused(text: str, fmt: Format, notation: str, where: str) -> NoReturn:
    wanted = {
        "auto": f"a number such as 0.5, 0x1p-1 or the bits {fmt.bits_text(fmt.max_bits)}",
        "decimal": "a decimal number such as 0.5",
        "hex": "a hexadecimal number such as 0x1.8p-1",
        "bits": f"a bit pattern of {fmt.name} such as {fmt.bits_text(fmt.max_bits)}",
    }[notation]
    raise UsageError(f"{where}: expected {wanted}, got {shortened(text)}")


def _of_csv(text: str, path: str, columns: Sequence[str]) -> list[tuple[str, str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    try:
        dialect = csv.Sniffer().sniff("\n".join(lines[:20]), ",;\t ")
    except csv.Error:
        dialect = csv.excel
    numbered = [
        (n, row)
        for n, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
        for row in csv.reader(io.StringIO(line), dialect, skipinitialspace=True)
    ]
    if not numbered:
        return []
    head = [cell.strip() for cell in numbered[0][1]]
    named = bool(columns) or any(cell.lower() in names for cell in head for names in COLUMNS)
    at = _places(head, columns, path) if named else (0, 1)
    found = []
    for n, row in numbered[1 if named else 0 :]:
        if len(row) <= max(at):
            raise UsageError(f"{path}, line {n}: expected an input and an output, got {shortened(','.join(row))}")
        found.append((f"line {n}", row[at[0]], row[at[1]]))
    return found


def _places(head: Sequence[str], columns: Sequence[str], path: str) -> tuple[int, int]:
    """Which columns of a header hold the inputs and the outputs."""
    names = [cell.lower() for cell in head]
    wanted = [(name.lower(),) for name in columns] or COLUMNS
    found = [next((names.index(name) for name in some if name in names), -1) for some in wanted]
    if len(found) != 2 or -1 in found:
        asked = ", ".join(columns) or "x and y"
        raise UsageError(f"expected the columns {asked} in {path}, got {', '.join(head)}; name them with --columns x,y")
    return found[0], found[1]


def _of_json(text: str, path: str, columns: Sequence[str]) -> list[tuple[str, str, str]]:
    try:
        # Numbers stay the text that they are, so that nothing is rounded twice; NaN and infinities may stand bare.
        data = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as fault:
        raise UsageError(f"expected golden values as JSON in {path}, which breaks: {fault}") from fault
    if isinstance(data, Mapping):
        names = list(map(str, data))
        x, y = (data[names[i]] for i in _places(names, columns, path))
        if not (isinstance(x, list) and isinstance(y, list) and len(x) == len(y)):
            raise UsageError(f"expected two lists of one length in {path}, for inputs and for outputs")
        return [(f"number {n}", *_texts((a, b), path, n)) for n, (a, b) in enumerate(zip(x, y, strict=True))]
    if not isinstance(data, list):
        raise UsageError(f"expected golden values in {path} as a list or an object, got {shortened(data)}")
    return [(f"number {n}", *_texts(_pair(row, columns, path, n), path, n)) for n, row in enumerate(data)]


def _pair(row: Any, columns: Sequence[str], path: str, n: int) -> tuple[Any, Any]:
    if isinstance(row, Mapping):
        names = list(map(str, row))
        at = _places(names, columns, f"{path}, number {n}")
        return row[names[at[0]]], row[names[at[1]]]
    if isinstance(row, list) and len(row) == 2:
        return row[0], row[1]
    raise UsageError(f"{path}, number {n}: expected an input and an output, got {shortened(row)}")


def _texts(pair: tuple[Any, Any], path: str, n: int) -> tuple[str, str]:
    for value in pair:
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"{path}, number {n}: expected numbers, got {shortened(value)}")
    return pair
