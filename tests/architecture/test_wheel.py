"""The wheel: three names at top level, every file of the packages, nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.imports import ROOT, SOURCES

pytest.importorskip("hatchling", reason="building the wheel needs hatchling")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in a wheel built from this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built).namelist()


def test_only_the_three_packages_are_at_top_level(wheel: list[str]) -> None:
    top = {name.partition("/")[0] for name in wheel}
    (metadata,) = {name for name in top if name.endswith(".dist-info")}
    assert metadata.startswith("gradproof-")
    assert top == {*SOURCES, metadata}


def test_every_file_of_the_packages_is_in_the_wheel(wheel: list[str]) -> None:
    expected = {
        file.relative_to(root).as_posix()
        for package, root in SOURCES.items()
        for file in (root / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    packed = {name for name in wheel if ".dist-info/" not in name}
    assert packed == expected
    assert {f"{package}/py.typed" for package in SOURCES} <= packed


def test_the_licence_and_the_entry_points_travel_along(wheel: list[str]) -> None:
    names = {name.partition("/")[2] for name in wheel if ".dist-info/" in name}
    assert {"licenses/LICENSE", "entry_points.txt", "METADATA"} <= names


def test_no_package_has_a_name_that_is_taken(wheel: list[str]) -> None:
    assert not {"verify", "properties", "reports", "tests"} & {Path(name).parts[0] for name in wheel}
