"""Files in and out: what lies at a path is written into, replaced or spared as it must be, and never read for ever.

Pipes and links lie in a temporary folder; no device of the system's is named.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from gradproof.cli.app import program
from gradproof.results import read_results
from tests.cli.conftest import RIGHT, TINY, Invoke

RUN = ("run", *TINY, "--html", "none")
MODULE = (sys.executable, "-m", "gradproof")

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


@pytest.fixture(scope="module")
def three_passes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of a results file of three passes."""
    file = tmp_path_factory.mktemp("given") / "given.json"
    done = CliRunner().invoke(program, [*RUN, "--json", str(file)])
    assert done.exit_code == 0, done.output
    return file.read_text("utf-8")


@pytest.fixture
def results(folder: Path, three_passes: str) -> Path:
    """A results file of three passes."""
    (folder / "given.json").write_text(three_passes, encoding="utf-8")
    return folder / "given.json"


def names(folder: Path) -> list[str]:
    # What a run keeps until its files are all written lies in .gradproof.
    return sorted(p.name for p in folder.iterdir() if p.name != ".gradproof")


def in_a_thread(pipe: Path) -> tuple[threading.Thread, list[bytes]]:
    """Somebody who reads a named pipe to its end."""
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    thread.start()
    return thread, got


# Where it is written


def test_the_file_behind_a_link_is_replaced_and_not_the_link(gradproof: Invoke, folder: Path) -> None:
    (folder / "store").mkdir()
    (folder / "store" / "old.json").write_text("old", encoding="utf-8")
    (folder / "link.json").symlink_to("store/old.json")
    (folder / "dangling.xml").symlink_to("store/new.xml")
    assert gradproof(*RUN, "--json", "link.json", "--junit", "dangling.xml").exit_code == 0
    assert (folder / "link.json").is_symlink()
    assert len(read_results(folder / "store" / "old.json").cells) == 3
    assert (folder / "dangling.xml").is_symlink()
    assert "testsuite" in (folder / "store" / "new.xml").read_text("utf-8")
    assert names(folder / "store") == ["new.xml", "old.json"]


@needs_pipes
def test_a_pipe_is_written_into_and_stays_one(gradproof: Invoke, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    thread, got = in_a_thread(folder / "pipe")
    assert gradproof(*RUN, "--json", "pipe").exit_code == 0
    thread.join(30)
    assert len(json.loads(got[0])["cells"]) == 3
    assert (folder / "pipe").is_fifo()
    assert names(folder) == ["pipe"]


def test_a_file_that_is_replaced_keeps_its_mode(gradproof: Invoke, folder: Path) -> None:
    (folder / "shared.json").touch(mode=0o664)
    (folder / "shared.json").chmod(0o664)
    gradproof(*RUN, "--json", "shared.json")
    assert (folder / "shared.json").stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize("option", ["--json", "--html", "--junit", "--markdown", "--export-xfails"])
def test_a_dash_is_standard_output_and_the_summary_goes_to_stderr(gradproof: Invoke, folder: Path, option: str) -> None:
    done = gradproof("run", *TINY, "--json", "none", "--html", "none", option, "-")
    assert done.exit_code == 0, done.stderr
    begins = {
        "--json": '{"schema":', "--html": "<!doctype html>", "--junit": "<?xml", "--markdown": "# gradproof",
        "--export-xfails": "{",
    }  # fmt: skip
    assert done.stdout.lower().startswith(begins[option].lower())
    assert "3 pass, 0 fail" in done.stderr
    assert "written: -" in done.stderr
    assert "3 pass, 0 fail" not in done.stdout
    assert names(folder) == []


def test_what_a_users_file_prints_is_no_part_of_the_results(
    gradproof: Invoke, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.py").write_text("print('hello')\n" + RIGHT, encoding="utf-8")
    done = gradproof("check", "mine.py", "--property", "accuracy", "--jobs", "0", "--json", "-")
    assert json.loads(done.stdout)["schema"] == "gradproof-results/1"
    assert "hello" in capfd.readouterr().err  # of the worker process


def test_reports_combinations_and_sweeps_take_a_dash_too(gradproof: Invoke, results: Path) -> None:
    assert gradproof("report", "given.json", "--markdown", "-").stdout.startswith("# gradproof")
    combined = gradproof("combine", "given.json", "--json", "-")
    assert len(json.loads(combined.stdout)["cells"]) == 3
    assert "3 cells from 1 results file: -" in combined.stderr
    sweep = ("sweep", "relu", "--backend", "numpy", "--format", "bfloat16", "--bits", "0..9", "--workers", "0")
    assert len(json.loads(gradproof(*sweep, "--json", "-").stdout)["cells"]) == 1


def test_a_dash_reads_standard_input(gradproof: Invoke, results: Path) -> None:
    done = subprocess.run(
        [*MODULE, "report", "-", "--markdown", "-"], input=results.read_bytes(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"# gradproof")


def test_a_file_that_standard_output_goes_to_holds_the_results_alone(folder: Path) -> None:
    with (folder / "out.json").open("wb") as out:
        done = subprocess.run([*MODULE, *RUN, "--json", "out.json"], stdout=out, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0
    assert len(read_results(folder / "out.json").cells) == 3
    assert b"3 pass, 0 fail" in done.stderr


@pytest.mark.parametrize("path", ["new/", "new/.", "there", "there/", "there/..", "."])
def test_a_folder_is_no_file_to_write(gradproof: Invoke, folder: Path, path: str) -> None:
    (folder / "there").mkdir()
    for source in ("option", "setting"):
        if source == "setting":
            (folder / "pyproject.toml").write_text(f'[tool.gradproof]\njson = "{path}"\n', encoding="utf-8")
        done = gradproof(*RUN, *(("--json", path) if source == "option" else ()))
        assert done.exit_code == 4, source
        assert "it is a folder; name a file in it" in done.stderr
    assert names(folder) == ["pyproject.toml", "there"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_not_replaced(gradproof: Invoke, folder: Path) -> None:
    (folder / "kept.json").write_text("kept", encoding="utf-8")
    (folder / "kept.json").chmod(0o444)
    assert gradproof(*RUN, "--json", "kept.json").exit_code == 4
    assert (folder / "kept.json").read_text("utf-8") == "kept"


# Two at one place


@pytest.mark.parametrize("other", ["./a", "b/../a", "{folder}/a", "link"])
@pytest.mark.parametrize("there", [False, True])
def test_two_spellings_of_one_path_are_one_place(gradproof: Invoke, folder: Path, other: str, there: bool) -> None:
    (folder / "b").mkdir()
    (folder / "link").symlink_to("a")
    if there:
        (folder / "a").write_text("old", encoding="utf-8")
    done = gradproof("run", *TINY, "--json", "a", "--html", other.format(folder=folder))
    assert done.exit_code == 4
    assert "expected a path of its own for --html" in done.stderr
    assert "pass" not in done.output
    assert (folder / "a").exists() == there


def test_two_outputs_cannot_share_standard_output(gradproof: Invoke) -> None:
    assert gradproof("run", *TINY, "--json", "-", "--html", "-").exit_code == 4


def test_two_reports_of_one_kind_go_to_two_places(gradproof: Invoke, folder: Path, results: Path) -> None:
    both = ("--report", "markdown=a.md", "--markdown", "b.md")
    assert gradproof("report", "given.json", *both).exit_code == 0
    assert (folder / "a.md").read_text("utf-8") == (folder / "b.md").read_text("utf-8")


@pytest.mark.parametrize("path", ["given.json", "./given.json", "link.json"])
def test_a_report_does_not_overwrite_what_it_is_made_from(gradproof: Invoke, results: Path, path: str) -> None:
    before = results.read_bytes()
    results.with_name("link.json").symlink_to("given.json")
    done = gradproof("report", "given.json", "--html", path)
    assert done.exit_code == 4
    assert "which is the input 'given.json'; it would be overwritten" in done.stderr
    assert results.read_bytes() == before


def test_a_check_does_not_overwrite_the_file_that_it_checks(gradproof: Invoke, right: Path) -> None:
    before = right.read_bytes()
    assert gradproof("check", right.name, "--json", right.name, "--jobs", "0").exit_code == 4
    assert gradproof("sweep", right.name, "--json", right.name, "--workers", "0").exit_code == 4
    assert right.read_bytes() == before


def test_a_combination_may_take_the_place_of_one_that_it_holds(gradproof: Invoke, results: Path) -> None:
    assert gradproof("combine", "given.json", "--json", "given.json").exit_code == 0
    assert len(read_results(results).cells) == 3


# A full disk


def small_files() -> None:
    """A disk that is full after 64 KB: what is beyond raises EFBIG, as ENOSPC elsewhere."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))


def test_a_full_disk_keeps_what_fits_shows_the_summary_and_exits_3(folder: Path) -> None:
    (folder / "r.html").write_text("earlier", encoding="utf-8")
    done = subprocess.run(
        [*MODULE, "run", *TINY, "--json", "r.json", "--html", "r.html", "--junit", "r.xml"],
        capture_output=True, text=True, check=False, preexec_fn=small_files,
        env={**os.environ, "GRADPROOF_CACHE_DIR": ""},
    )  # fmt: skip
    assert done.returncode == 3
    assert "3 pass, 0 fail" in done.stdout
    assert "written: r.json, r.xml" in done.stdout
    assert "--html r.html could not be written: File too large" in done.stderr
    assert len(read_results(folder / "r.json").cells) == 3
    assert (folder / "r.html").read_text("utf-8") == "earlier"
    assert names(folder) == ["r.html", "r.json", "r.xml"]


@pytest.mark.parametrize("command", ["run", "report", "combine", "sweep"])
def test_a_disk_without_room_is_no_mistake_of_usage(
    gradproof: Invoke, results: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = names(results.parent)
    arguments = {
        "run": (*RUN, "--json", "new"),
        "report": ("report", "given.json", "--markdown", "new"),
        "combine": ("combine", "given.json", "--json", "new"),
        "sweep": (
            "sweep", "relu", "--backend", "numpy", "--format", "bfloat16", "--bits", "0..9", "--workers", "0",
            "--json", "new",
        ),
    }[command]  # fmt: skip
    if command == "sweep":  # its run folder must fit; the disk fills up at the end
        assert gradproof(*arguments[:-2]).exit_code == 0
        before = names(results.parent)
    monkeypatch.setattr("gradproof.files.writing.os.fsync", full)
    done = gradproof(*arguments)
    assert done.exit_code == 3
    assert "new could not be written: No space left on device" in done.stderr
    assert "cell" in done.stdout or "pass" in done.stdout
    assert names(results.parent) == before


def test_standard_output_without_room_exits_3_and_costs_no_file(folder: Path) -> None:
    with (folder / "out").open("wb") as out:
        out.write(b" " * 65500)
        out.flush()
        done = subprocess.run(
            [*MODULE, *RUN, "--json", "r.json", "-v"],
            stdout=out, stderr=subprocess.PIPE, text=True, check=False, preexec_fn=small_files,
            env={**os.environ, "GRADPROOF_CACHE_DIR": ""},
        )  # fmt: skip
    assert done.returncode == 3
    assert "File too large" in done.stderr
    assert len(read_results(folder / "r.json").cells) == 3


# Nobody reads on


@pytest.mark.parametrize(
    ("command", "code"),
    [(("list",), 0), (("list", "--json"), 0), (RUN, 0), (("check", "wrong_relu.py", *TINY[4:]), 1)],
)
def test_a_closed_pipe_changes_no_exit_code(folder: Path, wrong: Path, command: tuple[str, ...], code: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([*MODULE, *command], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert done.returncode == code, done.stderr
    assert "Broken" not in done.stderr
    assert "error:" not in done.stderr
    if command is RUN:
        assert len(read_results(folder / "results.json").cells) == 3


# What is read


@needs_pipes
@pytest.mark.parametrize(
    "command",
    [
        ("report", "pipe"), ("combine", "pipe", "--json", "out"), ("claims", "pipe"), ("compare", "pipe", "pipe"),
        ("check", "pipe"), ("sweep", "pipe.py"),
    ],
)  # fmt: skip
def test_a_pipe_is_no_file_to_read(gradproof: Invoke, folder: Path, command: tuple[str, ...]) -> None:
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.py")
    done = gradproof(*command)
    assert done.exit_code == 4
    assert "no regular file" in done.stderr


@needs_pipes
def test_a_folder_of_shards_with_pipes_in_it_is_gone_on_with(gradproof: Invoke, folder: Path) -> None:
    sweep = ("sweep", "relu", "--backend", "numpy", "--format", "bfloat16", "--bits", "0..9", "--workers", "0")
    assert gradproof(*sweep).exit_code == 0
    (shard,) = folder.glob(".gradproof/sweeps/*/shard-00000.json")
    shard.unlink()
    os.mkfifo(shard)
    done = gradproof(*sweep)
    assert "it is a pipe and no regular file" in done.stderr
    shard.with_name("manifest.json").unlink()
    os.mkfifo(shard.with_name("manifest.json"))
    done = gradproof(*sweep)
    assert done.exit_code == 4
    assert "cannot be read; --fresh starts the sweep again" in done.stderr


MEASURED = '"measured":{}'
NUMBER = "1" * 5000
NESTED = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"seconds":', '"seconds": 1e999, "x":', "expected a number that a float64 holds, got inf"),
        ('"seconds":', '"seconds": NaN, "x":', "its JSON holds NaN, which is no JSON"),
        ('"seconds":', '"seconds": -Infinity, "x":', "its JSON holds -Infinity, which is no JSON"),
        ('"seconds":', f'"seconds": {NUMBER}, "x":', "a whole number with too many digits"),
        ('"seconds":', f'"seconds": {NUMBER[:400]}, "x":', "expected a number that a float64 holds"),
        ('"settings":{', f'"settings":{{"a":{NESTED},', "values within more than 64 others"),
        (MEASURED, f'"measured":{{"a":{"[" * 500}{"]" * 500}}}', "values within more than 64 others"),
        (MEASURED, '"measured":{"a":1e999}', "expected a finite number"),
        (MEASURED, f'"measured":{{"a":{NUMBER[:400]}}}', "a whole number with too many digits"),
        (MEASURED, '"measured":7', "measured: expected dict, got 7"),
        (MEASURED, '"measured":{"classes":{"wrong-class":{}}}', "measured"),
        ('"order":', '"order":7,"x":', "order: expected 0, 1 or 2, got 7"),
        ('"magnitude":', '"magnitude":-0.5,"x":', "magnitude: expected no number below 0, got -0.5"),
        ('"curve":{', '"curve":7,"x":{', "curve: expected dict, got 7"),
        ('"lo":"', '"lo":"one","x":"', "expected a whole number as text, got 'one'"),
        ('"hi":"', '"hi":"-99999","x":"', "expected lo of at most hi"),
        ('"bins":"', '"bins":"*","x":"', "expected base64"),
        ('"histogram":[', '"histogram":[1.5,', "histogram[0]: expected int"),
        ('"quantiles":[', '"quantiles":["a",', "quantiles[0]: expected int or float"),
    ],
)  # fmt: skip
def test_a_malformed_results_file_is_a_mistake_of_usage(
    gradproof: Invoke, results: Path, old: str, new: str, told: str
) -> None:
    text = results.read_text("utf-8")
    assert old in text
    text = text.replace(old, new).replace('"property":"accuracy"', '"property":"sweep"')
    results.with_name("bad.json").write_text(text, encoding="utf-8")
    done = gradproof("claims", "bad.json")
    assert done.exit_code == 4, done.output
    assert told in done.stderr
    assert len(done.stderr) < 1000


@pytest.mark.parametrize("command", [("report",), ("combine", "--json", "new"), ("compare", "given.json")])
def test_every_command_refuses_it(gradproof: Invoke, results: Path, command: tuple[str, ...]) -> None:
    text = results.read_text("utf-8")
    results.with_name("bad.json").write_text(text.replace('"seconds":', '"seconds":NaN,"x":'), encoding="utf-8")
    assert gradproof(*command, "bad.json").exit_code == 4
    assert names(results.parent) == ["bad.json", "given.json"]


@pytest.mark.parametrize("command", [("claims",), ("report",), ("combine", "--json", "new"), ("compare", "given.json")])
def test_every_command_refuses_two_cells_of_one_key(gradproof: Invoke, results: Path, command: tuple[str, ...]) -> None:
    document = json.loads(results.read_text("utf-8"))
    first = document["cells"][0]
    document["cells"].append(first | {"status": "pass", "params": {k: str(v) for k, v in first["params"].items()}})
    results.with_name("bad.json").write_text(json.dumps(document), encoding="utf-8")
    done = gradproof(*command, "bad.json")
    assert done.exit_code == 4, done.output
    last = len(document["cells"]) - 1
    assert f"document.cells[{last}]: expected one cell for {read_results(results).cells[0].id} (" in done.stderr
    assert "got a second to [0]" in done.stderr


@pytest.mark.parametrize("key", ["seed", "max-seconds", "json", "format"])
@pytest.mark.parametrize(
    "value", [NUMBER, "0x" + "f" * 5000, "-" + NUMBER[:400], "[" * 5000 + "]" * 5000, "[" * 100 + "]" * 100]
)
def test_a_pyproject_that_nobody_can_bear_is_a_mistake_of_usage(
    gradproof: Invoke, folder: Path, key: str, value: str
) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.gradproof]\n{key} = {value}\n", encoding="utf-8")
    done = gradproof("config")
    assert done.exit_code == 4, done.output
    assert "pyproject.toml" in done.stderr
    assert len(done.stderr) < 1000


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(folder: Path, shell: str) -> None:
    asked = {**os.environ, "_GRADPROOF_COMPLETE": f"{shell}_source"}
    done = subprocess.run([*MODULE], env=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "_GRADPROOF_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("gradproof re", ["report", "repro"]),
        ("gradproof run --prof", ["--profile"]),
        ("gradproof rnu ", ["report", "repro"]),
    ],
)
def test_a_word_is_completed(folder: Path, words: str, offered: list[str]) -> None:
    count = str(len(words.split(" ")) - 1)
    asked = {**os.environ, "_GRADPROOF_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": count}
    done = subprocess.run([*MODULE], env=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [line.partition(",")[2] for line in done.stdout.splitlines()]
    assert sorted(set(found) & {"report", "repro", "--profile"}) == sorted(offered)
