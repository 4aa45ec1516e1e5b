"""Every command line of gradproof that a page shows is one that gradproof takes."""

from __future__ import annotations

import pytest

from tests.architecture.imports import ROOT
from tests.docs.commands import fault, in_page, words

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
SHOWN = [(page.relative_to(ROOT).as_posix(), command) for page in PAGES for command in in_page(page.read_text("utf-8"))]


@pytest.mark.parametrize(("page", "command"), SHOWN, ids=[f"{page}: {command}" for page, command in SHOWN])
def test_a_command_of_a_page_parses(page: str, command: str) -> None:
    assert fault(words(command)) == ""


def test_the_pages_show_many() -> None:
    assert {page for page, _ in SHOWN} >= {"README.md", "docs/tour.md", "docs/faq.md", "docs/scale.md", "docs/ci.md"}
    assert len(SHOWN) > 40


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("gradproof run --bakend torch", "No such option"),
        ("gradproof compare base.json", "Missing argument"),
        ("gradproof chek mine.py", "chek"),
        ("gradproof run --profile quick && gradproof nothing", ""),
        ("gradproof run  # the whole catalogue", ""),
    ],
)
def test_a_command_that_gradproof_would_refuse_is_noticed(command: str, told: str) -> None:
    found = fault(words(command))
    assert told.lower() in found.lower()
    assert bool(found) == bool(told)


def test_folded_lines_and_several_commands_of_a_console_are_found() -> None:
    first = "$ pip install . && gradproof run \\\n    --profile quick\n"
    page = f"```console\n{first}says gradproof run\n$ gradproof list\n```\n"
    assert [words(command) for command in in_page(page)] == [["run", "--profile", "quick"], ["list"]]
