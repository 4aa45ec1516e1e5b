"""What a backend is asked about and answers with, beside bits: implementations, calls, traits, availability."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gradproof.formats.arrays import Bits
from gradproof.functions import Function, get_function


@dataclass(frozen=True)
class Availability:
    """Whether a backend, or one of its modes, can be used here; ``reason`` says why not and what it would take."""

    available: bool
    reason: str = ""
    tool: str = ""
    """What it works with beside the framework, such as the compiler of the mode ``compiled`` with its version."""


@dataclass(frozen=True)
class Traits:
    """Probed facts about one (backend, device, format)."""

    flushes_results: bool
    """FTZ: a subnormal result comes back as zero."""
    zeros_inputs: bool
    """DAZ: a subnormal input is read as zero."""


class GivenInputs(Protocol):
    """The only inputs at which an implementation has results, as those that were written to a file."""

    @property
    def complete(self) -> bool:
        """Whether they are every bit pattern of the format."""

    def holds(self, bits: Bits) -> npt.NDArray[np.bool_]:
        """Which of ``bits``, of shape (n,), are among them."""

    def some(self, most: int) -> Bits:
        """Each of them once, in growing order; of more than ``most`` so many, evenly chosen."""

    def parts(self, size: int) -> Iterator[Bits]:
        """All of them, at most ``size`` at a time."""


@dataclass(frozen=True)
class Implementation:
    """A callable on one backend that claims to compute a function.

    ``call`` takes the array alone and returns an array of the same shape and format (see ``narrows_to`` for
    conversions). ``derivatives`` are
    the callables for f', f'' where the backend has no AD (NumPy) or where the user hands them in.
    ``name`` is the dotted name of a framework's function, ``<file stem>:<callable>`` for user code.
    ``specification`` is the function that is meant; its name alone stands in the results file.
    """

    function: str
    """Name of the function."""
    backend: str
    name: str
    call: Callable[[Any], Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    derivatives: tuple[Callable[[Any], Any], ...] = ()
    formats: tuple[str, ...] | None = None
    """Formats the implementation claims; None for whatever the backend holds."""
    user: bool = False
    """Handed in by a user: an exception is a fault of the implementation, not a missing feature."""
    contract: str | None = None
    """Name of the contract it is held to, whatever the run's; None for the run's."""
    terms: Any = None
    """The contract itself (``measure.Contract``) as its author defined it; None for the one of that name, or the run's.
    """
    known: tuple[Any, ...] = ()
    """The deviations that its author declares (``engine.known``)."""
    device: str | None = None
    """The one device it runs on; None for whatever its backend offers."""
    narrows_to: str | None = None
    """The format that a conversion rounds to: its results may come in that one as well as in the input's."""
    variants: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    """The same function by another signature: ``in-place`` writes the result into its argument and returns it,
    ``out`` takes the array to write into as the keyword ``out``."""
    declared: Function | None = None
    """The function that it was declared with, its parameters bound; None for the installed one of that name."""
    file: str | None = None
    """The user's file that registers it, as it was given; None for a framework's own."""
    traits: Traits | None = None
    """What the device flushes that it runs on, as declared; None for what is probed on its backend, or inferred."""
    inputs: GivenInputs | None = None
    """The only inputs at which it can be asked; None where it computes."""

    @property
    def specification(self) -> Function:
        """The function that it claims to compute, its parameters bound.

        Raises UsageError where none of that name, or with such parameters, is known.
        """
        return self.declared or get_function(self.function, self.params)


@dataclass(frozen=True)
class Call:
    """How an implementation is called: the mode, the order of the derivative and the AD path."""

    order: int = 0
    mode: str = "eager"
    path: str = "reverse"
    """``reverse`` or ``forward``; order 2 is reverse over reverse, or forward over reverse."""
    layout: str = "contiguous"
    """One of ``backends.layouts.LAYOUTS``, as far as ``Backend.layouts`` offers it."""
    cotangent: float = 1.0
    """What order 1 by the path reverse starts from, one for all elements; exact in the format."""
    unequal: bool = False
    """Whether every second element's cotangent is twice that."""
