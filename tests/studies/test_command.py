"""``gradproof study``: the list, the table, the file, and what is said about wrong usage."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gradproof.cli import codes, study
from gradproof.cli.app import program
from gradproof_properties.studies import mnist, relu_at_zero

SMALL = (
    "study", "relu-at-zero", "--backend", "numpy", "--format", "bfloat16", "--bias", "added", "--layers", "1,2",
    "--width", "4", "--initialisations", "3", "--batches", "2", "--batch", "32", "--jobs", "1",
)  # fmt: skip

Invoke = Callable[..., Result]


@pytest.fixture
def gradproof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.chdir(tmp_path)
    drawn = mnist.synthetic
    monkeypatch.setattr(mnist, "synthetic", lambda seed: drawn(seed, 200))
    return lambda *args: CliRunner(env={"COLUMNS": "2000"}).invoke(program, list(args))


def test_without_a_name_the_studies_are_listed(gradproof: Invoke) -> None:
    done = gradproof("study")
    assert done.exit_code == codes.OK
    assert "relu-at-zero" in done.stdout
    assert "ReLU'(0)" in done.stdout


def test_the_table_and_the_file_say_the_same(gradproof: Invoke) -> None:
    done = gradproof(*SMALL, "--json", "study.json")
    assert done.exit_code == codes.OK, done.output
    held = json.loads(Path("study.json").read_text("utf-8"))
    assert (held["schema"], held["study"], held["complete"]) == ("gradproof-study/1", "relu-at-zero", True)
    assert held["data"]["rows"] == 64
    assert held["settings"]["seed"] == 0
    assert held["backends"]["numpy:cpu"]["numpy"]
    assert held["environment"]["gradproof"]
    table = done.stdout.splitlines()
    for number, row in enumerate(held["rows"]):
        assert (row["layers"], row["width"], row["relu_calls"]) == (number + 1, 4, 3 * 64 * 4 * (number + 1))
        cells = table[1 + number].split()
        assert cells[:6] == ["numpy:cpu", "bfloat16", str(number + 1), "4", "3", str(row["hit"])]
        assert str(row["zeros"]) in cells
    assert "this run has others" in done.stdout  # two batches are no epoch


def test_a_whole_epoch_is_said_to_be_synthetic(gradproof: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradproof_properties.studies.published.ROWS", 64)
    monkeypatch.setattr("gradproof_properties.studies.published.BATCH", 32)
    done = gradproof(*SMALL)
    assert "--data PATH measures on its files" in done.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--layers", "0"), "whole numbers from 1 to 64"),
        (("--layers", "1;2"), "such as 1,3,6"),
        (("--width", ""), "whole numbers from 1"),
        (("--initialisations", "0"), "--initialisations"),
        (("--max-seconds", "0"), "--max-seconds"),
        (("--format", "float8_e5m2"), "float8_e5m2"),
        (("--backend", "numpi"), "did you mean 'numpy'"),
        (("--backend", "numpy:cuda"), "numpy:cuda"),
        (("--data", "nowhere"), "there is no nowhere"),
        (("--json", "."), "it is a folder"),
    ],
)
def test_wrong_usage_is_named(gradproof: Invoke, more: tuple[str, ...], said: str) -> None:
    done = gradproof(*SMALL, *more)
    assert done.exit_code == codes.USAGE
    assert said in done.stderr


def test_an_unknown_study_is_answered_with_a_near_one(gradproof: Invoke) -> None:
    done = gradproof("study", "relu-at-sero")
    assert done.exit_code == codes.USAGE
    assert "did you mean 'relu-at-zero'?" in done.stderr


def test_an_interrupt_prints_what_was_done(gradproof: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupting(plan: Any, images: Any, **more: Any) -> Any:
        def stop(measured: Any) -> None:
            raise KeyboardInterrupt

        return real(plan, images, **{**more, "watch": stop})

    real = relu_at_zero.run
    monkeypatch.setattr(relu_at_zero, "run", interrupting)
    done = gradproof(*SMALL, "--json", "study.json")
    assert done.exit_code == codes.INTERRUPTED
    assert "ended early (interrupted)" in done.stdout
    assert [row["initialisations"] for row in json.loads(Path("study.json").read_text("utf-8"))["rows"]] == [1, 1]


def test_a_study_that_ended_early_spares_an_earlier_file(gradproof: Invoke) -> None:
    assert gradproof(*SMALL, "--json", "study.json").exit_code == codes.OK
    before = Path("study.json").read_bytes()
    done = gradproof(*SMALL, "--max-seconds", "1e-9", "--json", "study.json")
    assert done.exit_code == codes.NOTHING
    assert "kept: study.json holds more than this run" in done.stdout
    assert Path("study.json").read_bytes() == before


def test_a_study_goes_to_standard_output_and_its_table_to_stderr(gradproof: Invoke) -> None:
    done = gradproof(*SMALL, "--json", "-")
    assert json.loads(done.stdout)["study"] == "relu-at-zero"
    assert "Clopper-Pearson" in done.stderr


def test_a_run_that_is_out_of_time_measured_nothing(gradproof: Invoke) -> None:
    done = gradproof(*SMALL, "--max-seconds", "1e-9")
    assert done.exit_code == codes.NOTHING
    assert "ended early (max-seconds)" in done.stdout


@pytest.mark.parametrize(
    ("value", "said"), [("no.such.module:name", "cannot be loaded"), ("json:dumps", "must be a click.Command")]
)
def test_an_entry_point_that_is_no_study_is_named(
    gradproof: Invoke, monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    point = EntryPoint("broken", value, study.GROUP)
    monkeypatch.setattr("gradproof.cli.study.enabled_entry_points", lambda group: [point])
    done = gradproof("study", "broken")
    assert done.exit_code == codes.USAGE
    assert said in done.stderr
