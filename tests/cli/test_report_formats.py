"""A third party's report format, installed as an entry point, from every command that writes reports."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from gradproof.config import effective
from tests.cli.conftest import TINY, Invoke

SOURCE = """
from pathlib import Path

def write_lines(result, path):
    Path(path).write_text("".join(f"{c.id} {c.status}\\n" for c in result.cells))
"""
IDS = [f"relu-numpy-cpu-bfloat16-order{n}-accuracy pass\n" for n in (0, 1, 2)]
RUN = ("run", *TINY, "--json", "none", "--html", "none", "--quiet")
SWEEP = ("sweep", "relu", "--backend", "numpy", "--format", "bfloat16", "--bits", "0..9", "--workers", "0", "--quiet")


@pytest.fixture(autouse=True)
def lines(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the package ``gradproof-lines``, whose report is a line per cell: what pip would leave, on the path."""
    home = tmp_path_factory.mktemp("installed")
    metadata = home / "gradproof_lines-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: gradproof-lines\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[gradproof.reports]\nlines = gradproof_lines:write_lines\n")
    (home / "gradproof_lines.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(home)
    monkeypatch.delitem(sys.modules, "gradproof_lines", raising=False)


@pytest.fixture
def results(gradproof: Invoke) -> str:
    assert gradproof("run", *TINY, "--json", "given.json", "--html", "none").exit_code == 0
    return "given.json"


def asked(command: str, right: Path) -> tuple[str, ...]:
    """A call of ``command`` that takes --report and writes nothing else."""
    return {
        "run": RUN,
        "check": ("check", right.name, "--property", "accuracy", "--order", "0", "--jobs", "0", "--quiet"),
        "sweep": SWEEP,
        "report": ("report", "given.json"),
        "combine": ("combine", "given.json", "--json", "all.json"),
    }[command]


COMMANDS = ("run", "check", "sweep", "report", "combine")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_reports_writes_it(
    gradproof: Invoke, folder: Path, right: Path, results: str, command: str
) -> None:
    done = gradproof(*asked(command, right), "--report", "lines=out.txt")
    assert done.exit_code == 0, done.output
    written = (folder / "out.txt").read_text("utf-8").splitlines(keepends=True)
    assert written == IDS if command in ("run", "report", "combine") else len(written) == 1
    assert "out.txt" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_the_format_that_was_meant(
    gradproof: Invoke, right: Path, results: str, command: str
) -> None:
    done = gradproof(*asked(command, right), "--report", "liness=out.txt")
    assert done.exit_code == 4
    assert "unknown report format 'liness'; did you mean 'lines'?" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_writes_junit_too(
    gradproof: Invoke, folder: Path, right: Path, results: str, command: str
) -> None:
    assert gradproof(*asked(command, right), "--junit", "out.xml").exit_code == 0
    assert "<testsuite" in (folder / "out.xml").read_text("utf-8")


def test_it_goes_to_standard_output_alone(gradproof: Invoke, results: str) -> None:
    assert gradproof("report", results, "--report", "lines=-").stdout == "".join(IDS)
    assert gradproof(*RUN, "--report", "lines=-").stdout == "".join(IDS)


def test_none_writes_none(gradproof: Invoke, folder: Path, results: str) -> None:
    assert gradproof("report", results, "--report", "lines=none", "--html", "none").exit_code == 0
    assert [p.name for p in folder.glob("*.*")] == ["given.json"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            ("--report", "lines=a", "--report", "lines=./a"),
            "for --report lines, got './a', which --report lines=a names",
        ),
        (("--report", "lines=a", "--junit", "a"), "for --report lines, got 'a', which --junit a names too"),
        (("--report", "lines=given.json"), "which is the input 'given.json'; it would be overwritten"),
        (("--report", "lines=a/"), "expected a file to write for --report lines, but a/ cannot be written"),
        (("--report", "json=a"), "expected the format of a report for --report, got 'json'; --json writes"),
        (("--report", "lines"), "expected FORMAT=PATH, such as html=report.html, for --report, got 'lines'"),
        (("--report", "lines="), "expected FORMAT=PATH"),
        (("--report", "=a"), "expected FORMAT=PATH"),
    ],
)
def test_a_mistake_is_refused_before_any_work(
    gradproof: Invoke, folder: Path, results: str, more: tuple[str, ...], says: str
) -> None:
    done = gradproof("report", results, *more)
    assert done.exit_code == 4
    assert says in done.stderr
    assert not (folder / "a").is_file()


def test_a_combination_takes_the_place_of_an_input_and_its_report_does_not(gradproof: Invoke, results: str) -> None:
    assert gradproof("combine", results, "--json", results, "--report", "lines=out.txt").exit_code == 0
    assert gradproof("combine", results, "--json", "all.json", "--report", f"lines={results}").exit_code == 4


def test_one_format_goes_to_two_places(gradproof: Invoke, folder: Path, results: str) -> None:
    assert gradproof("report", results, "--report", "lines=a,b", "--report", "lines=c").exit_code == 0
    assert (folder / "a,b").read_text("utf-8") == (folder / "c").read_text("utf-8")


def test_a_report_by_its_name_takes_the_place_of_the_default(gradproof: Invoke, folder: Path) -> None:
    assert gradproof("run", *TINY, "--report", "html=mine.html", "--report", "lines=a.txt").exit_code == 0
    assert sorted(p.name for p in folder.glob("*.*")) == ["a.txt", "mine.html", "results.json"]
    assert gradproof("run", *TINY, "--report", "html=none", "--json", "none").exit_code == 0
    assert not (folder / "report.html").exists()


def test_a_run_with_less_to_say_spares_an_earlier_report(gradproof: Invoke, folder: Path, results: str) -> None:
    files = ("--json", results, "--report", "lines=a.txt")
    assert gradproof("run", *TINY, *files, "--html", "none").exit_code == 0
    done = gradproof("run", *TINY, *files, "--html", "none", "--max-seconds", "0.000001")
    assert (folder / "a.txt").read_text("utf-8") == "".join(IDS)
    assert "kept: a.txt holds more than this run" in done.stdout


def test_a_format_that_fails_costs_nothing_else(
    gradproof: Invoke, folder: Path, results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = __import__("gradproof_lines")
    monkeypatch.setattr(module, "write_lines", lambda result, path: 1 / 0)
    done = gradproof("report", results, "--report", "lines=a.txt", "--markdown", "b.md")
    assert done.exit_code == 3
    assert "--report lines=a.txt could not be written: ZeroDivisionError" in done.stderr
    assert (folder / "b.md").exists()


def test_settings_name_reports_and_each_format_counts_by_itself(folder: Path) -> None:
    file = folder / "pyproject.toml"
    file.write_text('[tool.gradproof]\nhtml = "a.html"\nreport = ["lines=a.txt", "junit=none"]\n', encoding="utf-8")

    def found(environ: dict[str, str], **given: Any) -> dict[str, Any]:
        return {name: value.value for name, value in effective(given, environ=environ, start=folder).items()}

    assert found({}) == {"html": str(folder / "a.html"), "report": (f"lines={folder / 'a.txt'}", "junit=none")}
    assert found({}, report=("lines=b.txt", "html=b.html")) == {"report": ("junit=none", "lines=b.txt", "html=b.html")}
    environ = {"GRADPROOF_REPORT": "lines=b.txt, junit=b.xml"}
    assert found(environ) == {"html": str(folder / "a.html"), "report": ("lines=b.txt", "junit=b.xml")}
    assert found(environ, junit="c.xml") == {
        "html": str(folder / "a.html"), "junit": "c.xml", "report": ("lines=b.txt",),
    }  # fmt: skip
    assert found(environ, junit="c.xml", report=("lines=none",))["report"] == ("lines=none",)


def test_config_shows_them_with_where_they_come_from(
    gradproof: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "pyproject.toml").write_text('[tool.gradproof]\nreport = "lines=a.txt"\n', encoding="utf-8")
    monkeypatch.setenv("GRADPROOF_REPORT", "sarif=b.sarif")
    found = json.loads(gradproof("config", "--json").stdout)["report"]
    assert found["value"] == [f"lines={folder / 'a.txt'}", "sarif=b.sarif"]
    assert found["from"] == f"[tool.gradproof] of {folder / 'pyproject.toml'}; environment GRADPROOF_REPORT"


def test_a_setting_of_the_file_writes_it(gradproof: Invoke, folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.gradproof]\nreport = ["lines=a.txt"]\n', encoding="utf-8")
    assert gradproof(*RUN).exit_code == 0
    assert (folder / "a.txt").read_text("utf-8") == "".join(IDS)


@pytest.mark.parametrize("value", ['"lines"', "3", "{lines = 'a.txt'}", "[['lines', 'a.txt']]"])
def test_a_setting_that_is_none_says_what_was_expected(gradproof: Invoke, folder: Path, value: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.gradproof]\nreport = {value}\n", encoding="utf-8")
    done = gradproof(*RUN)
    assert done.exit_code == 4
    assert "expected FORMAT=PATH, such as html=report.html, for 'report' in [tool.gradproof]" in done.stderr


def test_without_plugins_the_format_is_unknown(
    gradproof: Invoke, results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADPROOF_NO_PLUGINS", "1")
    done = gradproof("report", results, "--report", "lines=a.txt")
    assert done.exit_code == 4
    assert "unknown report format 'lines'" in done.stderr
