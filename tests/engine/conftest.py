"""Fixtures of the tests of the engine."""

from __future__ import annotations

import pytest

from tests.properties.stubs import Offer, offering


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Offer a backend of one's own for the length of a test."""
    return offering(monkeypatch)
