"""A deviation: what is known to be wrong in a released framework, and what explains the results that show it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Literal

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from gradproof.engine.ledger.fence import Fence

At = Literal["kinks", "zeros", "nan"]
ATS: Final[tuple[At, ...]] = ("kinks", "zeros", "nan")

UNCHANGED: Final = "unchanged"
"""In place of a format, where a conversion hands back its input."""
UNDERFLOW: Final = "underflow"
"""In place of a format, where what is below the least number of an unsigned format becomes a NaN, as zero may."""
LEAST_SCALE: Final = "least-scale"
"""In place of a format, where what lies between the two least numbers of an unsigned format becomes the greater one."""


@dataclass(frozen=True)
class Deviation:
    """One deviation of ``backend`` (a framework's name, on any device) in the ``versions`` of a PEP 440 range.

    What explains a failing result, any of:

    * ``formulas``, identifiers ``function/name/order`` of ``gradproof.formulas``: the result is one that the formula
      may give in the format's own arithmetic. The functions of formulas are those that it is about.
    * ``compiled`` and ``forward``, formulas likewise, for one way of calling: those of loops that a compiler fuses, in
      every mode but ``eager``; those of forward mode. Claims about single results meet reverse mode in the cell's own
      mode; claims about ways of calling meet them all.
    * ``at``, a convention at single inputs of ``functions`` in the cells of ``claims``: ``kinks``, the function's
      breakpoints; ``zeros``, a zero input whose result is a zero; ``nan``, a NaN input.
    * ``through``, the second rounding of a conversion among ``functions``: the result is the input rounded to that
      format first; or the input itself, ``unchanged``; or the second number of an unsigned format, for inputs between
      that and the first, ``least-scale``, or a NaN for those below, ``underflow``.
    * ``fences``, for ``functions``: regions with a ceiling where nothing better is known; counted as such.

    A claim that relates several results is explained where it holds once the explained results that break the contract
    have their true values; one of ``relations`` where it holds once all results of the formulas have. Empty ``modes``,
    ``formats``, ``orders`` and ``claims`` narrow nothing. ``recorded`` is the version and ``hardware`` the processors
    on which it must show in a run of everything, or is gone.
    """

    id: str
    title: str
    reason: str
    upstream: tuple[str, ...] = ()
    backend: str = ""
    versions: SpecifierSet = field(default_factory=SpecifierSet)
    recorded: str = ""
    hardware: tuple[str, ...] = ()
    formulas: tuple[str, ...] = ()
    compiled: tuple[str, ...] = ()
    forward: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    at: At | None = None
    through: tuple[str, ...] = ()
    fences: tuple[Fence, ...] = ()
    relations: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    orders: tuple[int, ...] = ()

    @property
    def about(self) -> frozenset[str]:
        """Names of the functions that it is about."""
        return frozenset((*self.functions, *(formula.partition("/")[0] for formula in self.every_formula)))

    @property
    def every_formula(self) -> tuple[str, ...]:
        """The formulas of every way of calling."""
        return (*self.formulas, *self.compiled, *self.forward)

    def called(self, mode: str, *, every_way: bool) -> Deviation:
        """What it is in one mode, or where ``every_way`` of calling is met: ``formulas`` are those in force there."""
        held = self.every_formula if every_way else self.formulas + (() if mode == "eager" else self.compiled)
        return replace(self, formulas=held, compiled=(), forward=())

    @property
    def explains(self) -> bool:
        """Whether there is anything that explains a result."""
        return bool(self.every_formula or self.at or self.through or self.fences)

    def in_force(self, backend: str, version: str, mode: str) -> bool:
        """Whether it is about this backend (a name or ``name:device``), version and mode."""
        held = backend.partition(":")[0] == self.backend and (not self.modes or mode in self.modes)
        return held and covers(self.versions, version)


def covers(versions: SpecifierSet, version: str) -> bool:
    """Whether a version lies in a range; a local build tag (2.13.0+cpu) does not leave the range its release is in."""
    try:
        return versions.contains(Version(version).public, prereleases=True)
    except InvalidVersion:
        return False
