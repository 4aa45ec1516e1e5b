"""What the shards of one target share: the implementation as it is called, and the oracle beside it."""

from __future__ import annotations

from functools import lru_cache

from gradproof.engine.probe import Probe
from gradproof.engine.selection import Selection
from gradproof.engine.task import Task
from gradproof.errors import Unsupported
from gradproof.formats.arrays import Bits
from gradproof.measure import Judgement
from gradproof.oracle import Reference
from gradproof.sweep.judging.directions import Section, sections
from gradproof.sweep.judging.implementations import resolve
from gradproof.sweep.plan import Target


@lru_cache(maxsize=4)
def subject(target: Target) -> Subject:
    """Everything that the shards of a target share, made once per process."""
    return Subject(target)


class Subject:
    """One implementation in one format, mode and order, with its oracle."""

    def __init__(self, target: Target) -> None:
        function, implementation = resolve(target)
        task = Task(function, implementation, target.backend, target.mode, target.format, target.order, "sweep")
        self.probe = Probe(task, Selection(contract=target.contract))
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
        self.on_device = backend.device != "cpu" and backend.works_on_device and self.probe.format.width == 32
        """Whether results stay where they were made; NumPy or the compiled loop take the others."""

    def evaluate(self, bits: Bits) -> Bits:
        """What the implementation returns."""
        return self.probe.evaluate(bits, self.order)

    def sections(self, *, negative: bool) -> list[Section]:
        """Where the order of neighbouring results is known; nothing is declared of derivatives."""
        if self.order:
            return []
        if negative not in self._sections:
            self._sections[negative] = sections(self.probe.function, self.probe.format, negative=negative)
        return self._sections[negative]

    def judge(self, bits: Bits, got: Bits, *, precise: bool = False) -> tuple[Reference, Judgement]:
        """The oracle's references and the judgement of results of shape (n,)."""
        reference = self.probe.oracle.references(bits, self.probe.format, precise=precise)[self.order]
        return reference, self.probe.judge(bits, got, self.order, reference)
