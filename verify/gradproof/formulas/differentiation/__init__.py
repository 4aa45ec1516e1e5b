"""Derivatives of definitions as reverse-mode AD composes them, rule by rule. See docs/formulas.md."""

from gradproof.formulas.differentiation.gradients import gradient, pushforward, recorded
from gradproof.formulas.differentiation.tape import Rules, Tape

__all__ = ["Rules", "Tape", "gradient", "pushforward", "recorded"]
