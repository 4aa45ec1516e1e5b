"""Text that others gave (names, reasons, what a file says) made fit to be stored and to be shown.

Nothing here knows a medium. What a medium takes for markup is escaped by its own writer, on top of ``visible``.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final, TypeVar

T = TypeVar("T")

_BREAKS: Final = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
"""Characters that end a line somewhere, and the tabulator."""

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f"  # what terminals take for commands
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the order of the text around it
    "\U000e0000-\U000e007f"  # tags, which nobody sees
    "\ud800-\udfff]"  # halves of a pair, which no file holds
)


def visible(text: str, *, lines: bool = False) -> str:
    r"""``text`` with nothing in it that a terminal or a page obeys rather than shows.

    Control characters, bidirectional overrides and lone surrogates come as backslash escapes (``\x1b``,
    ``\u202e``). Line ends become spaces, so that one line stays one; with ``lines`` they stay.
    """
    if text.isascii() and text.isprintable():  # nearly all there is
        return text
    broken = text.replace("\r\n", "\n") if lines else _BREAKS.sub(" ", text)
    return _UNSEEN.sub(_escaped, _BREAKS.sub(_kept, broken) if lines else broken)


def storable(value: T) -> T:
    r"""``value`` with every lone surrogate in its texts as a backslash escape: ``\udcff`` in six characters.

    Python makes them of a file's name that is no UTF-8, and of what a callable likes to say; UTF-8 cannot hold them.
    Goes through lists, tuples, dicts (keys too) and dataclasses; what holds none comes back as it is.
    """
    return _storable(value)  # type: ignore[no-any-return]  # of the same type: only texts change


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_storable(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        changed = {name: new for name, old in held.items() if (new := _storable(old)) != old}
        return dataclasses.replace(value, **changed) if changed else value
    return value


def _kept(found: re.Match[str]) -> str:
    """A line end that every medium has, or the space in place of another."""
    return found[0] if found[0] in "\n\t" else " "


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
