"""What is released: the wheel (three names at top level, every file of the packages, nothing else), the sdist, and the
files that say again what pyproject.toml says.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.architecture.imports import ROOT, SOURCES

pytest.importorskip("hatchling", reason="building the wheel needs hatchling")


def built(kind: str, source: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = out.iterdir()
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in a wheel built from this checkout."""
    return zipfile.ZipFile(built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))).namelist()


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


def test_the_sdist_makes_the_same_wheel(wheel: list[str], tmp_path: Path) -> None:
    sdist = built("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / sdist.name.removesuffix(".tar.gz")
    assert (unpacked / "tests" / "conftest.py").is_file()
    assert set(zipfile.ZipFile(built("wheel", unpacked, tmp_path / "wheel")).namelist()) == set(wheel)


def requirements(lines: list[str]) -> set[tuple[str, str]]:
    return {(name, least) for line in lines for name, least in re.findall(r"^([\w-]+) ?>=([\w.]+)", line)}


def test_the_recipe_of_conda_asks_for_what_the_package_asks_for() -> None:
    yaml = pytest.importorskip("yaml", reason="the recipe is YAML")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    recipe = yaml.safe_load((ROOT / "packaging" / "recipe.yaml").read_text("utf-8"))
    assert requirements(recipe["requirements"]["run"]) == requirements(project["dependencies"])
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    constrained = [line.replace("pytorch", "torch") for line in recipe["requirements"]["run_constraints"]]
    assert requirements(constrained) == requirements(extras)
    below = project["requires-python"].partition(",")[2]
    assert any(line.startswith("python ") and line.endswith(below) for line in recipe["requirements"]["run"])
    assert recipe["build"]["python"]["entry_points"] == [f"{k} = {v}" for k, v in project["scripts"].items()]
    assert (recipe["about"]["summary"], recipe["about"]["license"]) == (project["description"], project["license"])


def test_the_citation_and_the_recipe_name_the_version() -> None:
    yaml = pytest.importorskip("yaml", reason="both files are YAML")
    version = re.search(
        r'__version__ = "(.+)"', (SOURCES["gradproof"] / "gradproof" / "_version.py").read_text("utf-8")
    )
    assert version is not None
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == version[1]
    recipe = yaml.safe_load((ROOT / "packaging" / "recipe.yaml").read_text("utf-8"))
    assert recipe["context"]["version"] == version[1].partition(".dev")[0]
