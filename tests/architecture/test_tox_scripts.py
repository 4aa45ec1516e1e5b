"""The scripts behind the tox environments: a skip says why, and an absent backend is never left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.architecture import cuda_env, shards


def driver(init: int, devices: int) -> Any:
    """A stand-in for the driver's library that reports ``devices`` and CUDA 12.4."""

    def put(value: int) -> Any:
        def call(pointer: Any) -> int:
            pointer._obj.value = value
            return 0

        return call

    return SimpleNamespace(cuInit=lambda _: init, cuDeviceGetCount=put(devices), cuDriverGetVersion=put(12040))


def no_driver(_: str) -> Any:
    raise OSError


def test_without_a_driver_the_reason_names_its_library() -> None:
    version, reason = cuda_env.device(no_driver)
    assert version == 0
    assert "no NVIDIA driver" in reason


def test_a_driver_that_does_not_start_is_the_reason() -> None:
    assert "cuInit returned 100" in cuda_env.device(lambda _: driver(100, 1))[1]


def test_hidden_devices_are_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES=''" in cuda_env.device(lambda _: driver(0, 0))[1]


def test_a_device_is_no_reason_to_skip() -> None:
    assert cuda_env.device(lambda _: driver(0, 2)) == (12040, "")


def test_a_skip_is_said_and_is_no_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cuda_env, "device", lambda: (0, "there is none"))
    assert cuda_env.main(["torch-cuda"]) == 0
    assert capsys.readouterr().out == "SKIPPED: torch-cuda: there is none\n"


def test_a_device_is_checked_and_its_failure_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_env, "device", lambda: (13000, ""))
    monkeypatch.setattr(cuda_env, "check", lambda name, version: 1 if (name, version) == ("jax-cuda", 13000) else 0)
    assert cuda_env.main(["jax-cuda"]) == 1


@pytest.mark.parametrize(
    ("framework", "version", "present", "extra"),
    [
        ("torch", 13000, False, []),
        ("jax", 13000, False, ["jax[cuda13]"]),
        ("jax", 12040, False, ["jax[cuda12]"]),
        ("jax", 13000, True, []),
    ],
)
def test_a_framework_that_is_there_is_not_replaced(
    framework: str, version: int, present: bool, extra: list[str]
) -> None:
    assert cuda_env.requirements(framework, version, lambda _: present)[1:] == extra


@pytest.mark.parametrize(
    ("name", "expected"), [("numpy", "numpy:cpu"), ("torch", "torch:cpu"), ("jax-cuda", "jax:cuda")]
)
def test_an_environment_stands_for_one_backend(name: str, expected: str) -> None:
    assert cuda_env.backend_of(name) == expected


class Recorder:
    """Stands in for the command line: remembers the calls and writes the results file that was asked for."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.calls: list[list[str]] = []

    def __call__(self, arguments: Sequence[str]) -> int:
        self.calls.append(list(arguments))
        if arguments[0] == "run":
            Path(arguments[arguments.index("--json") + 1]).write_text("{}", "utf-8")
            return self.status
        return 0


def test_an_absent_device_is_recorded_with_the_frameworks_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shards, "device", lambda: (0, "there is none"))
    run = Recorder(status=shards.NOTHING_RAN)
    assert shards.absent("torch-cuda", run, tmp_path) == 0
    assert run.calls == [shards.quick_run("torch-cuda", tmp_path)]


def test_a_failure_while_recording_an_absent_device_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shards, "device", lambda: (0, "there is none"))
    assert shards.absent("torch-cuda", Recorder(status=3), tmp_path) == 3


def test_a_present_device_is_left_to_its_own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shards, "device", lambda: (13000, ""))
    run = Recorder()
    assert shards.absent("torch-cuda", run, tmp_path) == 0
    assert run.calls == []


def test_the_report_lists_a_framework_that_left_no_results(tmp_path: Path) -> None:
    for name in ("numpy", "torch", "jax", "torch-cuda"):
        (tmp_path / f"{name}.json").write_text("{}", "utf-8")
    run = Recorder(status=shards.NOTHING_RAN)
    assert shards.combine(run, tmp_path, tmp_path / "out") == 0
    assert [call[0] for call in run.calls] == ["run", "combine", "report"]
    assert run.calls[0][2] == "jax:cuda"
    assert len([a for a in run.calls[1] if a.endswith(".json")]) == len(shards.EXPECTED) + 1


def test_a_report_without_numpys_results_fails(tmp_path: Path) -> None:
    run = Recorder()
    assert shards.combine(run, tmp_path, tmp_path / "out") == 1
    assert "combine" not in [call[0] for call in run.calls]


def test_clearing_removes_only_what_the_environment_left(tmp_path: Path) -> None:
    for name in ("torch.json", "torch-pytest.xml", "torch-cuda.json"):
        (tmp_path / name).write_text("", "utf-8")
    shards.clear("torch", tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["torch-cuda.json"]
