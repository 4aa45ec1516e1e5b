"""The run folder: what is kept, what is believed, who may work in it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gradproof.errors import UsageError, WriteError
from gradproof.files.locks import LOCK
from gradproof.sweep.plan import Target, shards
from gradproof.sweep.running.folder import MANIFEST, DamagedShard, Folder, folder_path

TARGET = Target("silu", (), "torch.nn.functional.silu", "torch:cpu", "eager", "float32", 0, "stable")
SHARDS = shards(TARGET, 0, (4 << 24) - 1)
MADE_BY = {"target": TARGET.to_json(), "versions": {"torch": "2.13", "numpy": "2.4"}}


def answer(index: int) -> dict[str, object]:
    return {"result": {"n": index, "worst": float("inf"), "x": 0.1}, "seconds": 1.5}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run folder with the first three shards finished."""
    with Folder(tmp_path / "run", MADE_BY) as folder:
        for shard in SHARDS[:3]:
            folder.keep(shard, answer(shard.index))
    return tmp_path / "run"


def test_what_was_kept_is_read_back_as_it_was(path: Path) -> None:
    with Folder(path, MADE_BY) as folder:
        assert folder.finished(SHARDS) == SHARDS[:3]
        held = folder.read(SHARDS[1])
        assert held is not None
        assert {name: held[name] for name in ("result", "seconds")} == answer(1)
        assert folder.read(SHARDS[3]) is None


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) - 20
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: b"", "it is empty"),
        (cut, "its checksum does not match its content"),
        (flipped, "its checksum does not match its content"),
        (lambda content: content + b" ", "its checksum does not match its content"),
        (lambda content: b"\0" * len(content), "it does not begin as a shard does"),
    ],
)
def test_a_damaged_file_is_left_out_and_told(path: Path, spoil: Callable[[bytes], bytes], said: str) -> None:
    with Folder(path, MADE_BY) as folder:
        file = folder.file(SHARDS[1])
        file.write_bytes(spoil(file.read_bytes()))
        warned: list[str] = []
        assert folder.finished(SHARDS, warned.append) == [SHARDS[0], SHARDS[2]]
        assert [said in line and str(file) in line for line in warned] == [True]


def test_a_shard_under_another_name_is_not_believed(path: Path) -> None:
    with Folder(path, MADE_BY) as folder:
        folder.file(SHARDS[0]).replace(folder.file(SHARDS[3]))
        with pytest.raises(DamagedShard, match="other bit patterns"):
            folder.read(SHARDS[3])


def test_a_shard_of_another_sweep_is_not_believed(path: Path, tmp_path: Path) -> None:
    with Folder(tmp_path / "other", {**MADE_BY, "versions": {"torch": "2.12"}}) as other:
        other.keep(SHARDS[3], answer(3))
        foreign = other.file(SHARDS[3]).read_bytes()
    with Folder(path, MADE_BY) as folder:
        folder.file(SHARDS[3]).write_bytes(foreign)
        with pytest.raises(DamagedShard, match="another sweep"):
            folder.read(SHARDS[3])


def test_other_versions_are_refused_by_name(path: Path) -> None:
    other = {**MADE_BY, "versions": {"torch": "2.12", "numpy": "2.4"}}
    with pytest.raises(UsageError) as refused, Folder(path, other):
        pass
    assert "versions torch is 2.13 there and 2.12 here" in str(refused.value)
    assert "numpy" not in str(refused.value)
    assert "--fresh" in str(refused.value)


def test_fresh_starts_again_under_the_new_versions(path: Path) -> None:
    other = {**MADE_BY, "versions": {"torch": "2.12"}}
    with Folder(path, other, fresh=True) as folder:
        assert folder.finished(SHARDS) == []
    assert json.loads((path / MANIFEST).read_text("utf-8"))["versions"] == {"torch": "2.12"}


def test_fresh_leaves_what_is_not_ours(path: Path) -> None:
    (path / "notes.txt").write_text("mine", encoding="utf-8")
    with Folder(path, MADE_BY, fresh=True):
        pass
    assert (path / "notes.txt").read_text("utf-8") == "mine"


def test_a_manifest_that_cannot_be_read_is_a_usage_error(path: Path) -> None:
    (path / MANIFEST).write_bytes(b"{")
    with pytest.raises(UsageError, match="--fresh"), Folder(path, MADE_BY):
        pass


def test_what_a_killed_process_was_writing_is_swept_away(path: Path) -> None:
    left = path / ".shard-00003.json.0123.tmp"
    left.write_bytes(b"gradproof-shard/1 half")
    with Folder(path, MADE_BY) as folder:
        assert folder.finished(SHARDS) == SHARDS[:3]
    assert not left.exists()


def test_two_may_not_work_in_one_folder(path: Path) -> None:
    with Folder(path, MADE_BY), pytest.raises(UsageError) as refused, Folder(path, MADE_BY):
        pass
    assert f"process {os.getpid()}" in str(refused.value)
    with Folder(path, MADE_BY) as again:
        assert again.finished(SHARDS) == SHARDS[:3]


def test_a_killed_process_leaves_no_lock_behind(path: Path) -> None:
    program = f"""
import os, signal
from gradproof.sweep.running.folder import Folder
with Folder(__import__("pathlib").Path({str(path)!r}), {MADE_BY!r}):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == -9
    assert (path / LOCK).exists()
    with Folder(path, MADE_BY) as folder:
        assert folder.finished(SHARDS) == SHARDS[:3]


def test_a_full_disk_is_told_and_costs_no_finished_shard(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Folder(path, MADE_BY) as folder:
        before = sorted(file.name for file in path.iterdir())
        with monkeypatch.context() as patched:
            patched.setattr("gradproof.files.writing.os.fsync", full)
            with pytest.raises(WriteError) as refused:
                folder.keep(SHARDS[3], answer(3))
        assert sorted(file.name for file in path.iterdir()) == before
    assert "No space left on device" in str(refused.value)
    assert "make room and run the same command again" in str(refused.value)
    with Folder(path, MADE_BY) as folder:
        assert folder.finished(SHARDS) == SHARDS[:3]


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="--folder"), Folder(tmp_path / "file" / "run", MADE_BY):
        pass


def test_each_target_range_and_file_has_a_folder_of_its_own(tmp_path: Path) -> None:
    others = [
        folder_path(TARGET, 0, 1),
        folder_path(TARGET, 0, 2),
        folder_path(Target(**{**vars(TARGET), "contract": "faithful"}), 0, 1),
        folder_path(Target(**{**vars(TARGET), "file": str(tmp_path / "a.py")}), 0, 1),
        folder_path(Target(**{**vars(TARGET), "file": str(tmp_path / "b.py")}), 0, 1),
        folder_path(Target(**{**vars(TARGET), "order": 1}), 0, 1),
    ]
    assert len(set(others)) == len(others)
    assert folder_path(TARGET, 0, 1).parent == Path(".gradproof/sweeps")
    assert folder_path(TARGET, 0, 1, tmp_path) == folder_path(TARGET, 0, 1, tmp_path)
    assert folder_path(TARGET, 0, 1, tmp_path).name.startswith("silu-torch-cpu-float32-order0-")


def test_a_name_that_no_file_system_takes_is_made_one(tmp_path: Path) -> None:
    odd = Target("elu", (("alpha", "1/3"),), "x", "numpy:cpu", "eager", "float16", 0, "stable")
    assert folder_path(odd, 0, 1, tmp_path).parent == tmp_path
