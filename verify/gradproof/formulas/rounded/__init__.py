"""The rounded context: intervals of what a format's arithmetic may give. See docs/formulas.md."""

from gradproof.formulas.rounded.arithmetic import Arithmetic, Style, Subnormals, arithmetic
from gradproof.formulas.rounded.context import IdealContext, RoundedContext
from gradproof.formulas.rounded.intervals import Condition, Expression, Rounded
from gradproof.formulas.rounded.libraries import Room

__all__ = [
    "Arithmetic",
    "Condition",
    "Expression",
    "IdealContext",
    "Room",
    "Rounded",
    "RoundedContext",
    "Style",
    "Subnormals",
    "arithmetic",
]
