"""Compiled programs of JAX on disk: used again by the next process, and never believed when damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradproof.backends import Call, get_backend
from gradproof.backends.base import Backend, Implementation
from gradproof.cache import entries, files
from gradproof.errors import CacheWarning
from gradproof.formats import FORMATS
from gradproof.formats import arrays as fa

jax = pytest.importorskip("jax")

from jax._src import compilation_cache, compiler  # noqa: E402

from gradproof.backends.jax import programs as jax_programs  # noqa: E402

FLOAT32 = FORMATS["float32"]
BITS = fa.round_values(np.linspace(-4, 4, 300), FLOAT32)

PROCESS = """
import numpy as np
from jax._src import compiler
from gradproof.backends import Call, get_backend
from gradproof.formats import FORMATS, arrays as fa

compiled, compile_ = [], compiler.backend_compile_and_load
compiler.backend_compile_and_load = lambda *given: compiled.append(1) or compile_(*given)
backend = get_backend("jax:cpu")
(gelu,) = [i for i in backend.catalogue() if i.function == "gelu"]
for name in ("float64", "bfloat16"):
    bits = fa.round_values(np.linspace(-4, 4, 300), FORMATS[name])
    for mode in ("eager", "compiled"):
        for order in (0, 1, 2):
            print(backend.evaluate(gelu, bits, FORMATS[name], Call(order, mode)).tobytes().hex())
print(len(compiled))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    return tmp_path / jax_programs.KIND


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows by one with each program that is compiled."""
    made: list[object] = []
    real = compiler.backend_compile_and_load
    monkeypatch.setattr(compiler, "backend_compile_and_load", lambda *given: made.append(given[1]) or real(*given))
    return made


def fresh() -> tuple[Backend, Implementation]:
    """A backend and a function that this process has not compiled yet."""
    jax.clear_caches()
    jax_programs._programs.cache_clear()
    backend = get_backend("jax:cpu")
    backend.release()
    return backend, Implementation("any", "jax", "mine:cubed", lambda x: x * x * x)


def evaluated() -> bytes:
    backend, cubed = fresh()
    return bytes(backend.evaluate(cubed, BITS, FLOAT32, Call(mode="compiled")).tobytes())


def test_the_next_process_compiles_nothing_and_has_the_same_bits(tmp_path: Path) -> None:
    def run() -> list[str]:
        environment = {**os.environ, files.VARIABLE: str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", PROCESS], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    (*first, compiled), (*second, again) = run(), run()
    assert int(compiled) > 12
    assert int(again) == 0
    assert second == first


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)


def renamed(path: Path) -> None:
    """The sound file of another program under this name."""
    path.write_bytes(entries.packed(jax_programs._key("jit_other-" + "0" * 64), b"no program"))


DAMAGES = {
    "a bit": flipped,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "another program": renamed,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_program_is_compiled_anew_and_replaced(
    damage: Callable[[Path], None], folder: Path, compiled: list[object]
) -> None:
    due = evaluated()
    sound = {path: path.read_bytes() for path in folder.iterdir()}
    for path in sound:
        damage(path)
    compiled.clear()
    with pytest.warns(CacheWarning, match="compiled anew"):
        assert evaluated() == due
    assert len(compiled) == len(sound)
    compiled.clear()
    assert evaluated() == due
    assert not compiled


def test_a_sound_seal_on_nonsense_is_compiled_anew(folder: Path, compiled: list[object]) -> None:
    due = evaluated()
    for path in folder.iterdir():
        key = json.loads(path.read_bytes().split(b"\n")[1])
        path.write_bytes(entries.packed(key, b"no program"))
    compiled.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX says that it cannot read it
        assert evaluated() == due
    assert compiled


def test_without_a_folder_programs_are_remembered_by_the_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[object]
) -> None:
    monkeypatch.setenv(files.VARIABLE, "off")
    due = evaluated()
    assert not folder.exists()
    compiled.clear()
    backend, cubed = get_backend("jax:cpu"), Implementation("any", "jax", "mine:cubed again", lambda x: x * x * x)
    jax.clear_caches()
    assert backend.evaluate(cubed, BITS, FLOAT32, Call(mode="compiled")).tobytes() == due
    assert not compiled


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_a_folder_that_others_can_write_to_holds_no_programs(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    jax_programs._is_private.cache_clear()
    evaluated()
    assert not list(folder.iterdir())


def test_the_users_own_cache_and_settings_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = jax_programs.Programs(None)
    monkeypatch.setattr(compilation_cache, "_cache", theirs)
    limit = jax.config.jax_persistent_cache_min_compile_time_secs
    seen = []

    def looking(x: object) -> object:
        seen.append(jax.config.jax_persistent_cache_min_compile_time_secs)
        return x * x  # type: ignore[operator]

    backend, _ = fresh()
    backend.evaluate(Implementation("any", "jax", "mine:looking", looking), BITS, FLOAT32, Call())
    assert seen == [0.0]
    assert compilation_cache._cache is theirs
    assert jax.config.jax_persistent_cache_min_compile_time_secs == limit
    assert not theirs._memory
    assert list(folder.iterdir())


def test_the_least_recently_used_programs_go_first_and_memory_is_bounded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jax_programs, "REMEMBERED", 250)
    monkeypatch.setattr(jax_programs, "CAP", 700)
    for n in range(3):
        programs = jax_programs.Programs(folder)
        programs.put(f"jit_f-{n:064x}", bytes(100))
        os.utime(next(folder.glob(f"{n:064x}*")), (n, n))
        programs.put(f"jit_g-{n + 16:064x}", bytes(200))
        assert list(programs._memory) == [f"jit_g-{n + 16:064x}"]
    assert files.usage(folder, jax_programs.SUFFIX).size < 700 + 600
    assert not list(folder.glob(f"{0:064x}*"))
