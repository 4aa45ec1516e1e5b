"""What a ledger holds: deviations and the entries that they explain; and the failures that these are held against."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from packaging.specifiers import SpecifierSet

from gradproof.engine.losses import Loss
from gradproof.engine.property import Violations
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats, Ints

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Deviation:
    """What is known about one deviation of a framework: a line, the reason, where it was reported."""

    id: str
    title: str
    reason: str
    upstream: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One cell that a deviation explains.

    ``regions`` are pairs of bit patterns, both ends included, along the number line (one pattern twice for a
    NaN). ``ceiling`` bounds the error over the cell's bound (inf where a class is wrong). ``witnesses`` are
    inputs that fail. ``versions`` is a PEP 440 range of the framework, ``recorded`` the exact version and
    ``hardware`` the vendors and SIMD levels it was seen on (``AMD AVX2``).
    """

    deviation: str
    backend: str
    versions: SpecifierSet
    recorded: str
    hardware: tuple[str, ...]
    function: str
    params: dict[str, Any]
    modes: tuple[str, ...]
    format: str
    order: int
    property: str
    regions: tuple[tuple[int, int], ...]
    ceiling: float
    witnesses: tuple[int, ...]
    loss: Loss | None = None
    """What it is derived from, if so: it explains on any hardware whatever is within, and nothing must show."""

    @builtins.property  # the field of that name hides the decorator
    def id(self) -> str:
        """Readable identifier, unique within a ledger."""
        params = "".join(f",{k}={v}" for k, v in sorted(self.params.items()))
        return (
            f"{self.deviation}: {self.function}{params} {self.backend} {'/'.join(self.modes)} {self.format} "
            f"order{self.order} {self.property}"
        )

    @builtins.property
    def derived(self) -> bool:
        """Whether it comes from a loss, and not from what some processor showed."""
        return self.loss is not None

    def admits(self, found: Failures) -> Mask:
        """Which of the failures, all within the regions, are no worse than it says: by ``ceiling``, or by its loss.

        A loss knows the error of a result. What a relation between several results comes to it knows less well.
        """
        within: Mask = found.magnitude <= self.ceiling
        if self.loss is None:
            return within
        room = self.loss.room(found.size, get_format(self.format), self.params)
        return np.where(np.isnan(found.absolute), within, found.absolute <= room)


@dataclass(frozen=True)
class Failures:
    """The failing inputs of an outcome, one row each: ordinals, |x|, error over bound, and the error where known."""

    bits: Bits
    ordinals: Ints
    size: Floats
    magnitude: Floats
    absolute: Floats

    @classmethod
    def of(cls, violations: Iterable[Violations], fmt: Format) -> Failures:
        """All of them; ``absolute`` is NaN where the claim is not about the error of one result.

        It is inf where no number came back: an infinity in place of one is no loss of digits, however near.
        """
        rows = list(violations)
        bits = np.concatenate([v.bits for v in rows])
        absolute = [
            np.full(len(v), np.nan) if v.absolute is None else np.where(fa.is_finite(v.got, fmt), v.absolute, np.inf)
            for v in rows
        ]
        magnitude = np.concatenate([v.magnitude for v in rows])
        return cls(bits, fa.ordinals(bits, fmt), np.abs(fa.values(bits, fmt)), magnitude, np.concatenate(absolute))

    def __getitem__(self, rows: Mask) -> Failures:
        return Failures(*(getattr(self, field.name)[rows] for field in fields(self)))
