"""The documentation of the plugin names what there is."""

from __future__ import annotations

import re

import pytest

from gradproof.engine.marked import DECLARES, NARROWS
from tests.house.imports import ROOT

PAGE = (ROOT / "docs" / "pytest.md").read_text("utf-8")


def test_every_option_is_documented_and_nothing_else(quiet: pytest.Pytester) -> None:
    shown = "\n".join(quiet.runpytest("--help").outlines)
    options = set(re.findall(r"^  (--gradproof-[\w-]+)", shown, re.MULTILINE))
    settings = set(re.findall(r"^  (gradproof_\w+) \(", shown, re.MULTILINE))
    table = PAGE.partition("## Options")[2]
    assert options
    assert set(re.findall(r"`(--gradproof-[\w-]+)", table)) == options
    assert set(re.findall(r"^\|.*?\| `(gradproof_\w+)`", table, re.MULTILINE)) == settings


def test_every_argument_of_the_marker_is_documented() -> None:
    table = PAGE.partition("## The marker")[2].partition("## Ids")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == {"function", *DECLARES, *NARROWS}
