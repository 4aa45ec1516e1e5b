"""What the tests of sweeps share: jobs of a few shards, and a folder in which their work leaves its marks."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradproof.engine.surroundings import sources
from gradproof.sweep.running.campaign import Job
from gradproof.sweep.targets import Wanted, plan
from tests.sweep import works

SHARDS = 6


@pytest.fixture(autouse=True)
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of marks; worker processes inherit its name."""
    folder = tmp_path / "marks"
    folder.mkdir()
    monkeypatch.setenv(works.FOLDER, str(folder))
    return folder


@pytest.fixture(autouse=True)
def one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may edit the source while its tests run; the digest of it is not what they are about."""
    monkeypatch.setattr(sources, "source", lambda: "")


def jobs(*functions: str, shards: int = SHARDS) -> list[Job]:
    """Jobs of so many shards of float32 on NumPy, from bit pattern 3 on, so that the first shard is a part of one."""
    wanted = Wanted(functions, backends=("numpy",), bits=f"0x3..{(shards << 24) - 1:#x}")
    return plan(wanted).jobs
