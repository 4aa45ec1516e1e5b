"""TOML files of some size, kept as JSON: tomllib takes 0.2 s for the ledger, in each process that reads it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from typing import Any

from gradproof.cache.entries import kept


def loads(text: str) -> dict[str, Any]:
    """What ``tomllib.loads`` answers, but with dates and times as text. Raises tomllib.TOMLDecodeError as it does."""
    key = {"toml": hashlib.sha256(text.encode()).hexdigest()}
    document: dict[str, Any] = json.loads(
        kept("toml", key, lambda: json.dumps(tomllib.loads(text), default=str).encode())
    )
    return document
