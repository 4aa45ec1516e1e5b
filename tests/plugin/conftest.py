"""pytester runs sessions inside this process and forgets what they imported; NumPy and Numba must not be forgotten."""

from __future__ import annotations

import pytest

from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run


@pytest.fixture(scope="session", autouse=True)
def _loaded() -> None:
    """Import, outside any inner session, whatever judging a cell imports late."""
    __import__("gradproof.plugin.collecting")
    __import__("gradproof.plugin.files")
    __import__("jsonschema")
    selection = Selection(
        ("relu",), ("numpy",), ("float16", "float32", "float64"), (0,), ("accuracy",), profile="quick", jobs=0
    )
    assert run(selection).counts()["pass"] == 3


@pytest.fixture
def quiet(pytester: pytest.Pytester) -> pytest.Pytester:
    """A directory for inner sessions, with settings of its own."""
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider --strict-markers\n")
    return pytester
