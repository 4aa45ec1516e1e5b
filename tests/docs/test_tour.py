"""The tour is a session that really runs, and pages of that kind are held to what their commands say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.imports import ROOT
from tests.docs.sessions import blocks, play

TOUR = (ROOT / "docs" / "tour.md").read_text("utf-8")


@pytest.mark.framework("torch")
def test_every_block_of_the_tour_runs_and_says_what_the_page_shows(tmp_path: Path) -> None:
    _, faults = play(TOUR, tmp_path)
    assert not faults, "\n\n".join(["run: python -m tests.docs.sessions docs/tour.md", *faults])
    assert "<!doctype html>" in (tmp_path / "report.html").read_text("utf-8").lower()


@pytest.mark.framework("torch")
def test_the_finding_of_the_readme_is_what_explain_says(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    _, faults = play(readme, tmp_path, "explain")
    assert not faults, "\n\n".join(["run: python -m tests.docs.sessions README.md explain", *faults])
    assert "explained " in next(b.body for b in blocks(readme) if b.body.startswith("$ gradproof explain"))


def test_every_block_of_the_tour_is_a_file_or_a_session() -> None:
    found = blocks(TOUR)
    assert len(found) == TOUR.count("```") // 2
    assert [b.language for b in found if not b.file and b.language != "console"] == []
    programs = [command.split()[:2] for b in found if b.language == "console" for command, _ in b.commands]
    assert programs == [
        ["pip", "install"], ["gradproof", "check"], ["gradproof", "explain"], ["gradproof", "check"],
        ["gradproof", "compare"], ["pytest", "-q"],
    ]  # fmt: skip


SESSION = """
```python
# said.py
print("one", 1.5, "s")
print("two")
print("three")
raise SystemExit(3)
```

<!-- exit 3; from: two -->

```console
$ python said.py
...
two
three
```
"""


def test_output_that_was_left_out_or_changes_from_run_to_run_is_no_fault(tmp_path: Path) -> None:
    assert play(SESSION, tmp_path) == (SESSION, [])
    whole = SESSION.replace("; from: two", "").replace("...\n", "one 2.75 s\n")
    assert play(whole, tmp_path) == (whole, [])


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("...\ntwo\n", "...\n", "says now:\n...\ntwo\nthree"),
        ("two\nthree\n```", "two\nfour\n```", "and the page:\n...\ntwo\nfour"),
        ("from: two", "from: ten", "says now:\none 1.5 s\ntwo\nthree"),
        ("exit 3", "exit 0", "exit status 3, expected 0:\none 1.5 s\ntwo\nthree"),
    ],
)
def test_another_output_or_status_is_told_and_mended(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    mended, faults = play(SESSION.replace(right, wrong), tmp_path)
    assert told in "".join(faults)
    if right.endswith(("\n", "```")):
        assert mended == SESSION


def test_an_extra_that_does_not_exist_cannot_be_installed(tmp_path: Path) -> None:
    page = '```console\n$ pip install -c FILE ".[torch,EXTRA]"\n```\n'
    for file, extra, due in (("constraints.txt", "pytest", 0), ("constraints.txt", "tpu", 1), ("pins.txt", "jax", 1)):
        faults = play(page.replace("FILE", file).replace("EXTRA", extra), tmp_path)[1]
        assert ["exit status 1, expected 0" in fault for fault in faults] == [True] * due


def test_a_long_command_is_one_command(tmp_path: Path) -> None:
    (block,) = blocks("```console\n$ gradproof check mine.py --format bfloat16 \\\n    --order 0\n14 pass\n```\n")
    assert block.commands == [("gradproof check mine.py --format bfloat16 --order 0", ["14 pass"])]
