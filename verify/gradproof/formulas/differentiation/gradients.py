"""Definitions of derivatives, and of values as a framework calculates them, from a definition and its rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradproof.formulas.differentiation.tape import Definition, Rules, Tape, Variable


def gradient(definition: Definition, rules: Rules) -> Definition:
    """The definition of the derivative by x, as reverse mode computes it under ``rules``."""
    return _derived(definition, rules, Tape.backward)


def pushforward(definition: Definition, rules: Rules) -> Definition:
    """The definition of the derivative by x, as forward mode computes it under ``rules``."""
    return _derived(definition, rules, Tape.forward)


def _derived(definition: Definition, rules: Rules, mode: Callable[[Tape, Any, Variable], Any]) -> Definition:
    def derived(m: Any, x: Any, **params: Any) -> Any:
        tape = Tape(m, rules)
        leaf = tape.variable(x)
        return mode(tape, definition(tape, leaf, **params), leaf)

    return derived


def recorded(definition: Definition, rules: Rules) -> Definition:
    """The definition itself as it is calculated under ``rules``."""

    def value(m: Any, x: Any, **params: Any) -> Any:
        tape = Tape(m, rules)
        found = definition(tape, tape.variable(x), **params)
        return found.value if isinstance(found, Variable) else found

    return value
