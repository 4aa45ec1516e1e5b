"""A mode that cannot be used here: the plan, evaluate, doctor and the exit code say so, and say what it would take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradproof.backends import Availability, Call, get_backend
from gradproof.backends.numpy.backend import NumpyBackend
from gradproof.engine.planning.plan import plan
from gradproof.engine.request.selection import Selection
from gradproof.errors import BackendUnavailable
from gradproof.formats import FORMATS
from tests.cli.conftest import TINY, Invoke, folder, gradproof

__all__ = ["folder", "gradproof"]  # fixtures

LACKING = "take a compiler"


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's one mode lacks something."""
    monkeypatch.setattr(NumpyBackend, "mode_availability", lambda self, mode: Availability(False, f"{LACKING}: {mode}"))


@pytest.mark.usefixtures("without")
def test_the_cells_of_a_mode_that_cannot_be_used_are_not_run_with_its_reason() -> None:
    made = plan(Selection(backends=("numpy",), functions=("relu",), properties=("accuracy",)))
    assert made.tasks == 0
    assert {(c.status, c.reason) for c in made.settled} == {("not-run", f"{LACKING}: eager")}
    assert {c.order for c in made.settled} == {0, 1, 2}


@pytest.mark.usefixtures("without")
def test_a_run_of_it_alone_exits_5_and_prints_the_reason(gradproof: Invoke) -> None:
    done = gradproof("run", *TINY, "--html", "none")
    assert done.exit_code == 5
    assert f"{LACKING}: eager" in done.stdout


@pytest.mark.usefixtures("without")
def test_doctor_names_the_modes_that_cannot_be_used(gradproof: Invoke) -> None:
    found = json.loads(gradproof("doctor", "--json").stdout)["backends"]["numpy:cpu"]["modes"]
    assert found == {"eager": {"available": False, "reason": f"{LACKING}: eager", "tool": ""}}
    assert f"no mode eager: {LACKING}: eager" in gradproof("doctor").stdout


def test_doctor_lists_the_modes_with_what_they_work_with(gradproof: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NumpyBackend, "mode_availability", lambda self, mode: Availability(True, tool="a loom 1.2"))
    assert "modes eager (a loom 1.2)" in gradproof("doctor").stdout


@pytest.mark.framework("torch")
class TestTorchWithoutACompiler:
    """What is asked of Inductor is asked with the command that it would start itself."""

    @pytest.fixture(autouse=True)
    def _no_compiler(self) -> None:
        pytest.importorskip("torch")

    def made(self) -> object:
        """A backend that has not looked for a compiler yet."""
        return type(get_backend("torch"))("cpu")

    def test_the_reason_names_the_command_that_was_tried_and_what_to_install(self) -> None:
        import torch._inductor.config as inductor

        with inductor.patch({"cpp.cxx": (None, "/nowhere/g++")}):
            state = self.made().mode_availability("compiled")  # type: ignore[attr-defined]
        assert not state.available
        for words in ("C++ compiler", "/nowhere/g++", "apt install g++", "CXX"):
            assert words in state.reason

    def test_only_the_mode_compiled_needs_one_and_evaluate_refuses_it(self) -> None:
        import torch._inductor.config as inductor

        from gradproof.backends.torch.catalogue import catalogue

        (relu,) = [i for i in catalogue() if i.function == "relu"]
        bits, fmt = np.array([0x3F800000], np.uint32), FORMATS["float32"]
        with inductor.patch({"cpp.cxx": (None, "/nowhere/g++")}):
            made = self.made()
            for mode in ("eager", "autocast"):
                assert made.evaluate(relu, bits, fmt, Call(mode=mode))[0] == 0x3F800000  # type: ignore[attr-defined]
            with pytest.raises(BackendUnavailable, match=r"/nowhere/g\+\+"):
                made.evaluate(relu, bits, fmt, Call(mode="compiled"))  # type: ignore[attr-defined]

    def test_missing_headers_of_python_are_told(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        from gradproof.backends.torch import inductor as torch_inductor

        if not self.made().mode_availability("compiled").available:  # type: ignore[attr-defined]
            pytest.skip("no C++ compiler here")
        monkeypatch.setattr(torch_inductor.sysconfig, "get_path", lambda name: str(tmp_path))
        state = self.made().mode_availability("compiled")  # type: ignore[attr-defined]
        assert (state.available, "Python.h" in state.reason) == (False, True)

    def test_a_run_without_one_says_so_and_exits_5(self, tmp_path: Path) -> None:
        environment = {**os.environ, "CXX": "/nowhere/g++"}
        environment.pop("TORCH_INDUCTOR_INSTALL_GXX", None)
        command = [sys.executable, "-m", "gradproof", "run", "--backend", "torch:cpu", "--function", "elu", "--html"]
        command += ["none", "--json", str(tmp_path / "r.json"), "--mode", "compiled"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
        assert done.returncode == 5, done.stderr
        cells = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["cells"]
        assert len(cells) > 50
        assert {c["status"] for c in cells} == {"not-run"}
        assert {"/nowhere/g++" in c["reason"] for c in cells} == {True}


@pytest.mark.framework("torch")
def test_a_compiler_is_named_with_its_version(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from gradproof.backends.torch.inductor import described

    for printed, told in (
        ("g++ (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright (C) 2022", "g++ 12.2.0"),
        ("Apple clang version 15.0.0 (clang-1500.3.9.4)", "g++ 15.0.0"),
        ("icpx", "g++"),
    ):
        command = tmp_path / "g++"
        command.write_text(f"#!/bin/sh\nprintf '{printed}'\n", encoding="utf-8")
        command.chmod(0o755)
        assert described(str(command)) == told


@pytest.mark.framework("torch")
@pytest.mark.parametrize(
    ("told", "named", "left"),
    [
        ("avx2", None, "default-avx2"),
        ("avx2", "default", "default-avx2"),
        ("avx2", "mine", "mine"),
        (None, None, None),
        (None, "mine", "mine"),
    ],
)
def test_code_for_another_vector_capability_is_cached_apart(
    told: str | None, named: str | None, left: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from torch._inductor.runtime import cache_dir_utils

    from gradproof.backends.torch import inductor as torch_inductor

    monkeypatch.setattr(cache_dir_utils, "default_cache_dir", lambda: "default")
    for name, value in (("ATEN_CPU_CAPABILITY", told), (torch_inductor.CACHE, named)):
        monkeypatch.setenv(name, value or "")  # put back afterwards, whatever is done to it
        if value is None:
            del os.environ[name]
    torch_inductor._keep_capabilities_apart()
    assert os.environ.get(torch_inductor.CACHE) == left
