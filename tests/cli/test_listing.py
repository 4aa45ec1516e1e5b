"""``list`` and ``doctor``: the facts, as a table and as JSON."""

from __future__ import annotations

import json
import sys

import pytest

from gradproof.backends import Availability, backend_ids
from gradproof.backends.numpy.backend import NumpyBackend
from gradproof.backends.registry import _availability
from tests.cli.conftest import Invoke


def test_functions_are_listed_with_their_parameters_and_kinks(gradproof: Invoke) -> None:
    rows = {row["name"]: row for row in json.loads(gradproof("list", "functions", "--json").stdout)}
    assert rows["relu6"] == {"name": "relu6", "params": {}, "kinks": [0.0, 6.0]}
    assert rows["leaky_relu"]["params"] == {"negative_slope": 0.01}
    assert rows["tanh"]["kinks"] == []


def test_formats_are_listed_with_the_numbers_of_ieee_754(gradproof: Invoke) -> None:
    rows = {row["name"]: row for row in json.loads(gradproof("list", "formats", "--json").stdout)}
    # IEEE 754-2019, table 3.5: binary16 has 11 significand bits and 65504 as its largest number.
    assert (rows["float16"]["bits"], rows["float16"]["precision"], rows["float16"]["largest"]) == (
        16,
        11,
        "65504.0",
    )
    assert float(rows["float32"]["least_normal"]) == 2.0**-126


def test_properties_are_listed_with_their_statements(gradproof: Invoke) -> None:
    rows = {row["name"]: row for row in json.loads(gradproof("list", "properties", "--json").stdout)}
    assert rows["accuracy"]["orders"] == [0, 1, 2]
    assert all(row["statement"] and row["source"] for row in rows.values())


def test_implementations_are_those_of_the_catalogue(gradproof: Invoke) -> None:
    rows = json.loads(gradproof("list", "implementations", "--json").stdout)
    alphas = [r["params"]["alpha"] for r in rows if r["backend"] == "numpy" and r["function"] == "elu"]
    assert alphas == [1.0, 2.0]


def test_deviations_are_those_of_the_ledger_with_what_explains_them(gradproof: Invoke) -> None:
    rows = {row["name"]: row for row in json.loads(gradproof("list", "deviations", "--json").stdout)}
    tanh = rows["torch-tanh-tail"]
    assert (tanh["backend"], tanh["functions"]) == ("torch", ["tanh"])
    assert tanh["formulas"] == ["tanh/torch/1", "tanh/torch/2", "tanh/torch-forward/2"]
    assert all(row["reason"] and row["versions"] for row in rows.values())
    assert "torch-tanh-tail" in gradproof("list", "deviations").stdout


def test_without_a_name_everything_cheap_is_listed(gradproof: Invoke) -> None:
    found = json.loads(gradproof("list", "--json").stdout)
    assert set(found) == {"functions", "backends", "properties", "formats"}
    table = gradproof("list").stdout
    assert "bfloat16" in table
    assert "zero-input" in table


def test_a_table_has_a_heading_and_a_line_per_row(gradproof: Invoke) -> None:
    lines = gradproof("list", "backends").stdout.splitlines()
    assert lines[0].split() == ["name", "available", "modes", "reason"]
    assert [line.split()[0] for line in lines[1:]] == list(backend_ids())


def test_doctor_says_what_is_here(gradproof: Invoke) -> None:
    done = gradproof("doctor", "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert set(found["backends"]) == set(backend_ids())
    assert found["backends"]["numpy:cpu"]["available"] is True
    assert "numpy" in found["backends"]["numpy:cpu"]["versions"]
    kinds = ("properties", "claims", "ledgers", "studies", "reports", "functions", "backends")
    assert set(found["packs"]) == {f"gradproof.{kind}" for kind in kinds}
    assert found["broken"] == []
    assert "python-flint" in found["packages"]


def test_doctor_says_that_a_package_cannot_be_imported(gradproof: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    told = json.loads(gradproof("doctor", "--json").stdout)["packages"]["ml_dtypes"]
    assert "but it cannot be imported" in told


def test_doctor_says_why_a_backend_is_missing_and_still_exits_0(
    gradproof: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        NumpyBackend,
        "availability",
        classmethod(lambda cls, device: Availability(False, "take two spoons of numpy")),
    )
    _availability.cache_clear()
    try:
        done = gradproof("doctor")
    finally:
        _availability.cache_clear()
    assert done.exit_code == 0
    (line,) = [line for line in done.stdout.splitlines() if "numpy:cpu" in line]
    assert "missing" in line
    assert "take two spoons of numpy" in line


def test_doctor_survives_a_backend_that_breaks(gradproof: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> None:
        raise OSError("seeded: no such library")

    monkeypatch.setattr(NumpyBackend, "versions", broken)
    done = gradproof("doctor")
    assert done.exit_code == 0
    assert "installed, but unusable: OSError: seeded: no such library" in done.stdout
