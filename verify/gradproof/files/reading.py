"""Reading files that may be anything: never without end, and every fault of theirs in words."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from gradproof.errors import UsageError
from gradproof.files.destinations import STDOUT, kind_of

DEEPEST: Final = 64
"""Lists and tables within one another; whoever goes through them needs room on Python's stack for each."""

TOO_DEEP: Final = f"it holds values within more than {DEEPEST} others"
TOO_LONG: Final = "it holds a whole number with too many digits"

_GREATEST: Final = int(sys.float_info.max)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """What the regular file at ``path`` holds; OSError as ``open`` raises it, and for what is no regular file.

    A pipe or a device is refused before it is opened: one would wait without end, opening the other does things.
    """
    if kind := kind_of(Path(path).stat().st_mode):
        raise OSError(errno.EINVAL, f"it is {kind} and no regular file", os.fspath(path))
    return Path(path).read_bytes()


def read_text(path: str | os.PathLike[str], what: str, *, stdin: bool = False) -> str:
    """The UTF-8 text of a file; with ``stdin``, ``-`` is standard input. ``what`` names the document in errors.

    Raises UsageError for a file that is missing, unreadable, not regular, or no UTF-8.
    """
    source = Path(path)
    try:
        content = sys.stdin.buffer.read() if stdin and os.fspath(path) == STDOUT else read_bytes(path)
    except (OSError, ValueError) as fault:  # ValueError: a path with a null character
        why = getattr(fault, "strerror", None) or fault
        raise UsageError(f"expected {what} at {source}, but it cannot be read: {why}") from fault
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise UsageError(f"expected {what} in UTF-8, got bytes that are not: {source}") from fault


def parsed_json(text: str) -> Any:
    """The JSON value of ``text``. ValueError says what is wrong with it, as in ``its JSON breaks at line 3``.

    NaN and infinities, which Python's parser lets through, are no JSON. Numbers too long to be read and values
    within too many others are refused as well.
    """
    if not text.strip():
        raise ValueError("it is empty")
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as fault:
        raise ValueError(f"its JSON ends or breaks at line {fault.lineno}") from fault
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except ValueError as fault:  # a constant of ours, or more digits than Python reads
        raise ValueError(f"its JSON holds {fault}" if "digits" not in str(fault) else TOO_LONG) from None
    return value


def parsed_toml(text: str) -> dict[str, Any]:
    """The TOML document of ``text``; ValueError says what is wrong with it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise ValueError(str(fault)) from fault
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except ValueError:
        raise ValueError(TOO_LONG) from None
    return document


def unfit(value: Any, where: str = "", depth: int = 0, *, finite: bool = True) -> Iterator[tuple[str, str]]:
    """Places within a parsed document that no reader can be asked to bear, each with what is wrong there.

    Values within more than DEEPEST others, whole numbers that no float holds and, if ``finite``, infinite ones.
    """
    if depth > DEEPEST:
        yield where, TOO_DEEP
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from unfit(item, f"{where}.{key}" if where else key, depth + 1, finite=finite)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unfit(item, f"{where}[{index}]", depth + 1, finite=finite)
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > _GREATEST:
        yield where, TOO_LONG
    elif finite and isinstance(value, float) and not math.isfinite(value):
        yield where, "expected a finite number"


def shortened(value: object, most: int = 80) -> str:
    """What a file or a user said, as it is repeated in an error: in at most so many characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # more digits than Python writes, or too deep
        text = f"{type(value).__name__} too large to show"
    return text if len(text) < most else text[: most - 3] + "..."


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is no JSON")
