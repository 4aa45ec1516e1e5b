"""docs/findings.md is what its data says, and every row of it is seen again by a script without gradproof."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from gradproof.backends import availability
from gradproof.engine.surroundings.environment import surroundings
from tests.architecture.imports import ROOT

SCRIPT = ROOT / "benchmarks/findings.py"
ROWS: list[dict[str, Any]] = json.loads((ROOT / "docs/evidence/findings.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def findings() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("findings_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[spec.name]


def test_the_page_is_made_of_its_data(findings: ModuleType) -> None:
    assert (ROOT / "docs/findings.md").read_text("utf-8") == findings.page(ROWS)


def test_there_are_as_many_as_the_page_is_worth() -> None:
    assert len(ROWS) >= 100
    assert len({r["deviation"] for r in ROWS if not r["upstream"]}) >= 20


def test_an_unknown_deviation_is_told_with_the_known_ones(findings: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"expected a deviation, got 'no-such'; known: .*torch-silu-tail"):
        findings.issue("no-such")


def rows(backend: str) -> list[Any]:
    """The rows of a framework, one for each command."""
    distinct = {r["command"]: r for r in ROWS if r["backend"] == backend}
    return [pytest.param(r, id=f"{r['implementation']}-{r['mode']}-{r['deviation']}") for r in distinct.values()]


def seen_again(findings: ModuleType, row: dict[str, Any]) -> None:
    """Run the row's script and compare what it prints with the row."""
    name = f"{row['backend']}:cpu"
    if not availability(name).available:
        pytest.skip(f"no {row['backend']} here")
    here = surroundings([name])
    if (here.hardware[name], here.versions[name]) != (row["hardware"], row["versions"][row["backend"]]):
        pytest.skip(f"seen on {row['hardware']} with {row['versions']}: kernels differ")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(findings.script(row), "script.py", "exec"), {"__name__": "__main__"})
    said = out.getvalue()
    told = re.search(r"u = ([\d.e+]+)", row["error"])
    assert len(said.splitlines()) >= 2, said
    assert re.search(r"error +none", said) is None, said
    # Not of a convention, a relation or a wrong class; of a conversion the script counts from the rounded number.
    found = re.search(r"error +([\d.e+]+) ulp", said)
    if told is not None and found is not None and not row["function"].startswith("to_"):
        assert float(found[1]) == pytest.approx(float(told[1]), rel=1e-3)
    else:
        assert found is None or float(found[1]) > 0.5


@pytest.mark.framework("torch")
@pytest.mark.parametrize("row", rows("torch"))
def test_a_finding_about_torch_is_seen_by_its_script(findings: ModuleType, row: dict[str, Any]) -> None:
    seen_again(findings, row)


@pytest.mark.framework("jax")
@pytest.mark.parametrize("row", rows("jax"))
def test_a_finding_about_jax_is_seen_by_its_script(findings: ModuleType, row: dict[str, Any]) -> None:
    seen_again(findings, row)
