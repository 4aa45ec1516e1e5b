"""What a property is: a named claim with a statement, a domain, a search and a check.

A pack (the built-in ``gradproof_properties`` or a third party's) subclasses ``Property`` and offers the
instances through the entry-point group ``gradproof.properties``. The engine hands ``check`` a ``Probe``: one
implementation in one format and mode, with the oracle beside it; the property answers with an ``Outcome``.
Verdict, certificate, region, cause, ledger and report follow from the outcome and are the engine's work.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from gradproof.formats.arrays import Bits, Floats
from gradproof.results.model import Curve, Evidence

if TYPE_CHECKING:
    from gradproof.engine.subject.probe import Probe
    from gradproof.functions import Function
    from gradproof.functions.function import Kind


@dataclass
class Violations:
    """Inputs at which the claim fails, one row each.

    ``magnitude`` is error over bound (above 1; inf for a class mismatch). ``severity`` holds indices into
    ``results.model.SEVERITIES``. ``felt`` says whether the training contract breaks too. ``got`` holds the
    bits returned at ``bits`` for the order the violation is about.
    """

    bits: Bits
    got: Bits
    magnitude: Floats
    severity: npt.NDArray[np.int8]
    felt: npt.NDArray[np.bool_]
    explanation: str = ""
    """One sentence in the property's own words, about the worst row."""
    cause: str | None = None
    """Cause, where the property knows it better than the engine's classifier."""
    pointwise: bool = True
    """Whether ``got`` is a wrong f^(order)(bits) that the oracle can be asked about directly."""
    absolute: Floats | None = None
    """|got - f^(order)(bits)| where ``got`` is that, in its units (inf for a class mismatch); None where it is not."""

    def __len__(self) -> int:
        return int(self.bits.size)

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> Violations:
        """The rows of a mask of shape (n,)."""
        return replace(
            self, bits=self.bits[rows], got=self.got[rows], magnitude=self.magnitude[rows],
            severity=self.severity[rows], felt=self.felt[rows],
            absolute=None if self.absolute is None else self.absolute[rows],
        )  # fmt: skip


@dataclass
class Outcome:
    """What a check found. No violations and at least one judged point is a pass; nothing judged never is."""

    evidence: Evidence
    violations: list[Violations] = field(default_factory=list)
    undecided: int = 0
    u_max: float | None = None
    m_max: float | None = None
    abs_max: float | None = None
    magnitude: float | None = None
    """Worst error over bound, failing or not; inf for a class mismatch."""
    worst_bits: int | None = None
    excused: int = 0
    u_max_flushed: float | None = None
    measured: dict[str, Any] = field(default_factory=dict)
    curve: Curve | None = None


class Property(abc.ABC):
    """One claim. Stateless: one instance serves every cell."""

    id: ClassVar[str]
    title: ClassVar[str]
    statement: ClassVar[str]
    """The claim in one or two sentences, with its quantifiers."""
    source: ClassVar[str]
    """Where the claim comes from."""
    orders: ClassVar[tuple[int, ...]] = (0,)
    """The orders a cell of this property can have; most claims that relate several orders use one."""
    modes: ClassVar[tuple[str, ...] | None] = None
    """Modes in which the claim is worth checking; None for all."""

    about_calls: ClassVar[bool] = False
    """Whether the claim compares ways of calling an implementation: layouts, modes, AD paths, formulations."""

    same_in_every_profile: ClassVar[bool] = True
    """Whether a declared deviation that shows in one profile shows in every other. Where it need not, only the default
    and deep profiles can say that one is gone."""

    tries_witnesses: ClassVar[bool] = False
    """Whether ``check`` tries ``probe.witnesses`` beside its own inputs, so that what failed before can be handed in
    again."""

    quick_compiled_formats: ClassVar[tuple[str, ...] | None] = None
    """The formats of the catalogue that the quick profile covers on backends that compile for every shape; None for
    all. For claims about whole networks, whose compilation costs more than the check."""

    functions: frozenset[str] | None = None
    """The functions that the claim names; None where ``applies`` says all."""

    about: ClassVar[Kind] = "value"
    """What the claim is about: values and derivatives of functions, or one kind of conversion between formats."""

    def concerns(self, function: Function, order: int) -> bool:
        """Whether a cell is planned: kinds of conversions and functions apart, then ``applies``."""
        return self.about == function.kind and self.applies(function, order)

    def applies(self, function: Function, order: int) -> bool:
        """Whether the claim says anything about this function at this order."""
        return True

    @abc.abstractmethod
    def check(self, probe: Probe, order: int) -> Outcome:
        """Check the claim on one cell.

        Raises Unsupported, ImplementationFault and BackendUnavailable through; the engine turns them into
        the cell's status.
        """
