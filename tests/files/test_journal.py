"""The journal of finished work: what is believed of it, whatever happened while it was written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradproof.errors import CacheWarning, UsageError
from gradproof.files.journal import JOURNAL, Journal, read, taken_up
from gradproof.files.locks import LOCK

MADE_BY = {"settings": {"formats": ["float16"], "seed": 1}, "versions": {"numpy": "2.4"}}
RECORDS = [{"place": [0, index], "u": 0.1 * index, "text": "a\nline \u2028 \udce9"} for index in range(4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which four records were kept."""
    with Journal(tmp_path / "run") as journal:
        journal.begin(MADE_BY)
        for record in RECORDS:
            journal.append(record)
    return tmp_path / "run"


def found(folder: Path, manifest: Any = MADE_BY) -> tuple[list[Any], str]:
    with Journal(folder) as journal:
        return taken_up(journal, manifest)


def test_what_was_kept_is_read_back_as_it_was_in_order(folder: Path) -> None:
    assert found(folder) == (RECORDS, "")


def test_cut_off_at_any_byte_only_the_unfinished_record_is_lost(folder: Path) -> None:
    whole = (folder / JOURNAL).read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]
    for end in range(len(whole)):
        (folder / JOURNAL).write_bytes(whole[:end])
        kept, why = found(folder)
        assert kept == RECORDS[: max(0, sum(e <= end for e in ends) - 1)]
        assert why == ""


@given(where=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), cut=st.booleans())
def test_whatever_one_byte_becomes_nothing_wrong_is_believed(
    tmp_path_factory: pytest.TempPathFactory, where: float, byte: int, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("any") / "run"
    with Journal(folder) as journal:
        journal.begin(MADE_BY)
        for record in RECORDS:
            journal.append(record)
    content = bytearray((folder / JOURNAL).read_bytes())
    content[int(where * len(content))] = byte
    (folder / JOURNAL).write_bytes(content[: int(where * len(content)) + 1] if cut else content)
    held = read(folder / JOURNAL)
    assert held.manifest in (None, MADE_BY)
    assert all(record in RECORDS for record in held.records)
    assert len(held.records) + 2 >= len(RECORDS) or cut or held.manifest is None


def test_writing_goes_on_behind_a_torn_record(folder: Path) -> None:
    whole = (folder / JOURNAL).read_bytes()
    (folder / JOURNAL).write_bytes(whole[:-5])
    with Journal(folder) as journal:
        taken_up(journal, MADE_BY)
        journal.append("more")
    assert found(folder) == ([*RECORDS[:3], "more"], "")


@pytest.mark.parametrize("line", [1, 2, 4])
def test_a_damaged_record_is_left_out_with_a_warning_and_the_others_count(folder: Path, line: int) -> None:
    lines = (folder / JOURNAL).read_bytes().split(b"\n")
    lines[line] = lines[line][:-1] + b"!"
    (folder / JOURNAL).write_bytes(b"\n".join(lines))
    with pytest.warns(CacheWarning, match=f"line {line + 1}: its checksum does not match"):
        kept, _ = found(folder)
    assert kept == [record for index, record in enumerate(RECORDS) if index != line - 1]


def test_a_damaged_manifest_leaves_nothing_to_believe(folder: Path) -> None:
    content = (folder / JOURNAL).read_bytes()
    (folder / JOURNAL).write_bytes(content.replace(b"2.4", b"2.5", 1))
    with pytest.warns(CacheWarning, match="line 1"):
        assert found(folder) == ([], "")


def test_records_of_another_journal_are_not_believed(folder: Path, tmp_path: Path) -> None:
    with Journal(tmp_path / "other") as journal:
        journal.begin({**MADE_BY, "versions": {"numpy": "2.3"}})
        journal.append("foreign")
    foreign = (tmp_path / "other" / JOURNAL).read_bytes().split(b"\n")[1]
    with (folder / JOURNAL).open("ab") as stream:
        stream.write(foreign + b"\n")
    with pytest.warns(CacheWarning, match="line 6"):
        assert found(folder)[0] == RECORDS


def test_another_manifest_starts_anew_and_says_what_differs(folder: Path) -> None:
    other = {"settings": {"formats": ["bfloat16"], "seed": 1}, "versions": {"numpy": "2.5"}}
    assert found(folder, other) == (
        [], "settings formats is float16 there and bfloat16 here; versions numpy is 2.4 there and 2.5 here",
    )  # fmt: skip
    assert read(folder / JOURNAL).records == []
    assert found(folder, other) == ([], "")


def test_two_may_not_work_in_one_folder(folder: Path) -> None:
    with Journal(folder), pytest.raises(UsageError, match=rf"process {os.getpid()}\) is working"), Journal(folder):
        pass


def test_a_killed_process_leaves_no_lock_and_all_its_records(folder: Path) -> None:
    program = f"""
import os, signal
from gradproof.files.journal import Journal, taken_up
with Journal(__import__("pathlib").Path({str(folder)!r})) as journal:
    taken_up(journal, {MADE_BY!r})
    journal.append("last")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert (folder / LOCK).exists()
    assert found(folder)[0] == [*RECORDS, "last"]


class Full:
    """A stream on a disk that takes ten bytes more."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.room = 10

    def write(self, content: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken, self.room = self.stream.write(content[: self.room]), 0
        return int(taken)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def test_a_full_disk_costs_no_record_before(folder: Path) -> None:
    with Journal(folder) as journal:
        taken_up(journal, MADE_BY)
        journal._stream = Full(journal._stream)
        with pytest.raises(OSError, match="No space left"):
            journal.append("x" * 100)
    assert found(folder)[0] == RECORDS


def test_finished_work_leaves_nothing_behind_but_what_is_not_ours(folder: Path) -> None:
    with Journal(folder) as journal:
        journal.remove()
    assert not folder.exists()
    with Journal(folder) as journal:
        (folder / "notes.txt").write_text("mine", encoding="utf-8")
        journal.remove()
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]


def test_who_waits_for_a_removed_lock_gets_the_new_one(folder: Path) -> None:
    with Journal(folder) as journal:
        journal.remove()
        with Journal(folder), pytest.raises(UsageError, match="is working in"), Journal(folder):
            pass
