"""A rule: a deviation, and the failing cells that it explains."""

from __future__ import annotations

from dataclasses import dataclass

from gradproof.extend import Deviation, Task


@dataclass(frozen=True)
class Rule:
    """A deviation and the cells it explains; empty tuples match everything."""

    id: str
    backend: str
    functions: tuple[str, ...]
    title: str
    reason: str
    upstream: tuple[str, ...] = ()
    orders: tuple[int, ...] = ()
    properties: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()

    def matches(self, task: Task) -> bool:
        """Whether the task's cell is one of those this deviation explains."""
        return (
            task.backend.partition(":")[0] == self.backend
            and task.function.name in self.functions
            and (not self.orders or task.order in self.orders)
            and (not self.properties or task.property in self.properties)
            and (not self.modes or task.mode in self.modes)
            and (not self.formats or task.format in self.formats)
        )

    def deviation(self) -> Deviation:
        """The deviation as the ledger holds it."""
        return Deviation(self.id, self.title, self.reason, self.upstream)


POINTWISE = (
    "accuracy", "saturation", "taylor", "fd-jump", "underflow-noise", "shape", "vanishing", "smooth-descent",
    "second-order",
)  # fmt: skip
"""The properties that see a wrong value or derivative wherever it is."""
