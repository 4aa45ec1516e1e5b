"""What reaches a terminal or a log: 80 columns, no command to the terminal, and enough to see that it goes on."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gradproof.cli import progress_bar
from gradproof.cli.console import columns, console, say, text
from gradproof.cli.failures import COMMAND, print_row
from gradproof.cli.lines import folded, pieces
from gradproof.cli.progress import RunProgress
from gradproof.engine.planning.outline import Outline, Planned
from gradproof.results import write_results
from gradproof.results.model import Cell
from gradproof.results.rows import facts, rows
from gradproof_reports.html import render_html
from tests.cli.conftest import WRONG, Invoke
from tests.reports.page_reader import Page
from tests.reports.test_text import OBEYED, hostile

MODULE = [sys.executable, "-m", "gradproof"]
ASKED = ("--property", "accuracy", "--jobs", "1")


def environment(**more: str) -> dict[str, str]:
    """As outside of the tests: nothing says how wide a line is."""
    return {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")} | more


def in_a_log(*words: str) -> str:
    """What a command writes to a file, errors among it."""
    done = subprocess.run(
        [*MODULE, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment()
    )
    return done.stdout


def on_a_terminal(*words: str, **more: str) -> str:
    """What a command writes to a terminal of 80 columns."""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    master, slave = pty.openpty()
    running = subprocess.Popen(
        [*MODULE, *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(**({"COLUMNS": "80", "TERM": "xterm"} | more)),
    )
    os.close(slave)
    said = b""
    with running, contextlib.suppress(OSError):  # as Linux tells that the other end is closed
        while some := os.read(master, 65536):
            said += some
    os.close(master)
    return said.decode("utf-8")


# -- 80 columns -----------------------------------------------------------------------------------------------


def too_long(said: str) -> list[str]:
    """Lines of more than 80 columns that could have been broken: there is more than one word in them."""
    return [line for line in said.splitlines() if len(line) > 80 and len(line.split()) > 1]


@pytest.mark.parametrize(
    "words",
    [
        ("check", "wrong_relu.py", "--profile", "quick", "--jobs", "1"),
        ("check", "wrong_relu.py", *ASKED, "-v"),
        ("explain", "wrong_relu.py", *ASKED),
        ("sweep", "wrong_relu.py", "--format", "bf16", "--jobs", "0"),
        ("repro", "relu", "--file", "wrong_relu.py", "--backend", "numpy", "--format", "bf16", "--bits", "0x3f80"),
        ("compare", "a.json", "b.json", "-v"),
        ("claims", "b.json"),
        ("claims", "b.json", "--claim", "exact-zero"),
        ("list",),
        ("list", "implementations"),
        ("list", "deviations"),
        ("doctor",),
        ("config",),
        ("formulas", "silu", "--format", "bf16", "--order", "1"),
        ("study",),
        ("run", "--help"),
        ("--help",),
        ("run", "--function", "nothing", "--backend", "numpy"),
        ("run", "--format", "nothing"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_line_has_80_columns(words: tuple[str, ...], wrong: Path, results: Path) -> None:
    said = in_a_log(*words)
    assert said.strip()
    assert "internal error:" not in said
    assert too_long(said) == []


@pytest.fixture
def results(wrong: Path, results_text: tuple[str, str]) -> Path:
    """``a.json`` of a right implementation and ``b.json`` of a wrong one, in the current folder."""
    for name, content in zip(("a.json", "b.json"), results_text, strict=True):
        wrong.with_name(name).write_text(content, encoding="utf-8")
    return wrong.with_name("b.json")


@pytest.fixture(scope="module")
def results_text(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("made")
    for name, source in (("a", WRONG.replace("x > 1", "x > 0")), ("b", WRONG)):
        (folder / "wrong_relu.py").write_text(source, encoding="utf-8")
        words = ["check", "wrong_relu.py", *ASKED, "--json", f"{name}.json", "-q"]
        subprocess.run([*MODULE, *words], cwd=folder, capture_output=True, check=False, env=environment())
    return (folder / "a.json").read_text("utf-8"), (folder / "b.json").read_text("utf-8")


def test_a_broken_command_is_still_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    file = "a  'folder' with blanks/mine and yours.py"
    command = (
        f"printf '%s\\n' --file {__import__('shlex').quote(file)} --implementation some_file:some_name --bits 0x3dff"
    )
    print_row(console(), COMMAND, command)
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) > 1
    assert too_long(shown) == []
    copied = shown.replace("  repeat    ", "", 1)
    done = subprocess.run(["bash", "-c", copied], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["--file", file, "--implementation", "some_file:some_name", "--bits", "0x3dff"]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("", [""]),
        ("short", ["short"]),
        ("one two three four", ["one two", "three", "four"]),
        ("  ahead of it", ["  ahead", "of it"]),
        ("a-word-that-is-too-long for it", ["a-word-that-is-too-long", "for it"]),
        ("日本 日本 日", ["日本", "日本 日"]),  # two columns each
    ],
)
def test_lines_break_at_blanks_and_words_stay_whole(line: str, parts: list[str]) -> None:
    assert [line[a:b] for a, b in pieces(line, 8, 0)] == parts


def test_later_parts_are_set_in() -> None:
    assert folded("error: one two three", 12, 4) == "error: one\n    two\n    three"
    assert folded("first\n  second third", 12, 2) == "first\n  second\n      third"


def test_a_table_fits_and_its_cells_are_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    reason = "there is no such thing here " * 4
    columns(console(), ("name", "reason", "n"), [("torch:cuda", reason, "1"), ("jax:cpu", "", "2")])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert " ".join(line[12:57] for line in lines[1:-1]).split() == reason.split()
    assert lines[-1].split() == ["jax:cpu", "2"]
    assert all(line == line.rstrip() for line in lines)


def test_columns_that_do_not_fit_go_under_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    columns(console(), ("name", "module", "n"), [("relu", "a.module.with.a.long.name", "1"), ("silu", "short", "2")])
    assert capsys.readouterr().out.splitlines() == [
        "name  module                     n",
        "relu  a.module.with.a.long.name  1",
        "silu  short                      2",
    ]
    columns(console(), ("name", "module", "n"), [("relu", "a.module.with.an.even.longer.name.yet", "1")])
    assert capsys.readouterr().out.splitlines() == [
        "name",
        "    module",
        "    n",
        "relu",
        "    a.module.with.an.even.longer.name.yet",
        "    1",
    ]


# -- nothing that a terminal obeys ------------------------------------------------------------------------------

ESCAPE = "\x1b"


def test_colours_are_for_terminals_and_no_color_means_no_escape_at_all(wrong: Path) -> None:
    words = ("check", "wrong_relu.py", *ASKED)
    assert ESCAPE in on_a_terminal(*words)
    for more in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        said = on_a_terminal(*words, **more)
        assert "FAILED: 1 new failure" in said
        assert ESCAPE not in said
    assert ESCAPE not in in_a_log(*words)


@pytest.mark.parametrize("words", [("list", "formats"), ("doctor",), ("run", "--nothing"), ("--help",), ("claims",)])
def test_no_command_writes_an_escape_under_no_color(words: tuple[str, ...], folder: Path) -> None:
    assert ESCAPE not in on_a_terminal(*words, NO_COLOR="1")


LOUD = """
import sys, warnings
import numpy as np
import gradproof as gp

print({bad!r})
warnings.warn({bad!r})

@gp.implements("relu", backend="numpy", formats=["bfloat16"], name={bad!r})
def mine(x):
    print({bad!r})
    sys.stderr.write({bad!r})
    warnings.warn({bad!r})
    raise ValueError({bad!r})
"""
BAD = "\x1b[2J \x9b31m \x07 \u202egnp.exe\u2069 \x7f"


@pytest.mark.parametrize(
    "words",
    [
        ("check", "{file}", "--property", "accuracy", "--order", "0", "--jobs", "1"),
        ("check", "{file}", "--property", "accuracy", "--order", "0", "--jobs", "0", "-v"),
        ("explain", "{file}", "--property", "accuracy", "--order", "0"),
        ("sweep", "{file}", "--format", "bf16", "--jobs", "0"),
        ("repro", "relu", "--file", "{file}", "--backend", "numpy", "--format", "bf16", "--bits", "0x3f80"),
        ("check", "{broken}"),
        ("repro", "relu", "--file", "{broken}", "--backend", "numpy", "--format", "bf16", "--bits", "0x3f80"),
        ("sweep", "{broken}", "--format", "bf16"),
        ("check", "missing \x1b[2J.py"),
        ("claims", "missing \u202e.json"),
        ("compare", "missing \x1b[2J.json", "missing.json"),
        ("run", "--function", "\x1b[2J"),
        ("run", "--\x1b[2J"),
        ("\x1b[2J",),
        ("list", "\x1b[2J"),
        ("repro", "\x1b[2J", "--backend", "numpy", "--format", "bf16"),
        ("run", "--format", "\u202e"),
        ("run", "--backend", "\x9b2J"),
        ("completion", "\x1b[2J"),
        ("compare", "a", "b", "--fail-on", "\x1b[2J"),
    ],
    ids=lambda words: " ".join(words)[:30].encode("ascii", "backslashreplace").decode().replace("\x1b", "ESC"),
)
@pytest.mark.parametrize("traced", ["0", "1"])
@pytest.mark.skipif(sys.platform != "linux", reason="file names here may hold anything")
def test_nothing_that_others_say_commands_a_terminal(words: tuple[str, ...], traced: str, folder: Path) -> None:
    names = {"file": "lo\x1b[2Jud \u202e.py", "broken": "bro\x1b[2Jken.py"}
    (folder / names["file"]).write_text(LOUD.format(bad=BAD), encoding="utf-8")
    (folder / names["broken"]).write_text(f"raise ValueError({BAD!r})", encoding="utf-8")
    said = on_a_terminal(*(w.format(**names) for w in words), NO_COLOR="1", GRADPROOF_TRACEBACK=traced)
    assert said.strip()
    assert not OBEYED.search(said.replace("\r\n", "\n"))


@pytest.mark.parametrize("words", [("combine", "bad.json", "--json", "-"), ("report", "bad.json", "--markdown", "-")])
def test_a_file_that_is_shown_on_a_terminal_commands_it_no_more(words: tuple[str, ...], folder: Path) -> None:
    write_results(hostile(), folder / "bad.json")
    said = on_a_terminal(*words, NO_COLOR="1")
    assert len(said) > 1000
    assert not OBEYED.search(said.replace("\r\n", "\n"))


# -- a log goes on ----------------------------------------------------------------------------------------------


def planned(*functions: str) -> Outline:
    blanks = [[Planned(cell(f, n), False, "") for n in range(2)] for f in functions]
    return Outline(groups=blanks, settled=[], backends={}, deviations={}, unseen=[], digest="")


def cell(function: str, order: int, status: str = "not-run") -> Cell:
    return Cell(function, {}, f"lib.{function}", "numpy", "cpu", "eager", "float32", order, "accuracy", status)  # type: ignore[arg-type]


def test_a_log_has_a_line_for_each_function_and_every_failure_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress() as progress:
        progress.planned(planned("relu", "tanh"))
        progress.judged(cell("tanh", 0, "pass"), 1, 4)
        progress.judged(cell("relu", 0, "pass"), 2, 4)
        progress.judged(cell("tanh", 1, "fail"), 3, 4)
        progress.judged(cell("relu", 1, "known"), 4, 4)
    assert [line.split() for line in capsys.readouterr().err.splitlines()] == [
        ["fail", "tanh-numpy-cpu-float32-order1-accuracy", "error/bound", "inf"],
        ["75%", "tanh", "1", "fail,", "1", "pass"],
        ["100%", "relu", "1", "known,", "1", "pass"],
    ]


def test_cells_of_an_earlier_run_count(capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress() as progress:
        progress.planned(planned("relu"))
        progress.kept(cell("relu", 0, "pass"))
        progress.judged(cell("relu", 1, "pass"), 2, 2)
    assert capsys.readouterr().err.split() == ["100%", "relu", "2", "pass"]


def heard(until: Callable[[str], bool], capsys: pytest.CaptureFixture[str]) -> str:
    said = ""
    for _ in range(200):
        said += capsys.readouterr().err
        if until(said):
            break
        time.sleep(0.05)
    return said


def test_a_silent_log_gets_a_heartbeat_that_says_what_is_going_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert progress_bar.HEARTBEAT <= 30
    monkeypatch.setattr(progress_bar, "HEARTBEAT", 0.2)
    with RunProgress() as progress:
        assert "starting, " in heard(lambda said: "starting" in said, capsys)
        progress.planned(planned("relu", "tanh"))
        progress.judged(cell("tanh", 0, "pass"), 1, 4)
        progress.began(cell("tanh", 1))
        progress.began(cell("relu", 0))
        said = heard(lambda said: said.count("after") > 1, capsys)
    line = next(line for line in said.splitlines() if "after" in line)
    assert re.search(r"^ 25%  1 of 4 cells after 0\.\d s, at tanh-numpy-cpu-float32-order1-accuracy and 1 other$", line)
    capsys.readouterr()
    time.sleep(0.5)
    assert capsys.readouterr().err == ""  # it ends with the run


def test_a_quiet_run_has_no_heartbeat(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bar, "HEARTBEAT", 0.01)
    with RunProgress(quiet=True):
        time.sleep(0.2)
    assert capsys.readouterr().err == ""


# -- the same rows and findings as the page -----------------------------------------------------------------------


def test_the_summary_has_the_rows_and_findings_of_the_page(gradproof: Invoke, wrong: Path) -> None:
    from gradproof.cli.rows import HEAD, table_row
    from gradproof.results import read_results

    done = gradproof("check", "wrong_relu.py", *ASKED, "-v", "--json", "out.json")
    result = read_results("out.json")
    found = facts(rows(result), result)
    page = Page(render_html(result))
    cells = [[c.strip() for c in line.split("  ") if c.strip()] for line in done.stdout.splitlines()]
    assert list(HEAD) in cells
    for fact in (f for f in found if f.row.judged):
        assert list(table_row(fact)) in cells
        for shown in (fact.verdict.text, fact.usable.text, fact.worst.text, fact.felt.text, fact.own.text):
            assert shown in page.text
    for finding in result.findings:
        assert f"  what      {finding.text}" in done.stdout
        assert finding.text in page.text


def test_other_signs_of_the_page_are_told_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    from gradproof.cli.rows import show_rows
    from tests.reports.synthetic import run

    show_rows(console(), run(), verbose=True)
    shown = capsys.readouterr().out
    assert "usable range" in shown
    assert shown.isascii()


def test_a_message_is_broken_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    say("error: " + "words and more " * 12)
    console(stderr=True).print(text("  " + "words and more " * 12))
    assert too_long(capsys.readouterr().err) == []
