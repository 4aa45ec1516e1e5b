"""Pictures of the claims."""

from __future__ import annotations

from gradproof.extend import RunResult


def pictures(result: RunResult) -> dict[str, str]:
    """By claim."""
    return {}
