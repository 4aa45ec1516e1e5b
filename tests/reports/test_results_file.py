"""Writing, reading and validating results files."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from pathlib import Path
from typing import Any

import pytest

from gradproof.errors import UsageError, WriteError
from gradproof.results import model, read_results, schema, validate, write_results
from gradproof.results.model import RunResult
from tests.reports.synthetic import run

SMALL = run(functions=2)
UNIONS = (types.UnionType, typing.Union)


def test_a_result_read_back_is_equal_to_the_one_written(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "results.json"
    write_results(SMALL, file)
    assert read_results(file) == SMALL


def test_what_is_written_follows_the_published_schema(tmp_path: Path) -> None:
    write_results(SMALL, tmp_path / "r.json")
    validate(json.loads((tmp_path / "r.json").read_text(encoding="utf-8")))


def with_cell(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(SMALL.to_json()))
    document["cells"][0].update(changes)
    return document


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"status": "passed"}, "cells[0].status"),
        ({"order": 3}, "cells[0].order"),
        ({"worst_bits": "12"}, "cells[0].worst_bits"),
        ({"surprise": 1}, "cells[0]"),
        ({"evidence": {"kind": "sampled"}}, "cells[0].evidence"),
        ({"severity": "bad"}, "cells[0].severity"),
        ({"measured": {"conventions": -1}}, "cells[0].measured.conventions"),
        ({"measured": {"excused": {"u_max": 3.0}}}, "cells[0].measured.excused"),
    ],
)
def test_the_schema_refuses_and_names(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate(with_cell(**changes))
    assert f"document.{place}: " in str(caught.value)


def test_the_figures_of_excused_points_follow_the_schema() -> None:
    figures = {"u_max": None, "m_max": 8.4e6, "abs_max": 1.1e-38, "magnitude": None, "worst_bits": "0x007fffff"}
    validate(with_cell(excused=3, measured={"excused": figures, "conventions": 2}))


def shape_of(name: str) -> type[Any]:
    """The class of a definition of the schema, which calls a RunRecord a shard, as the file does."""
    shape: type[Any] = getattr(model, "RunRecord" if name == "shard" else name[0].upper() + name[1:])
    return shape


def test_the_schema_names_every_field_of_the_model_and_no_other() -> None:
    published = schema()
    assert set(published["properties"]) == {"schema"} | {f.name for f in dataclasses.fields(RunResult)}
    for name, definition in published["$defs"].items():
        shape = shape_of(name)
        assert set(definition["properties"]) == {f.name for f in dataclasses.fields(shape)}, name
        assert definition["additionalProperties"] is False


def test_the_schema_lets_null_stand_exactly_where_the_model_does() -> None:
    for name, definition in schema()["$defs"].items():
        hints = typing.get_type_hints(shape_of(name))
        for field, rule in definition["properties"].items():
            kinds = typing.get_args(hints[field]) if typing.get_origin(hints[field]) in UNIONS else ()
            text = json.dumps(rule)
            nullable = field not in ("quantiles", "measured") and ('"null"' in text or "null]" in text)
            assert nullable == (type(None) in kinds), (name, field)


def test_the_schema_is_valid_itself() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "it is empty"),
        ('{"schema": "gradproof-results/1", "run": {', "ends or breaks"),
        ("[]", "no 'schema' key"),
        ('{"schema": "gradproof-results/2"}', "got schema 'gradproof-results/2'"),
        ('{"schema": "gradproof-results/1", "cells": []}', "lacks 'run'"),
    ],
)
def test_a_file_that_is_no_results_file_is_refused_with_what_was_expected(
    tmp_path: Path, content: str, says: str
) -> None:
    file = tmp_path / "r.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="gradproof-results/1") as caught:
        read_results(file)
    assert says in str(caught.value)
    assert "r.json" in str(caught.value)


def test_a_missing_file_and_one_that_is_not_text_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.json"):
        read_results(tmp_path / "absent.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="UTF-8"):
        read_results(tmp_path / "binary")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "fine"}, "document.cells[0].status: expected one of"),
        ({"u_max": "big"}, "document.cells[0].u_max: expected int or float, got 'big'"),
        ({"order": True}, "document.cells[0].order: expected int, got True"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    (tmp_path / "r.json").write_text(json.dumps(with_cell(**changes)), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_results(tmp_path / "r.json")
    assert says in str(caught.value)


def test_keys_of_a_newer_minor_version_are_passed_over(tmp_path: Path) -> None:
    document = with_cell(novelty={"a": 1})
    document.update(schema="gradproof-results/1.3", weather="fair")
    (tmp_path / "r.json").write_text(json.dumps(document), encoding="utf-8")
    assert read_results(tmp_path / "r.json") == SMALL


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}])
def test_what_json_cannot_hold_is_never_written_and_its_place_is_named(tmp_path: Path, value: object) -> None:
    cell = dataclasses.replace(SMALL.cells[1], measured={"depth": [1, value]})
    with pytest.raises(UsageError) as caught:
        write_results(dataclasses.replace(SMALL, cells=[SMALL.cells[0], cell]), tmp_path / "r.json")
    assert "document.cells[1].measured.depth[1]" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "results.json"
    write_results(SMALL, file)
    before = file.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(WriteError, match="No space left"):
        write_results(dataclasses.replace(SMALL, cells=[]), file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_the_file_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "results.json"
    moved: list[RunResult] = []
    replace = Path.replace

    def watch(source: Path, target: Path) -> Path:
        assert not file.exists()
        moved.append(read_results(source))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", watch)
    write_results(SMALL, file)
    assert moved == [SMALL]
