"""What the shards of one target share: the implementation as it is called, and the oracle beside it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, cached_property, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.backends.base import Call
from gradproof.engine.ledger.explained import NONE, Explainer
from gradproof.engine.ledger.ledger import Ledger
from gradproof.engine.properties.installed import ledger_directories
from gradproof.engine.properties.property import Violations
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.engine.surroundings.environment import surroundings
from gradproof.errors import Unsupported
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.measure import Judgement
from gradproof.oracle import Reference
from gradproof.sweep.judging.directions import Section, sections
from gradproof.sweep.judging.implementations import resolve
from gradproof.sweep.plan import Target

FINITE_CLAIM: Final = "accuracy"
OTHER_CLAIM: Final = "special-values"
"""What a run claims of single results, at finite inputs and at the others."""
LOOKED_AT: Final = 1 << 16
"""Of results that were made elsewhere, how many inputs part the intervals of those that fail."""


@cache
def installed_ledger() -> Ledger:
    """The ledgers of the installed packs."""
    return Ledger.read(ledger_directories())


@lru_cache(maxsize=4)
def subject(target: Target) -> Subject:
    """Everything that the shards of a target share, made once per process."""
    return Subject(target)


class Subject:
    """One implementation in one format, mode and order, with its oracle."""

    def __init__(self, target: Target) -> None:
        self.target = target
        function, implementation = resolve(target)
        task = Task(function, implementation, target.backend, target.mode, target.format, target.order, "sweep")
        self.probe = Probe(task, Selection(contract=target.contract), most=LOOKED_AT)
        self.order = order = target.order
        self.probe.require(order)
        if function.rounds_to is not None:
            raise Unsupported(f"{function.label} is a conversion; sweeps are about functions")
        self.asymptotes = self.probe.asymptotes(order)
        self.parity = 0
        """f^(order)(-x) is this times f^(order)(x); 0 where the function has no such symmetry."""
        if function.odd or function.even:
            self.parity = -1 if function.odd == (order % 2 == 0) else 1
        self._sections: dict[bool, list[Section]] = {}
        backend = self.probe.backend
        self.on_device = backend.keeps_results and self.probe.format.width == 32
        """Whether results stay where they were made; NumPy or the compiled loop take the others."""

        self.open_to = backend.open_to(implementation, self.probe.format)
        """What results depend on beside their inputs (``Backend.open_to``); empty where they are settled."""

    @cached_property
    def other(self) -> Subject | None:
        """The same implementation in the mode that it is compared with; None for no comparison."""
        target = self.target
        return None if target.against is None else subject(replace(target, mode=target.against, against=None))

    def evaluate(self, bits: Bits) -> Bits:
        """What the implementation returns; of an enclosure the end farther from the exact value."""
        if not self.open_to:
            return self.probe.evaluate(bits, self.order)
        low, high = self.enclosure(bits)
        errors = [self.judge(bits, end)[1].magnitude for end in (low, high)]
        return np.where(np.nan_to_num(errors[1], nan=-1.0) > np.nan_to_num(errors[0], nan=-1.0), high, low)

    def enclosure(self, bits: Bits) -> tuple[Bits, Bits]:
        """The least and the greatest result that are possible."""
        probe = self.probe
        call = Call(order=self.order, mode=probe.mode, path=probe.paths[0])
        return probe.backend.enclosure(probe.implementation, bits, probe.format, call)

    def holds(self, *bits: int) -> bool:
        """Whether there are results at all of these patterns: those that were made elsewhere may be of some alone."""
        inputs = self.probe.implementation.inputs
        return inputs is None or bool(inputs.holds(np.array(bits, fa.storage(self.probe.format))).all())

    def task(self, claim: str) -> Task:
        """The task of a run that judges ``claim`` about the target."""
        target = self.target
        return Task(
            self.probe.function, self.probe.implementation, target.backend, target.mode, target.format, target.order,
            claim,
        )  # fmt: skip

    @cached_property
    def explainers(self) -> dict[str, Explainer]:
        """The known deviations, by the claim that a run makes of finite inputs and of the others."""
        here = surroundings([self.target.backend])
        return {
            claim: Explainer(claim, installed_ledger().about(self.task(claim), here))
            for claim in (FINITE_CLAIM, OTHER_CLAIM)
        }

    def unexplained(self, bits: Bits, got: Bits) -> npt.NDArray[np.bool_]:
        """Which of the failing results ``got`` at ``bits``, of shape (n,), no known deviation explains."""
        found = np.zeros(bits.size, bool)
        finite = fa.is_finite(bits, self.probe.format)
        for claim, mine in ((FINITE_CLAIM, finite), (OTHER_CLAIM, ~finite)):
            explainer, rows = self.explainers[claim], np.flatnonzero(mine)
            if explainer.deviations and rows.size:
                judged = self.judge(bits[rows], got[rows])[1] if any(d.fences for d in explainer.deviations) else None
                magnitude = np.ones(rows.size) if judged is None else judged.magnitude
                failing = Violations(
                    bits[rows], got[rows], magnitude, np.zeros(rows.size, np.int8), np.zeros(rows.size, bool)
                )
                found[rows] = explainer.violations(self.probe, self.order, failing) == NONE
        return found

    def sections(self, *, negative: bool) -> list[Section]:
        """Where the order of neighbouring results is known; nothing is declared of derivatives."""
        if self.order:
            return []
        if negative not in self._sections:
            self._sections[negative] = sections(self.probe.function, self.probe.format, negative=negative)
        return self._sections[negative]

    def references(self, bits: Bits, precise: bool = False) -> Reference:
        """The exact values at inputs of shape (n,), as the oracle's references; to 100 bits if ``precise``."""
        return self.probe.oracle.references(bits, self.probe.format, precise=precise)[self.order]

    def judge(self, bits: Bits, got: Bits, *, precise: bool = False) -> tuple[Reference, Judgement]:
        """The oracle's references and the judgement of results of shape (n,)."""
        reference = self.references(bits, precise)
        return reference, self.probe.judge(bits, got, self.order, reference)
