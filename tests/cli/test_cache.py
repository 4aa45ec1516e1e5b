"""What the command line says of cached tables: ``doctor``, and warnings as one line each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from gradproof.cache import files
from gradproof.cli.app import program
from gradproof.config import effective
from gradproof.errors import UsageError
from gradproof.oracle import tables
from tests.cli.conftest import RIGHT, Invoke
from tests.oracle.building import SAMPLE, TINY, made


def test_doctor_says_where_the_tables_lie_and_how_many(
    gradproof: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.VARIABLE, str(tmp_path / "mine"))
    folder = tmp_path / "mine" / "tables"
    empty = json.loads(gradproof("doctor", "--json").stdout)["cache"]
    told = {"folder": str(folder), "tables": 0, "bytes": 0, "writable": True, "reason": ""}
    assert {k: v for k, v in empty.items() if "program" not in k} == told
    assert not folder.exists()
    tables.table(SAMPLE, TINY, made)
    (file,) = folder.iterdir()
    (folder / "notes").write_text("nothing of ours")
    found = json.loads(gradproof("doctor", "--json").stdout)["cache"]
    assert (found["tables"], found["bytes"]) == (1, file.stat().st_size)
    assert f"{folder}: 1 table, 0.0 MB, writable" in gradproof("doctor").stdout


def test_doctor_says_that_the_cache_is_off_or_cannot_be_written(
    gradproof: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.VARIABLE, "off")
    assert f"switched off by {files.VARIABLE}" in gradproof("doctor").stdout
    (tmp_path / "file").touch()
    monkeypatch.setenv(files.VARIABLE, str(tmp_path / "file"))
    done = gradproof("doctor")
    assert done.exit_code == 0
    assert f"cannot be written; name another folder in {files.VARIABLE}" in done.stdout
    monkeypatch.delenv(files.VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def home() -> Path:
        raise RuntimeError("nobody knows")

    monkeypatch.setattr(Path, "home", home)
    if sys.platform != "win32":
        assert "no folder is known: nobody knows" in gradproof("doctor").stdout


def test_a_slip_in_the_name_of_the_variable_is_named(tmp_path: Path) -> None:
    assert effective({}, environ={files.VARIABLE: "off"}, start=tmp_path) == {}
    with pytest.raises(UsageError, match=f"did you mean '{files.VARIABLE}'"):
        effective({}, environ={"GRADPROOF_CACHEDIR": "off"}, start=tmp_path)


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_a_warning_is_one_line_on_stderr(jobs: str, folder: Path) -> None:
    noisy = RIGHT.replace(
        "    return np.where",
        "    import warnings\n    from gradproof.errors import CacheWarning\n"
        "    warnings.warn('a table was damaged', CacheWarning)\n    return np.where",
    ).replace('["bfloat16"]', '["bfloat16", "float16"]')
    (folder / "noisy.py").write_text(noisy, encoding="utf-8")
    words = ("check", "noisy.py", "--property", "accuracy", "--order", "0", "--quiet", "--jobs", jobs)
    done = subprocess.run(
        [sys.executable, "-m", "gradproof", *words],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr.splitlines() == ["gradproof: warning: a table was damaged"]


def test_the_way_warnings_are_shown_is_as_before_afterwards(folder: Path) -> None:
    before = warnings.showwarning
    with pytest.raises(SystemExit):
        program.main(args=["list", "formats"])
    assert warnings.showwarning is before
