"""Backends made for one test: NumPy with one thing wrong, or with one thing more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from gradproof.backends import get_backend, registry
from gradproof.backends.base import Availability, Backend, Call, Implementation, Traits
from gradproof.formats import Format
from gradproof.formats.arrays import Bits


class Around(Backend):
    """Everything is NumPy's; a test overrides what is to be different."""

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        self.numpy = get_backend("numpy:cpu")

    @classmethod
    def availability(cls, device: str) -> Availability:
        return Availability(True)

    def versions(self) -> dict[str, str]:
        return {self.name: "1.2.3"}

    def catalogue(self) -> Sequence[Implementation]:
        return ()

    def paths(self, implementation: Implementation) -> tuple[str, ...]:
        return self.numpy.paths(implementation)

    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        return self.numpy.evaluate(implementation, bits, fmt, call)

    def dot(self, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        return self.numpy.dot(x, w, bias, fmt)

    def chain(
        self, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        return self.numpy.chain(implementation, weights, bits, fmt)

    def traits(self, fmt: Format) -> Traits:
        return self.numpy.traits(fmt)

    def formulations(self, function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
        return ()


Offer = Callable[..., str]


def offering(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """A function that makes ``name`` a backend with the methods given, as an entry point would; its id comes back."""

    def offer(name: str, **methods: Any) -> str:
        kind = type("Stub", (Around,), {"name": name, **methods})
        known = {**registry.available_backends(), name: kind}
        monkeypatch.setattr(registry, "available_backends", lambda: known)
        return f"{name}:cpu"

    return offer
