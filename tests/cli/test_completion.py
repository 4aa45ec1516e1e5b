"""Completion: what the shells are told, and what they make of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke


def offered(*words: str) -> list[str]:
    """What may follow, as click tells bash; a file as ``file``."""
    environment = {**os.environ, "_GRADPROOF_COMPLETE": "bash_complete", "COMP_CWORD": str(len(words))}
    environment["COMP_WORDS"] = " ".join(["gradproof", *words])
    done = subprocess.run(
        [sys.executable, "-m", "gradproof"], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stderr == ""
    return [
        value if kind == "plain" else kind
        for kind, _, value in (x.partition(",") for x in done.stdout.split("\n") if x)
    ]


@pytest.mark.parametrize(
    ("words", "due"),
    [
        (("comb",), ["combine"]),
        (("run", "--form"), ["--format"]),
        (("run", "--format", "BF"), ["bfloat16", "bf16"]),
        (("run", "--function", "si"), ["silu", "sigmoid"]),
        (("run", "--backend", "to"), ["torch"]),
        (("run", "--backend", "torch:"), ["torch:cpu", "torch:cuda"]),
        (("run", "--device", "c"), ["cpu", "cuda"]),
        (("check", "--property", "accu"), ["accuracy"]),
        (("check", "--profile", "q"), ["quick"]),
        (("check", "--contract", "st"), ["stable"]),
        (("check", "--mode", "ea"), ["eager"]),
        (("check", "mine"), ["file"]),
        (("run", "--json", "res"), ["file"]),
        (("sweep", "hardsh"), ["hardshrink", "file"]),
        (("repro", "ge"), ["gelu", "gelu_tanh"]),
        (("explain", "mis"), ["mish", "file"]),
        (("list", "form"), ["formats"]),
        (("compare", "--fail-on", "l"), ["lost"]),
        (("completion", "z"), ["zsh"]),
        (("compare", "res"), ["file"]),
    ],
)
def test_commands_options_and_values_are_offered(words: tuple[str, ...], due: list[str]) -> None:
    assert offered(*words) == due


def test_every_command_is_offered(gradproof: Invoke) -> None:
    from gradproof.cli.app import COMMANDS

    assert offered("") == list(COMMANDS)


def test_without_a_shell_it_says_how(gradproof: Invoke) -> None:
    done = gradproof("completion")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["bash", "zsh", "fish"]
    assert gradproof("completion", "tcsh").exit_code == 4


@pytest.fixture
def command(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``gradproof`` is this one."""
    file = tmp_path / "bin" / "gradproof"
    file.parent.mkdir()
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gradproof "$@"\n', encoding="utf-8")
    file.chmod(0o755)
    return {**os.environ, "PATH": f"{file.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}


BASH = """
eval "$(gradproof completion bash)"
complete -p gradproof >&2
COMP_WORDS=(gradproof run --format bf) COMP_CWORD=3
_gradproof_completion gradproof bf --format
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
autoload -Uz compinit; compinit -u -D
eval "$(gradproof completion zsh)"
print -u2 $_comps[gradproof]
compadd() { print -l -- ${(P)@[-1]} }
words=(gradproof run --format bf) CURRENT=4
_gradproof_completion
"""
FISH = """
gradproof completion fish | source
complete -c gradproof >&2
complete -C "gradproof run --format bf"
"""


@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)])
def test_a_shell_completes(shell: str, script: str, command: dict[str, str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=False, env=command, timeout=60)
    assert sorted(done.stdout.split()) == ["bf16", "bfloat16"], done.stderr
    assert "gradproof" in done.stderr
