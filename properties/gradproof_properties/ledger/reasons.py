"""Which deviation explains a failing cell: titles, reasons and upstream threads, written by hand.

The first rule that matches names the deviation. Whatever no rule matches gets a deviation of its own, named after
function, order and cause, with the generic reason of that cause: a maintainer replaces it once understood.
"""

from __future__ import annotations

from gradproof.extend import Deviation, Task
from gradproof_properties.ledger import rules_jax, rules_numpy, rules_torch
from gradproof_properties.ledger.rule import Rule

RULES: tuple[Rule, ...] = (*rules_torch.RULES, *rules_jax.RULES, *rules_numpy.RULES)

GENERIC = {
    "flush": "A result that is due below or next to the subnormal numbers comes back as 0.",
    "cancellation": "Quantities of size 1 are subtracted: the absolute error is theirs, the relative error all of it.",
    "intermediate-overflow": "An intermediate result overflows (or is 0 * inf) although the final one is finite.",
    "early-saturation": "A factor reaches its limit before the exact result does.",
    "wrong-branch": "The value is that of a neighbouring piece of the function.",
    "convention": "Several ways to ask for the derivative at the kink give several answers.",
    "class-mismatch": "NaN, infinity or a number where another class is due.",
    "rounding": "Several roundings add up beyond the contract.",
    "wrong-value": "The result is another number than the function's.",
    "fault": "The implementation broke its contract.",
    "statistics": "A measured frequency contradicts its exact probability.",
}


def deviation_for(task: Task, cause: str, explanation: str) -> Deviation:
    """The deviation that explains the failing cell of ``task``."""
    for rule in RULES:
        if rule.matches(task):
            return rule.deviation()
    name = task.backend.partition(":")[0]
    key = f"{name}-{task.function.name}-order{task.order}-{cause}"
    return Deviation(key, f"{task.function.name}, order {task.order}: {cause}", explanation or GENERIC[cause])
