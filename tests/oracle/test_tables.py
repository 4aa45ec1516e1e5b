"""Cached tables: the same bits warm as cold, no damaged file believed, nothing lost with a killed process."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradproof.cache import files
from gradproof.errors import CacheWarning
from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32
from gradproof.formats.arrays import all_bits
from gradproof.functions import Function, get_function
from gradproof.oracle import Oracle, Reference, store, tables
from tests.architecture.imports import ROOT
from tests.oracle.building import MOMENTS, SAMPLE, TINY, made, same, sample


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where this test's tables lie; not made yet."""
    monkeypatch.setenv(files.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(tables, "_folders_given_up", set())
    return tmp_path / "cache" / "tables"


@pytest.fixture
def stored(folder: Path) -> Path:
    """The stored table of SAMPLE."""
    sample()
    (path,) = folder.iterdir()
    return path


def never() -> list[Reference]:
    raise AssertionError("computed although it is stored")


def counted() -> tuple[list[int], Callable[[], list[Reference]]]:
    calls: list[int] = []

    def build() -> list[Reference]:
        calls.append(1)
        return made()

    return calls, build


# -- what comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["relu", "gelu", "hardtanh"])
@pytest.mark.parametrize("fmt", [FLOAT16, BFLOAT16], ids=lambda fmt: fmt.name)
def test_a_real_table_is_the_same_computed_cold_and_warm(name: str, fmt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    function = get_function(name)
    cold = tables.table(function, fmt, lambda: Oracle(function).references(all_bits(fmt), fmt))
    warm = tables.table(function, fmt, never)
    monkeypatch.setenv(files.VARIABLE, "off")
    assert same(cold, Oracle(function).references(all_bits(fmt), fmt))
    assert same(cold, warm)


def test_every_field_comes_back_in_every_bit_with_its_type() -> None:
    assert same(sample(), made())
    assert same(tables.table(SAMPLE, TINY, never), made())


def test_another_answer_under_another_key_is_kept_apart() -> None:
    sample()
    other = Function("sample", (lambda m, x: m.sigmoid(x),))
    assert same(tables.table(other, TINY, lambda: made(seed=1)), made(seed=1))
    assert same(tables.table(SAMPLE, TINY, never), made())
    assert same(tables.table(other, TINY, never), made(seed=1))


@pytest.mark.parametrize("state", ["cold", "warm", "off"])
def test_nobody_can_write_into_a_table(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if state == "warm":
        sample()
    if state == "off":
        monkeypatch.setenv(files.VARIABLE, "off")
    for reference in sample():
        for name in vars(reference):
            with pytest.raises(ValueError, match="read-only"):
                getattr(reference, name)[0] = 1
            with pytest.raises(ValueError, match="cannot set WRITEABLE"):
                getattr(reference, name).flags.writeable = True


def test_a_rebuilt_file_has_the_same_bytes(stored: Path) -> None:
    before = stored.read_bytes()
    stored.unlink()
    sample()
    assert stored.read_bytes() == before


@pytest.mark.parametrize("value", ["off", "OFF", "", "  "])
def test_the_cache_can_be_switched_off(value: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample()
    monkeypatch.setenv(files.VARIABLE, value)
    calls, build = counted()
    for _ in range(2):
        assert same(tables.table(SAMPLE, TINY, build), made())
    assert len(calls) == 2
    assert len(list(folder.iterdir())) == 1


def test_wide_formats_and_short_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 16 bits, got float32"):
        tables.table(SAMPLE, FLOAT32, never)
    with pytest.raises(ValueError, match="expected 3 orders at 256 inputs"):
        tables.table(SAMPLE, TINY, lambda: made()[:2])
    with pytest.raises(ValueError, match="expected 3 orders at 256 inputs"):
        tables.table(SAMPLE, TINY, lambda: [r[:-1] for r in made()])


def test_exponents_that_do_not_fit_are_refused_and_not_wrapped() -> None:
    wide = made()
    wide[1].exponent[3] = 1 << 15
    with pytest.raises(ValueError, match="exponents of 16 bits"):
        tables.table(SAMPLE, TINY, lambda: wide)


# -- damage ------------------------------------------------------------------------------------------------


def flipped(position: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(position * (len(content) - 1)) if position <= 1 else int(position)] ^= 4
        path.write_bytes(content)

    return damage


def cut(share: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content)) if share < 1 else len(content) - 1])

    return damage


def foreign(path: Path) -> None:
    key = dict(table_key(SAMPLE)) | {"numpy": "1.0"}
    path.write_bytes(store.packed(key, tables._arrays(made(seed=5), TINY)))


def other_arrays(path: Path) -> None:
    path.write_bytes(store.packed(table_key(SAMPLE), {"high": np.zeros((3, 256))}))


def other_type(path: Path) -> None:
    arrays = tables._arrays(made(seed=5), TINY)
    path.write_bytes(store.packed(table_key(SAMPLE), {**arrays, "slope": arrays["slope"].astype(np.float32)}))


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def looped(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES = {
    "bit of the first word": (flipped(0), "does not begin as it should"),
    "bit of the checksum": (flipped(40), "checksum"),
    "bit of the header": (flipped(150), "checksum"),
    "bit of the payload": (flipped(0.5), "checksum"),
    "bit of the last byte": (flipped(1.0), "checksum"),
    "empty": (cut(0), "is empty"),
    "cut in the first line": (cut(0.001), "does not begin as it should"),
    "cut in the header": (cut(0.02), "checksum"),
    "cut in the payload": (cut(0.6), "checksum"),
    "last byte missing": (cut(1), "checksum"),
    "a byte too many": (lengthened, "checksum"),
    "zeros": (lambda path: path.write_bytes(bytes(path.stat().st_size)), "does not begin as it should"),
    "valid, under another key": (foreign, "made under another key: numpy differ"),
    "valid, other arrays": (other_arrays, "holds other arrays"),
    "valid, another type": (other_type, "holds other arrays"),
    "a link to itself": (looped, "cannot be read"),
    "a named pipe": (piped, "is no file"),
}


def table_key(function: Function) -> store.Key:
    key = tables.table_key(function, TINY)
    assert key is not None
    return key


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_reported_and_built_anew(damage: str, stored: Path) -> None:
    before = stored.read_bytes()
    inflict, told = DAMAGES[damage]
    inflict(stored)
    calls, build = counted()
    with pytest.warns(CacheWarning) as caught:
        answer = tables.table(SAMPLE, TINY, build)
    (message,) = [str(w.message) for w in caught]
    assert str(stored) in message
    assert told in message
    assert "computed anew" in message
    assert calls == [1]
    assert same(answer, made())
    assert stored.read_bytes() == before
    assert same(tables.table(SAMPLE, TINY, never), made())


def test_every_single_flipped_bit_of_the_first_lines_is_noticed(stored: Path) -> None:
    content = stored.read_bytes()
    key = table_key(SAMPLE)
    assert store.unpacked(content, key)
    lines = content.index(b"\n", content.index(b"\n") + 1) + 1
    for position in range(lines):
        for bit in range(8):
            wrong = bytearray(content)
            wrong[position] ^= 1 << bit
            with pytest.raises(files.Damaged):
                store.unpacked(bytes(wrong), key)


@pytest.mark.parametrize(
    "header",
    [b"", b"7", b"{}", b"\xff", b'{"arrays": 3, "key": {}}', b'{"key": {}, "arrays": [["a", "O", [1]]]}',
     b'{"key": {}, "arrays": [["a", "<f8", [-1]]]}', b'{"key": {}, "arrays": [["a", "<f8", [1e9]]]}',
     b'{"key": {}, "arrays": [["a", "<f8", []]]}', b'{"key": 1, "arrays": []}',
     b'{"key": {}, "arrays": []}', b'{"key": {}, "arrays": [["a", "<f4", [1]]]}',  b"[" * 100_000],
    ids=str,
)  # fmt: skip
def test_a_header_that_makes_no_sense_is_damage_even_with_the_right_checksum(header: bytes) -> None:
    rest = header + b"\n" + bytes(8)
    content = store._MAGIC + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest
    with pytest.raises(files.Damaged):
        store.unpacked(content, {})


def test_a_folder_in_the_place_of_a_table_is_named_and_left_alone(stored: Path, folder: Path) -> None:
    stored.unlink()
    stored.mkdir()
    (stored / "precious").touch()
    with pytest.warns(CacheWarning) as caught:
        assert same(sample(), made())
    assert [str(stored) in str(w.message) for w in caught] == [True, True]
    assert "remove it" in str(caught[0].message)
    assert (stored / "precious").exists()
    other = Function("other", SAMPLE.pieces)
    assert same(tables.table(other, TINY, made), made())
    assert same(tables.table(other, TINY, never), made())


def test_an_unreadable_file_is_replaced(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refused)
        with pytest.warns(CacheWarning, match=r"cannot be read \(Permission denied\)"):
            assert same(sample(), made())
    assert same(tables.table(SAMPLE, TINY, never), made())


def test_a_damaged_file_is_mended_even_where_warnings_are_errors(stored: Path) -> None:
    before = stored.read_bytes()
    flipped(0.5)(stored)
    with pytest.raises(CacheWarning):  # the suite's filter turns it into an error
        sample()
    assert stored.read_bytes() == before


# -- places that cannot be written -------------------------------------------------------------------------


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)


def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def mkdir(self: Path, *_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", mkdir)


@pytest.mark.parametrize(("fault", "told"), [(full, "No space left"), (read_only, "Read-only file system")])
def test_without_a_place_tables_are_computed_and_that_is_said_once(
    fault: Callable[[pytest.MonkeyPatch], None], told: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        fault(patched)
        write, tried = store.write, list[int]()
        patched.setattr(store, "write", lambda *given: (tried.append(1), write(*given)))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for name in ("a", "b", "a"):
                assert same(tables.table(Function(name, SAMPLE.pieces), TINY, made), made())
    (message,) = [str(w.message) for w in caught]
    assert tried == [1]
    assert told in message
    assert str(folder) in message
    assert f"{files.VARIABLE}=off" in message
    assert not folder.exists() or not list(folder.iterdir())


def test_a_place_below_a_file_is_no_place(folder: Path) -> None:
    folder.parent.write_text("a file")
    with pytest.warns(CacheWarning, match="no tables can be cached"):
        assert same(sample(), made())
    assert not files.writable(folder)


def test_a_folder_without_permission_to_write_is_still_read(stored: Path, folder: Path) -> None:
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    try:
        assert same(tables.table(SAMPLE, TINY, never), made())
        assert not files.writable(folder)
        with pytest.warns(CacheWarning, match="Permission denied"):
            tables.table(Function("other", SAMPLE.pieces), TINY, made)
    finally:
        folder.chmod(0o700)


def test_where_nobody_knows_the_home_tables_live_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv(files.VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", home)
    with pytest.warns(CacheWarning, match="Could not determine home directory"):
        assert same(sample(), made())
    assert same(sample(), made())


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the XDG specification is Linux's")
def test_the_default_place_follows_the_xdg_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(files.VARIABLE)
    monkeypatch.setenv("HOME", "/srv/me")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/caches")
    assert store.directory() == Path("/var/caches/gradproof/tables")
    # "All paths set in these environment variables must be absolute": a relative one is to be ignored.
    for ignored in ("", "caches"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert store.directory() == Path("/srv/me/.cache/gradproof/tables")


def test_the_suite_keeps_out_of_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    place = store.directory()
    assert place is not None
    assert place.is_relative_to(tempfile.gettempdir())


# -- killed and concurrent processes -----------------------------------------------------------------------


def start(place: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.oracle.building", *words],
        cwd=ROOT, env={**os.environ, files.VARIABLE: str(place)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def tables_of(place: Path) -> list[Path]:
    return sorted((place / "tables").glob("*.table"))


def test_a_process_killed_at_any_moment_leaves_no_file_that_is_believed(
    tmp_path: Path, stored: Path, started: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    started += [start(tmp_path / moment, moment) for moment in MOMENTS]
    for moment, process in zip(MOMENTS, started, strict=True):
        process.wait(60)
        assert process.returncode == (-signal.SIGXFSZ if moment == "die_half_written" else -signal.SIGKILL)
        place = tmp_path / moment
        assert len(tables_of(place)) == (moment == "die_after_replace")
        left = list((place / "tables").glob(".*.tmp"))
        assert len(left) == (moment in ("die_half_written", "die_before_sync", "die_before_replace"))
        monkeypatch.setenv(files.VARIABLE, str(place))
        assert same(sample(), made())
        (file,) = tables_of(place)
        assert file.name == stored.name
        assert file.read_bytes() == stored.read_bytes()


def test_a_process_killed_while_it_writes_leaves_the_old_file_the_new_one_or_none(
    tmp_path: Path, stored: Path, started: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    places = [tmp_path / str(k) for k in range(4)]
    started += [start(place, "write_on") for place in places]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for place, process in zip(places, started, strict=True):
        time.sleep(rng.uniform(0.01, 0.1))
        process.kill()
        process.wait()
        assert all(file.read_bytes() == stored.read_bytes() for file in tables_of(place))
        monkeypatch.setenv(files.VARIABLE, str(place))
        assert same(sample(), made())
        (file,) = tables_of(place)
        assert file.read_bytes() == stored.read_bytes()


def test_four_processes_at_once_build_read_and_delete_without_seeing_half_a_file(
    tmp_path: Path, stored: Path, started: list[subprocess.Popen[str]]
) -> None:
    place, go = tmp_path / "shared", tmp_path / "go"
    started += [start(place, "share", str(go)) for _ in range(4)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    go.touch()
    assert [process.wait(60) for process in started] == [0, 0, 0, 0]
    assert not list((place / "tables").glob(".*.tmp"))
    for file in tables_of(place):
        assert file.read_bytes() == stored.read_bytes()


# -- order in the folder -----------------------------------------------------------------------------------


def test_abandoned_temporaries_go_and_fresh_ones_stay(stored: Path, folder: Path) -> None:
    old, fresh = (folder / f".x.table.{k}.tmp" for k in "12")
    for file in (old, fresh):
        file.write_bytes(b"half")
    own = folder / "notes.tmp"
    own.write_bytes(b"the user's")
    hours_ago = time.time() - 2 * files.ABANDONED_AFTER
    for file in (old, own):
        os.utime(file, (hours_ago, hours_ago))
    tables.table(Function("other", SAMPLE.pieces), TINY, made)
    assert not old.exists()
    assert fresh.exists()
    assert own.exists()


def test_beyond_the_cap_the_least_recently_used_tables_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = {name: Function(name, SAMPLE.pieces) for name in "abcd"}
    for age, name in enumerate("abc"):
        tables.table(functions[name], TINY, made)
        (file,) = folder.glob(f"{name}-*")
        day = time.time() - 86_400 * (10 - age)
        os.utime(file, (day, day))
    tables.table(functions["a"], TINY, never)  # used again: b is now the oldest
    size = file.stat().st_size
    monkeypatch.setattr(store.tidy, "__defaults__", (3 * size,))
    tables.table(functions["d"], TINY, made)
    assert sorted(f.name[0] for f in folder.iterdir()) == ["a", "c", "d"]
    assert files.usage(folder, store.SUFFIX) == (3, 3 * size)


def test_a_name_that_is_no_file_name_is_written_as_one(folder: Path) -> None:
    odd = Function("../a b/" + "ü" * 300, SAMPLE.pieces)
    assert same(tables.table(odd, TINY, made), made())
    assert same(tables.table(odd, TINY, never), made())
    (file,) = folder.iterdir()
    assert file.name.startswith(".._a_b__")
    assert len(file.name) < 100
