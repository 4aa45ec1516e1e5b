"""Hypothesis profiles for tests written beside gradproof's: nothing random, nothing stored, nothing timed."""

from __future__ import annotations

from typing import Final

from hypothesis import settings

EXAMPLES: Final = {"quick": 20, "default": 100, "deep": 1000}


def register_profiles() -> None:
    """Register ``gradproof-quick``, ``gradproof-default`` and ``gradproof-deep``; none is loaded.

    The engine's own searches carry their settings with them and follow no profile.
    """
    for name, examples in EXAMPLES.items():
        settings.register_profile(
            f"gradproof-{name}",
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            print_blob=True,
        )
