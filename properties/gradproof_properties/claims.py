"""The built-in claims in words; the file beside this one ties each to the properties that check it."""

from __future__ import annotations

from pathlib import Path


def path() -> Path:
    """File of the built-in claims (entry point ``gradproof.claims``)."""
    return Path(__file__).with_name("claims.toml")


__all__ = ["path"]
