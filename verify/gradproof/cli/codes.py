"""Exit codes, the same for every command."""

from __future__ import annotations

from typing import Final

OK: Final = 0
FAILED: Final = 1
"""A new failure, or a known deviation that grew or is gone."""
INTERRUPTED: Final = 2
INTERNAL: Final = 3
USAGE: Final = 4
NOTHING: Final = 5
"""Nothing ran."""
