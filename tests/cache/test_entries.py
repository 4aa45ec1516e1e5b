"""What is kept under a key: made once, used by all later processes, never believed when damaged."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from gradproof.cache import entries, files, toml
from gradproof.errors import CacheWarning

KEY = {"what": "squares", "of": "3"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    return tmp_path / "squares"


class Maker:
    """Makes the same bytes each time, and counts."""

    def __init__(self, content: bytes = b"0 1 4") -> None:
        self.content, self.times = content, 0

    def __call__(self) -> bytes:
        self.times += 1
        return self.content


def test_an_entry_is_made_once_for_each_key() -> None:
    make = Maker(b"lines\n\nand \x00 bytes")
    assert {entries.kept("squares", KEY, make) for _ in range(3)} == {make.content}
    assert make.times == 1
    entries.kept("squares", {**KEY, "of": "4"}, make)
    entries.kept("cubes", KEY, make)
    assert make.times == 3


DAMAGES = {
    "a bit": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"5"),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "another key": lambda path: path.write_bytes(entries.packed({"what": "cubes"}, b"0 1 8")),
    "nonsense": lambda path: path.write_bytes(b"0 1 4"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_told_and_made_anew(damage: Callable[[Path], None], folder: Path) -> None:
    make = Maker()
    entries.kept("squares", KEY, make)
    (path,) = folder.iterdir()
    damage(path)
    with pytest.warns(CacheWarning, match="was not used: .*; it is made anew"):
        assert entries.kept("squares", KEY, make) == make.content
    assert make.times == 2
    assert entries.kept("squares", KEY, make) == make.content
    assert make.times == 2


@pytest.mark.parametrize("place", ["off", ""])
def test_nothing_is_kept_where_the_cache_is_off(place: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.VARIABLE, place)
    make = Maker()
    assert [entries.kept("squares", KEY, make) for _ in range(2)] == [make.content] * 2
    assert make.times == 2
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_costs_no_more_than_making(folder: Path) -> None:
    folder.write_bytes(b"a file where the folder should be")
    make = Maker()
    assert [entries.kept("squares", KEY, make) for _ in range(2)] == [make.content] * 2


def test_the_least_recently_used_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(entries.packed({"n": "0"}, bytes(1000)))
    monkeypatch.setattr(entries, "CAP", 3 * size)
    for n in range(6):
        entries.kept("squares", {"n": str(n)}, Maker(bytes(1000)))
    assert files.usage(folder, entries.SUFFIX).files <= 4
    make = Maker()
    assert entries.kept("squares", {"n": "5"}, make) == bytes(1000)


def test_a_toml_file_is_the_same_from_the_cache_and_its_errors_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[a."b c"]\nx = 1\ny = [0.1, inf, "0x7f", true]\n[[entry]]\nz = {q = "é"}\n[[entry]]\n'
    due = tomllib.loads(text)
    assert toml.loads(text) == due
    monkeypatch.setattr(tomllib, "loads", lambda text: pytest.fail("parsed again"))
    assert toml.loads(text) == due
    monkeypatch.undo()
    with pytest.raises(ValueError, match="Invalid value"):
        toml.loads("x = ")
