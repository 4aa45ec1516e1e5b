"""The lines of the terminal summary."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gradproof.results.model import STATUSES

TROUBLE = ("grown", "gone", "stale")


def summary(verdicts: list[dict[str, Any]]) -> list[str]:
    """Counts by status, what needs attention first, then the ledger entries that are out of date."""
    counts = Counter(v["cell"]["status"] for v in verdicts)
    told = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    total = sum(counts.values())
    lines = [f"{total} {'cell' if total == 1 else 'cells'}: {told}"]
    states = [state for verdict in verdicts for state in verdict["ledger"] if state["state"] in TROUBLE]
    return lines + [f"ledger: {s['state']}: {s['entry']}: {s['detail']}" for s in states]
