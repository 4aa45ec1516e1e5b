"""The detection matrix: what gradproof and the tools beside it catch, miss and flag falsely, for how many seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.faults.judging import Answer

SETTINGS = {
    "torch gradcheck": "torch, f'",
    "torch gradgradcheck": "torch, f'', where the corpus asks for order 2",
    "jax check_grads": "jax, f' and f''",
    "torch assert_close": "torch and NumPy, f and f', where torch has the function",
    "numpy assert_allclose": "all, f and f', where the framework (torch for NumPy) has the function",
    "mpmath, 4 ulp": "all, f",
}
"""Tool -> what it takes: frameworks and orders."""
NOTES = (
    "Each tool with its defaults, but: `gradcheck` gets 20 normal numbers in float64, as its documentation asks, with "
    "forward mode (where it is offered) and both batched checks switched on; `gradgradcheck` likewise with forward "
    "over reverse; `check_grads` gets 20 normal numbers in float32, order 2, forward and reverse mode (reverse alone "
    "where a `custom_vjp` offers no other). The two assertions compare f and f' on 1000 normal numbers with the "
    "framework's own function, in each declared format; NumPy, which has no activations, is lent those of torch. "
    "`mpmath` compares f with mpmath at 200 or more bits, at 200 numbers evenly from -20 to 20 and 100 normal ones, "
    "and flags beyond 4 ulp; so do tools like ulpwise, with lists of functions of their own. The seed is fixed. An "
    "exception of the implementation under a tool counts as caught. "
    "The checks by finite differences hold a derivative against the implementation's own values: a wrong value with "
    "the derivative that belongs to it they cannot see, and do not claim to; it counts as missed here. The assertions "
    "flag right implementations where the framework's own function is the less accurate one, or differs by an ulp."
)
NOT_RUN = (
    "Not run: TorchCTS 0.4.1. It tests the operators of a PyTorch backend, which a manifest names by its device, and "
    "takes no callable; besides, it needs torch before 2.12.2."
)


def matrix(kept: Mapping[str, Any], answers: Sequence[Answer]) -> list[str]:
    """The section with one row per tool; none where the neighbours were not run."""
    if "neighbours" not in kept:
        return []
    told, quick = kept["neighbours"], kept["gradproof"]
    rows: Mapping[str, Any] = told["rows"]
    alarms = quick["alarms"]
    flagged = sum(map(bool, alarms.values()))
    lines = [
        "## Beside other tools",
        "",
        f"The tools were run at {told['commit']} on {told['environment']}.",
        "",
        NOTES,
        "",
        NOT_RUN,
        "",
        "| tool | takes | faults it takes | caught | missed | right ones flagged | CPU seconds |",
        "|---|---|---|---|---|---|---|",
        _row(
            "gradproof, quick",
            "all, f, f' and, where asked, f''",
            len(answers),
            sum(a.caught for a in answers),
            f"{flagged} of {len(alarms)}",
            quick["cpu"],
        ),
        *(_tool(name, takes, rows, [a.name for a in answers], list(alarms)) for name, takes in SETTINGS.items()),
        "",
    ]
    if "default" in kept:
        seen = kept["default"]["caught"]
        lines += [
            "The profile default was run over what quick misses, by the claim that looks there (`accuracy`, "
            "`consistency`), and over nothing else: "
            + "; ".join(f"`{name}` is {'caught' if caught else 'missed'}" for name, caught in seen.items())
            + f" (at {kept['default']['commit']}).",
            "",
        ]
    return lines


def _tool(name: str, takes: str, rows: Mapping[str, Any], faults: Iterable[str], right: Iterable[str]) -> str:
    on_faults, on_right = _asked(name, rows, faults), _asked(name, rows, right)
    caught = sum(a["flags"] for a in on_faults)
    flags = sum(a["flags"] for a in on_right)
    seconds = sum(a["seconds"] for a in (*on_faults, *on_right))
    return _row(name, takes, len(on_faults), caught, f"{flags} of {len(on_right)}", seconds)


def _row(name: str, takes: str, faults: int, caught: int, flagged: str, seconds: float) -> str:
    return f"| {name} | {takes} | {faults} | {caught} | {faults - caught} | {flagged} | {seconds:.0f} |"


def _asked(tool: str, rows: Mapping[str, Any], names: Iterable[str]) -> list[Mapping[str, Any]]:
    """The answers of a tool about those of ``names`` that it takes and gave an answer for."""
    return [rows[name][tool] for name in names if rows.get(name) and tool in rows[name]]


def per_fault(kept: Mapping[str, Any], answers: Sequence[Answer]) -> list[str]:
    """The section with one row per fault and one column per tool."""
    if "neighbours" not in kept:
        return []
    rows = kept["neighbours"]["rows"]
    return [
        "## Every fault under every tool",
        "",
        f"| implementation | gradproof, quick | {' | '.join(SETTINGS)} |",
        "|---|---|" + "---|" * len(SETTINGS),
        *(
            f"| `{a.name}` | {_word({'flags': a.caught})} | "
            + " | ".join(_cell(rows.get(a.name), tool) for tool in SETTINGS)
            + " |"
            for a in answers
        ),
    ]


def _cell(row: Mapping[str, Any] | None, tool: str) -> str:
    if row is None:
        return "no answer"
    return _word(row[tool]) if tool in row else "n/a"


def _word(answer: Mapping[str, Any]) -> str:
    return "caught" if answer["flags"] else "missed"
