"""The workflows for GitHub: pinned, safe with what callers hand in, and made of commands that gradproof takes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.architecture.imports import ROOT
from tests.docs.commands import fault, in_script, words

yaml = pytest.importorskip("yaml", reason="PyYAML is in the environment unit")

REUSABLE = ROOT / ".github/workflows/gradproof.yml"
OWN = ROOT / ".github/workflows/ci.yml"
RELEASES = ROOT / ".github/workflows/releases.yml"
EXAMPLE = ROOT / "examples/github_actions/gradproof.yml"
PAGE = (ROOT / "docs/ci.md").read_text("utf-8")
FILES = [REUSABLE, OWN, RELEASES, EXAMPLE]


def read(file: Path) -> dict[Any, Any]:
    """The workflow; YAML reads the key ``on`` as true."""
    made: dict[Any, Any] = yaml.safe_load(file.read_text("utf-8"))
    return made


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in read(file)["jobs"].values() for step in job.get("steps", [])]


def script(name: str) -> str:
    """What the step of a name runs in the reusable workflow."""
    (found,) = (str(step["run"]) for step in steps(REUSABLE) if step.get("name") == name)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_actions_are_pinned_to_commits_with_their_version_beside(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text("utf-8"))
    assert used
    assert [u for u in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", u)] == []


def test_one_action_has_one_version() -> None:
    used = {u for file in FILES for u in re.findall(r"uses: (.*)", file.read_text("utf-8"))}
    assert len(used) == len({u.partition("@")[0] for u in used})


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_no_script_holds_what_somebody_else_may_write(file: Path) -> None:
    assert [step["run"] for step in steps(file) if "${{ inputs" in step.get("run", "")] == []
    assert [step["run"] for step in steps(file) if "${{ github.event" in step.get("run", "")] == []


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_every_command_of_gradproof_parses(file: Path) -> None:
    found = [command for step in steps(file) for command in in_script(step.get("run", ""))]
    filled = [re.sub(r'"\$\{?(\w+)(\[@\])?\}?"', lambda m: VALUES[m[1]], command) for command in found]
    assert [fault(words(command)) for command in filled] == [""] * len(found)
    assert bool(found) == (file != OWN)


VALUES = {"files": "mine.py more.py", "args": "--format bfloat16", "BACKEND": "torch:cpu"}


def test_the_page_lists_the_inputs_with_their_defaults() -> None:
    inputs = read(REUSABLE)[True]["workflow_call"]["inputs"]
    table = dict(re.findall(r"^\| `([\w-]+)` \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE))
    assert list(table) == list(inputs)
    for name, told in table.items():
        default = inputs[name]["default"]
        due = str(default).lower() if isinstance(default, bool) else default
        assert (told.strip("`") if told.startswith("`") else "") == due, name


def test_what_the_page_hands_in_are_inputs() -> None:
    inputs = read(REUSABLE)[True]["workflow_call"]["inputs"]
    callers = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
    jobs = [job for caller in callers for job in caller["jobs"].values()]
    assert len(jobs) == 2
    for job in jobs:
        assert job["uses"].startswith("OWNER/gradproof/.github/workflows/gradproof.yml@")
        assert set(job["with"]) <= set(inputs)


def test_own_pipeline_is_the_script_that_runs_anywhere() -> None:
    assert [".ci/run" in step["run"] for step in steps(OWN) if "run" in step] == [True]
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_releases_that_are_tried_are_environments_of_tox() -> None:
    # The ends of the ranges that the package declares, and of the Pythons it names.
    tried = read(RELEASES)["jobs"]["run"]["strategy"]["matrix"]
    text = (ROOT / "tox.ini").read_text("utf-8")
    assert f"[testenv:{{{', '.join(tried['releases'])}}}]" in text
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = declared["optional-dependencies"]
    oldest = {name: Version(version) for name, version in re.findall(r"oldest: (\w+)==([\d.]+?)(?:\.\*)?$", text, re.M)}
    for name, asked in (("torch", extras["torch"]), ("jax", extras["jax"]), ("numpy", declared["dependencies"])):
        (least,) = (Requirement(r).specifier for r in asked if Requirement(r).name == name)
        assert str(least) == f">={'.'.join(map(str, oldest[name].release[:2]))}"
    named = [c.rpartition(" ")[2] for c in declared["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    assert tried["python"] == [named[0], named[-1]]


def test_a_workflow_that_is_called_asks_for_no_rights_of_its_own() -> None:
    # More than the caller grants stops the whole call before it begins.
    made = read(REUSABLE)
    assert "permissions" not in made
    assert ["permissions" in job for job in made["jobs"].values()] == [False]


FAKE = """#!/usr/bin/env bash
printf '%s\\n' "$PWD: $*" >> "$CALLS"
command=$1
while [ $# -gt 1 ]; do
  case $1 in --json|--markdown|--junit|--html) [ "$2" = none ] || echo "made by $command" > "$2" ;; esac
  shift
done
[ "$command" != compare ] || echo "0 new failure"
exit "${FAKE_STATUS:-0}"
"""


class Job:
    """Scripts of the reusable workflow in a folder, with a gradproof that only writes down how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        fake = folder / "bin" / "gradproof"
        fake.write_text(FAKE, "utf-8")
        fake.chmod(0o755)

    def run(self, name: str, where: str = ".", **variables: str) -> tuple[int, dict[str, str]]:
        """Exit status and outputs of a step; GitHub's ``shell: bash`` is called as there."""
        (self.folder / where).mkdir(parents=True, exist_ok=True)
        output = self.folder / "output"
        output.write_text("", "utf-8")
        environment = {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "CALLS": str(self.folder / "calls"),
            "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(self.folder / "summary"), "GITHUB_RUN_ID": "7",
            "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "me/kernels", "FILES": "", "ARGS": "",
            "BACKEND": "torch:cpu", **variables,
        }  # fmt: skip
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script(name)]
        done = subprocess.run(
            bash, cwd=self.folder / where, env=environment, capture_output=True, text=True, check=False
        )
        assert not done.stderr, done.stderr
        return done.returncode, dict(line.split("=", 1) for line in output.read_text("utf-8").splitlines())

    def calls(self) -> list[list[str]]:
        """The arguments of each call so far."""
        lines = (self.folder / "calls").read_text("utf-8").splitlines()
        return [line.partition(": ")[2].split() for line in lines]

    def text(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    return Job(tmp_path)


@pytest.mark.parametrize(("files", "command"), [("", ["run"]), ("a.py b.py", ["check", "a.py", "b.py"])])
def test_what_the_caller_names_is_checked(job: Job, files: str, command: list[str]) -> None:
    hostile = "--format bfloat16 $(touch\tpwned) ;rm"
    assert job.run("Check", FILES=files, ARGS=hostile, FAKE_STATUS="1") == (0, {"status": "1"})
    (called,) = job.calls()
    assert called[: len(command) + 2] == [*command, "--backend", "torch:cpu"]
    assert called[-5:] == ["--format", "bfloat16", "$(touch", "pwned)", ";rm"]
    assert fault(called[:-3]) == ""
    assert not (job.folder / "pwned").exists()
    assert job.text("summary") == f"made by {command[0]}\n"


@pytest.mark.parametrize(("status", "kept"), [("0", True), ("1", True), ("4", False), ("5", False)])
def test_a_baseline_that_did_not_run_is_none(job: Job, status: str, kept: bool) -> None:
    (job.folder / ".gradproof/out").mkdir(parents=True)
    base = job.folder / ".gradproof/out/base.json"
    assert job.run("Check the baseline", ".gradproof/baseline", FILES="a.py", FAKE_STATUS=status)[0] == 0
    assert base.exists() == kept
    assert fault(job.calls()[0]) == ""


def test_the_comparison_becomes_a_comment_and_a_part_of_the_summary(job: Job) -> None:
    out = job.folder / ".gradproof/out"
    out.mkdir(parents=True)
    assert job.run("Compare") == (0, {})  # no baseline
    for name in ("base", "head"):
        (out / f"{name}.json").write_text("{}", "utf-8")
    assert job.run("Compare", FILES="a.py") == (0, {"compared": "0"})
    comment = job.text(".gradproof/out/comment.md")
    assert comment.startswith("<!-- gradproof: a.py torch:cpu -->\nmade by compare\n\n")
    assert "https://github.com/me/kernels/actions/runs/7" in comment
    assert job.text("summary") == comment
    assert [fault(call) for call in job.calls()] == ["", ""]


@pytest.mark.parametrize(
    ("status", "compared", "due"),
    [
        ("0", "", 0), ("1", "", 1), ("5", "", 5),  # no baseline: the check's own
        ("1", "0", 0), ("0", "1", 1), ("1", "1", 1),  # with one: what is new or worse
        ("1", "5", 1), ("0", "5", 0),  # no cell in common: no baseline after all
        ("3", "0", 3), ("4", "0", 4), ("2", "0", 2),  # a check that did not end is no verdict
    ],
)  # fmt: skip
def test_the_verdict_is_the_comparison_where_there_is_one(job: Job, status: str, compared: str, due: int) -> None:
    assert job.run("Verdict", STATUS=status, COMPARED=compared)[0] == due


@pytest.mark.parametrize("step", [s["name"] for s in steps(REUSABLE) if "run" in s])
def test_every_script_is_bash(step: str) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    done = subprocess.run(["bash", "-n"], input=script(step), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
