"""Whatever is read from others is understood, or refused in words: a few hundred examples a surface at each run.

``python -m tests.fuzz`` tries as many as it is asked for.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.surfaces import SURFACES, Surface

EXAMPLES = {"command-line": 40, "results": 100, "results-bytes": 60}


@pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES)
@pytest.mark.filterwarnings("ignore")
def test_what_others_wrote_is_understood_or_refused(surface: Surface) -> None:
    @settings(max_examples=EXAMPLES.get(surface.name, 200))
    @given(surface.examples())
    def tried(example: Any) -> None:
        surface.survives(example)

    tried()


def test_a_reader_that_falls_over_is_found() -> None:
    def fragile(example: str) -> None:
        if "7" in example:
            raise IndexError(example)

    surface = Surface("fragile", lambda: st.text("0123456789", max_size=4), fragile)

    @settings(max_examples=200)
    @given(surface.examples())
    def tried(example: str) -> None:
        surface.survives(example)

    with pytest.raises(IndexError, match="7"):
        tried()
