"""NumPy's stand-ins are named as gradproof's own kernels: where people read, and nowhere else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gradproof.backends import get_backend
from gradproof.results.labels import REFERENCES, catalogue_origin, kernel_origin, kernel_origins, place_of
from gradproof.results.model import Cell, RunResult
from gradproof_reports.html import render_html
from gradproof_reports.junit import render_junit
from gradproof_reports.markdown import render_markdown
from tests.cli.conftest import folder as folder  # a fixture
from tests.cli.conftest import gradproof as gradproof  # as above
from tests.reports.synthetic import run

LABEL = f"numpy:cpu ({REFERENCES})"
OURS = "gradproof.backends.reference_numpy."
SMALL = run(functions=2)


def on_numpy(*names: str) -> RunResult:
    """Cells of a run, on numpy:cpu, by the implementations of these names one after the other."""
    taken = [c for c in SMALL.cells if (c.backend, c.device, c.mode) == ("torch", "cpu", "eager")]
    cells = [replace(c, backend="numpy", implementation=names[i % len(names)]) for i, c in enumerate(taken)]
    return replace(SMALL, cells=cells, claims=[])


def test_every_kernel_of_the_catalogue_is_known_as_ours_and_nothing_of_numpys() -> None:
    names = {i.name for i in get_backend("numpy").catalogue()}
    ours = {name for name in names if kernel_origin(name)}
    assert {name for name in names if name.startswith(OURS)} == ours
    assert names - ours == {"numpy.ndarray.astype"}


@pytest.mark.parametrize("name", ["mine:relu", "numpy:relu", "numpy.maximum", "torch.relu", "reference_numpy:relu"])
def test_what_a_user_or_a_framework_brings_is_not_ours(name: str) -> None:
    assert kernel_origin(name) == ""


def test_a_place_is_labelled_where_nothing_but_the_stand_ins_and_numpy_itself_was_judged() -> None:
    def of(*names: str) -> dict[str, str]:
        return kernel_origins(on_numpy(*names).cells)

    assert of(OURS + "relu") == of(OURS + "relu", "numpy.ndarray.astype") == {"numpy:cpu": REFERENCES}
    assert of("mine:relu") == of(OURS + "relu", "mine:relu") == of("numpy.ndarray.astype") == {"numpy:cpu": ""}
    assert catalogue_origin("numpy") == catalogue_origin("numpy:cpu") == REFERENCES
    assert catalogue_origin("torch:cpu") == ""


def test_the_cell_of_a_stand_in_keeps_its_id() -> None:
    (cell, *_) = on_numpy(OURS + "relu").cells
    assert place_of(cell) == LABEL
    assert REFERENCES not in cell.id


def texts(result: RunResult) -> tuple[str, str]:
    return render_html(result).replace("&#39;", "'"), render_markdown(result)


def test_reports_say_whose_kernels_were_judged() -> None:
    page, markdown = texts(on_numpy(OURS + "relu"))
    assert f"<small>{REFERENCES}</small>" in page
    assert f'<th scope="col">{LABEL}</th>' in page
    assert f"| {LABEL} |" in markdown
    page, markdown = texts(on_numpy("mine:relu"))
    assert REFERENCES not in page
    assert REFERENCES not in markdown
    assert "| numpy:cpu |" in markdown


def test_markdown_tells_the_two_apart_in_one_result() -> None:
    lines = render_markdown(on_numpy(OURS + "relu", "mine:relu")).splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| numpy")] == [f"| {LABEL}", "| numpy:cpu"]


def test_what_machines_read_has_plain_names() -> None:
    result = on_numpy(OURS + "relu")
    assert REFERENCES not in render_junit(result)
    assert REFERENCES not in json.dumps(result.to_json())


def test_a_failing_stand_in_is_told_as_ours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradproof.cli.console import console
    from gradproof.cli.failures import show

    monkeypatch.setenv("COLUMNS", "200")
    failing: list[Cell] = [c for c in on_numpy(OURS + "relu").cells if c.status == "fail"]
    show(console(), failing[0])
    assert f"of        {OURS}relu ({REFERENCES})" in capsys.readouterr().out
