"""Derivatives of definitions as reverse-mode AD composes them, rule by rule. See docs/formulas.md."""

from gradproof.formulas.differentiation.tape import Rules, Tape, gradient

__all__ = ["Rules", "Tape", "gradient"]
