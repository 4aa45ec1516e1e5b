"""The ledger of known deviations: TOML files, one per framework, and a tool that drafts them."""

from __future__ import annotations

from pathlib import Path


def directory() -> Path:
    """Folder of the built-in ledger files (entry point ``gradproof.ledgers``)."""
    return Path(__file__).parent


__all__ = ["directory"]
