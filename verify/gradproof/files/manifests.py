"""What finished work was made for and by: one text for one manifest, and how two of them differ, in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

Manifest = Mapping[str, Any]
"""JSON-able: names of things, each with text, numbers, lists, or a manifest of its own."""


def canonical(value: Any) -> str:
    """One text for one value; infinities and NaNs as Python's reader knows them."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def key(manifest: Manifest) -> str:
    """SHA-256 of all that a manifest says, in hexadecimal digits."""
    return hashlib.sha256(canonical(manifest).encode()).hexdigest()


def differences(held: Any, wanted: Manifest) -> list[str]:
    """What a manifest that was read, whatever it is, says otherwise than ``wanted``; one sentence each."""
    return _differences(held, json.loads(canonical(wanted)), "")


def _differences(held: Any, wanted: Manifest, where: str) -> list[str]:
    if not isinstance(held, dict):
        return [f"{where or 'its manifest'} is {held!r} there"]
    found = []
    for name in dict.fromkeys([*wanted, *held]):
        there, here = held.get(name), wanted.get(name)
        if isinstance(here, dict):
            found += _differences(there, here, f"{where}{name} ")
        elif there != here:
            found.append(f"{where}{name} is {_short(there)} there and {_short(here)} here")
    return found


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "everything"
    return f"{value:.12}..." if isinstance(value, str) and len(value) > 40 else f"{value}"
