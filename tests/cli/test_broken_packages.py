"""A third party's package that is broken: the command says whose it is, and does not go on without it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gradproof.backends import registry as backends
from gradproof.engine.properties import installed
from gradproof.functions import registry as functions
from tests.cli.conftest import TINY, Invoke

BROKEN = {
    "raises when imported": ("properties", "mine", "raise ImportError('no libfoo')", "ImportError: no libfoo"),
    "exits when imported": ("backends", "mine", "import sys\nsys.exit(0)", "SystemExit: 0"),
    "has no such name": ("functions", "mine", "other = 1", "has no attribute 'offered'"),
    "raises when called": ("properties", "mine", "def offered():\n    return 1 / 0", "ZeroDivisionError"),
    "offers no properties": ("properties", "mine", "def offered():\n    return ['x']", "'x', which is no gradproof.Pr"),
    "offers no sequence": ("properties", "mine", "def offered():\n    return 3", "instances, got 3"),
    "offers no backend": ("backends", "mine", "offered = 'torch'", "must be a subclass of gradproof.Backend"),
    "offers no function": ("functions", "mine", "offered = [3]", "must be a gradproof.Function or an iterable"),
    "takes a function's name": (
        "functions", "mine", "from gradproof.functions import CATALOGUE\noffered = CATALOGUE[:1]",
        "offers a second function called 'relu'",
    ),
    "takes a backend's name": ("backends", "torch", "offered = None", "offers a second backend of that name"),
    "takes a property's name": (
        "properties", "zz", "def offered():\n    from gradproof_properties import properties\n    return properties()",
        "offers a second property called 'accuracy'",
    ),
    "takes a report's name": ("reports", "html", "offered = print", "offers a second report called 'html'"),
}  # fmt: skip


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install the package ``gradproof-broken`` with one entry point: what pip would leave, on the path."""
    caches = (backends.available_backends, functions._installed, installed._installed, installed.claims)

    def install(group: str, name: str, source: str) -> None:
        metadata = tmp_path / "gradproof_broken-9.8.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: gradproof-broken\nVersion: 9.8\n")
        (metadata / "entry_points.txt").write_text(f"[gradproof.{group}]\n{name} = gradproof_broken:offered\n")
        (tmp_path / "gradproof_broken.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "gradproof_broken", raising=False)
        for found in caches:
            found.cache_clear()

    yield install
    for found in caches:
        found.cache_clear()


ASKED = ("run", *TINY, "--json", "none", "--html", "page.html", "--quiet")


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_package_is_named_and_the_run_does_not_start(how: str, broken: Any, gradproof: Invoke) -> None:
    group, name, source, says = BROKEN[how]
    broken(group, name, source)
    done = gradproof(*ASKED)
    assert done.exit_code == 4, done.output
    assert f"the entry point {name!r} (gradproof_broken:offered) of gradproof.{group}" in done.stderr
    assert "from the package gradproof-broken 9.8" in done.stderr
    assert says in done.stderr
    assert "mend or uninstall it, or set GRADPROOF_NO_PLUGINS=1" in done.stderr


@pytest.mark.parametrize("group", ["properties", "backends", "reports"])
def test_without_plugins_a_broken_package_is_not_looked_at(
    group: str, broken: Any, gradproof: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(group, "mine", "raise ImportError('no libfoo')")
    monkeypatch.setenv("GRADPROOF_NO_PLUGINS", "1")
    done = gradproof(*ASKED)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("group", ["properties", "backends", "functions", "reports", "studies"])
def test_doctor_goes_on_and_says_what_is_broken(group: str, broken: Any, gradproof: Invoke) -> None:
    broken(group, "mine", "raise ImportError('no libfoo')")
    done = gradproof("doctor")
    assert done.exit_code == 0, done.output
    told = " ".join(done.stdout.split())
    assert "broken: the entry point 'mine'" in told
    assert "from the package gradproof-broken 9.8 cannot be loaded: ImportError: no libfoo" in told
