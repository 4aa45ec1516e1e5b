"""The workflow for GitHub Actions: every option in its commands exists, and its tabs and lists are YAML's."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from tests.architecture.imports import ROOT

FILE = ROOT / "examples" / "github_actions" / "gradproof.yml"


def commands() -> list[str]:
    """What the steps run, folded lines joined."""
    found, lines = [], FILE.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        head = re.match(r"(\s*)(?:- )?run: (.*)", line)
        if head and head[2] == ">":
            block = []
            for following in lines[number + 1 :]:
                if len(following) - len(following.lstrip()) <= len(head[1]):
                    break
                block.append(following.strip())
            found.append(" ".join(block))
        elif head:
            found.append(head[2].strip('"'))
    return found


def options(command: str, tool: str) -> set[str]:
    words = shlex.split(command)
    return {w for w in words[words.index(tool) :] if w.startswith("--")}


def helped(*command: str) -> str:
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=True).stdout


def test_the_commands_are_those_of_the_example() -> None:
    assert [c.split()[0] for c in commands()] == ["pip", "pip", "pytest", "pip", "pip", "gradproof", "[", "cp"]
    assert "\t" not in FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [c for c in commands() if "gradproof " in c and not c.startswith("pip")])
def test_every_option_exists(command: str) -> None:
    words = shlex.split(command)
    assert words.count("gradproof") == 1
    name = words[words.index("gradproof") + 1]
    told = helped("gradproof", name, "--help")
    assert [o for o in options(command, "gradproof") if o not in told] == []


def test_every_option_of_pytest_exists() -> None:
    (command,) = (c for c in commands() if c.startswith("pytest"))
    told = helped("pytest", "--help", "-p", "no:cacheprovider")
    wanted = options(command, "pytest")
    assert {"--gradproof-require-backend", "--gradproof-json", "--gradproof-report"} == wanted
    assert [o for o in wanted if o not in told] == []
