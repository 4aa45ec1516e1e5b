"""What the packages promise to outsiders: names, types, entry points, one version."""

from __future__ import annotations

import importlib
import re
from importlib.metadata import distribution, entry_points

import pytest

from tests.architecture.imports import ROOT, SOURCES, frameworks_of, modules

PUBLIC = [
    name
    for name, file in modules().items()
    if re.search(r"^__all__\b", file.read_text("utf-8"), re.MULTILINE) and not frameworks_of(name)
]


def test_some_modules_declare_their_names() -> None:
    assert "gradproof" in PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_declared_name_exists_and_is_declared_once(name: str) -> None:
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__))
    assert not [n for n in module.__all__ if not hasattr(module, n)]


@pytest.mark.parametrize("package", sorted(SOURCES))
def test_each_package_says_that_it_is_typed(package: str) -> None:
    assert (SOURCES[package] / package / "py.typed").is_file()


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("console_scripts", {"gradproof"}),
        ("pytest11", {"gradproof"}),
        ("gradproof.properties", {"builtin"}),
        ("gradproof.claims", {"builtin"}),
        ("gradproof.ledgers", {"builtin"}),
        ("gradproof.studies", {"relu-at-zero"}),
        ("gradproof.reports", {"html", "junit", "markdown"}),
    ],
)
def test_every_entry_point_leads_to_something_callable_or_a_module(group: str, names: set[str]) -> None:
    own = {p.name: p for p in entry_points(group=group) if p.dist is not None and p.dist.name == "gradproof"}
    assert set(own) == names
    for point in own.values():
        target = point.load()
        assert callable(target) if point.attr else target.__name__ == point.module


def test_the_installed_version_is_the_one_in_the_source() -> None:
    source = (ROOT / "verify" / "gradproof" / "_version.py").read_text("utf-8")
    (declared,) = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    assert distribution("gradproof").version == declared


def test_the_extras_are_those_of_the_documentation() -> None:
    assert set(distribution("gradproof").metadata.get_all("Provides-Extra")) == {
        "cluster",
        "jax",
        "libdevice",
        "pytest",
        "sweep",
        "torch",
    }


def test_no_framework_is_a_dependency_of_the_core() -> None:
    core = [r for r in distribution("gradproof").requires or [] if "extra ==" not in r]
    assert core
    assert not [r for r in core if re.match(r"(torch|jax|jaxlib|pytest|distributed)\b", r)]
