"""No control flow reads prose: what a reason means is an enumeration beside it (``NotRun``, ``Fault``)."""

from __future__ import annotations

import re

import pytest

from tests.architecture.imports import modules

READS = re.compile(
    r"\b(reason|detail|explanation)\.(startswith|endswith|removeprefix|removesuffix|find|partition)\("
    r"|[\"'] (not )?in [\w.]*\.(reason|detail|explanation)\b"
)


def test_no_source_looks_for_words_in_a_reason() -> None:
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, file in modules().items()
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1)
        if READS.search(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    ['if cell.reason.startswith("not reached"):', 'any("hung" in c.reason for c in cells)', "'x' not in state.detail"],
)
def test_a_line_that_does_is_found(line: str) -> None:
    assert READS.search(line)


@pytest.mark.parametrize("line", ["if cell.reason:", "reasons = [c.reason for c in cells]", 'f"{cell.reason}"'])
def test_one_that_shows_a_reason_is_not(line: str) -> None:
    assert not READS.search(line)
