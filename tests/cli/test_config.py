"""Settings: command line over environment over pyproject.toml; mistakes are named with their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradproof.cli.configuration import default
from gradproof.config import BY_NAME, SETTINGS, effective, nearest_pyproject
from gradproof.engine.request.selection import PROFILES, Selection
from gradproof.errors import UsageError
from gradproof.formats import FORMATS
from gradproof.measure.contracts import CONTRACTS
from tests.cli.conftest import Invoke


def project(folder: Path, text: str) -> Path:
    file = folder / "pyproject.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = project(tmp_path, '[tool.gradproof]\nprofile = "deep"\nseed = 1\ncontract = "faithful"\n')
    environ = {"GRADPROOF_PROFILE": "quick", "GRADPROOF_SEED": "2"}
    found = effective({"profile": "default"}, environ=environ, start=tmp_path)
    assert [(n, found[n].value, found[n].origin) for n in ("profile", "seed", "contract")] == [
        ("profile", "default", "command line"),
        ("seed", 2, "environment GRADPROOF_SEED"),
        ("contract", "faithful", f"[tool.gradproof] of {file}"),
    ]


def test_what_is_set_nowhere_is_not_there(tmp_path: Path) -> None:
    assert effective({"seed": None, "format": ()}, environ={}, start=tmp_path) == {}


def test_the_nearest_file_counts_even_without_our_table(tmp_path: Path) -> None:
    project(tmp_path, "[tool.gradproof]\nseed = 1\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    assert effective({}, environ={}, start=inner)["seed"].value == 1
    own = project(inner, "[project]\n")
    assert nearest_pyproject(inner) == own
    assert effective({}, environ={}, start=inner) == {}


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ('backend = "torch:cuda"', "backend", ("torch:cuda",)),
        ('format = ["float32", "float16"]', "format", ("float32", "float16")),
        ("order = [0, 1]", "order", (0, 1)),
        ("order = 2", "order", (2,)),
        ("max-seconds = 90", "max-seconds", 90.0),
        ("time-limit = 0.5", "time-limit", 0.5),
        ("jobs = 0", "jobs", 0),
        ('html = "none"', "html", "none"),
    ],
)
def test_values_of_the_file_get_their_type(tmp_path: Path, line: str, name: str, value: object) -> None:
    project(tmp_path, f"[tool.gradproof]\n{line}\n")
    assert effective({}, environ={}, start=tmp_path)[name].value == value


def test_paths_of_the_file_count_from_its_folder(tmp_path: Path) -> None:
    project(tmp_path, '[tool.gradproof]\njson = "out/results.json"\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    assert Path(effective({}, environ={}, start=inner)["json"].value) == tmp_path / "out" / "results.json"


@pytest.mark.parametrize("text", ["float32,float16", " float32 , float16,", "float32,float16,float32"])
def test_several_values_of_the_environment_are_separated_by_commas(tmp_path: Path, text: str) -> None:
    found = effective({}, environ={"GRADPROOF_FORMAT": text}, start=tmp_path)
    assert found["format"].value == ("float32", "float16")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[tool.gradproof]\nfromat = 1\n",
            "unknown key 'fromat' in [tool.gradproof] of {file}; did you mean 'format'?",
        ),
        ("[tool.gradproof]\nmax_seconds = 1\n", "did you mean 'max-seconds'?"),
        (
            '[tool.gradproof]\nseed = "x"\n',
            "expected a whole number for 'seed' in [tool.gradproof] of {file}, got 'x'",
        ),
        ("[tool.gradproof]\nseed = true\n", "got True"),
        ("[tool.gradproof]\nbackend = 3\n", "expected a name in quotes, or a list of them for 'backend'"),
        ("[tool.gradproof]\nmax-seconds = [1]\n", "expected a number (of seconds) for 'max-seconds'"),
        ("[tool.gradproof]\nhtml = 1\n", "expected a path in quotes"),
        ('[tool.gradproof]\nprofile = "deap"\n', "did you mean 'deep'?"),
        ("[tool]\ngradproof = 1\n", "expected [tool.gradproof] to be a table"),
        ("[tool.gradproof\n", "expected a readable TOML file"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    file = project(tmp_path, text)
    with pytest.raises(UsageError) as fault:
        effective({}, environ={}, start=tmp_path)
    assert told.format(file=file) in str(fault.value)


def test_a_slip_in_the_environment_is_named_and_other_peoples_variables_are_not(tmp_path: Path) -> None:
    others = {"GRADPROOF_NO_PLUGINS": "1", "GRADPROOF_TRACEBACK": "1", "GRADPROOF_IMAGE_DIGEST": "x"}
    assert effective({}, environ=others, start=tmp_path) == {}
    with pytest.raises(UsageError, match="did you mean 'GRADPROOF_BACKEND'"):
        effective({}, environ={"GRADPROOF_BACKENDS": "torch"}, start=tmp_path)
    with pytest.raises(UsageError, match="for the environment variable GRADPROOF_SEED, got 'x'"):
        effective({}, environ={"GRADPROOF_SEED": "x"}, start=tmp_path)


def test_the_choices_are_those_of_the_engine() -> None:
    assert set(BY_NAME["profile"].choices) == set(PROFILES)
    assert set(BY_NAME["contract"].choices) == set(CONTRACTS)
    assert set(BY_NAME["format"].choices) == set(FORMATS)


def test_every_setting_of_a_selection_has_a_field_and_a_default() -> None:
    for setting in SETTINGS:
        if setting.field:
            assert hasattr(Selection(), setting.field)
        assert default(setting) is None or default(setting) != ""


def test_config_shows_each_value_with_its_origin(
    gradproof: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project(folder, '[tool.gradproof]\nprofile = "deep"\nformat = ["float16"]\n')
    monkeypatch.setenv("GRADPROOF_PROFILE", "quick")
    found = json.loads(gradproof("config", "--json").stdout)
    assert found["profile"] == {"value": "quick", "from": "environment GRADPROOF_PROFILE"}
    assert found["format"] == {"value": ["float16"], "from": f"[tool.gradproof] of {file}"}
    assert found["contract"] == {"value": "stable", "from": "default"}
    assert set(found) == {s.name for s in SETTINGS}
    shown = gradproof("config").stdout
    assert "environment GRADPROOF_PROFILE" in shown
    assert str(file) in shown


def test_a_run_takes_its_settings_from_all_three(
    gradproof: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(
        folder,
        '[tool.gradproof]\nbackend = "numpy"\nfunction = ["relu", "tanh"]\nformat = "float64"\njobs = 0\n'
        'html = "none"\norder = [0, 1]\nproperty = "accuracy"\n',
    )
    monkeypatch.setenv("GRADPROOF_FORMAT", "bfloat16")
    done = gradproof("run", "--function", "relu")
    assert done.exit_code == 0, done.stderr
    cells = json.loads((folder / "results.json").read_text("utf-8"))["cells"]
    assert {(c["function"], c["format"], c["order"]) for c in cells} == {
        ("relu", "bfloat16", 0),
        ("relu", "bfloat16", 1),
    }
    assert not (folder / "report.html").exists()
