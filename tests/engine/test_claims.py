"""The installed claims: the built-in list covers every property, and other packs add theirs."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from gradproof.engine.properties import installed
from gradproof.engine.properties.installed import claims, properties, read_claims
from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.errors import UsageError
from gradproof.functions import all_functions, get_function
from gradproof.results import validate
from gradproof.results.claims import covers, judge
from gradproof.results.model import Basis, Claim, Figure
from gradproof_properties.claims import path
from tests.properties.subjects import reference, verdict

DESIGNED = {
    "taylor", "zero-input", "fd-jump", "saturation", "underflow-noise", "accuracy", "kink-convention", "second-order",
    "conventions-train", "vanishing", "shape", "special-values", "consistency", "curvature-by-depth",
    "smooth-descent", "conversion", "bias", "stochastic-rounding", "block-scaling",
}  # fmt: skip
"""The properties of the pack, registered or not."""

BUILT_IN = read_claims(path())

TABLE = """
[[claim]]
id = "mine"
question = "Is mine right?"
statement = "Mine is right."
source = "me"
rests_on = [{ property = "accuracy", functions = ["relu"], orders = [0] }]
"""


def test_every_property_is_tied_to_a_claim() -> None:
    tied = {b.property for c in BUILT_IN for b in c.rests_on}
    assert tied <= DESIGNED
    own = {name for name, p in properties().items() if type(p).__module__.startswith("gradproof_properties.")}
    assert own
    assert own <= tied


def planned(basis: Basis) -> bool:
    """Whether the property says anything about some function of the catalogue at some order of the basis."""
    claim = properties()[basis.property]
    named = [get_function(name) for name in basis.functions] or list(all_functions().values())
    if claim.about in ("stochastic", "blocks"):  # what users alone register
        return True
    return any(claim.concerns(f, n) for f in named for n in (basis.orders or claim.orders))


@pytest.mark.parametrize("claim", BUILT_IN, ids=lambda c: c.id)
def test_a_claim_is_whole_and_about_something(claim: Claim) -> None:
    assert re.fullmatch("[a-z]+(-[a-z]+)*", claim.id)
    assert claim.question.endswith("?")
    assert claim.statement.endswith(".")
    assert claim.source
    assert claim.verdicts == []
    for basis in claim.rests_on:
        if basis.property in properties():
            assert planned(basis), basis


def test_identifiers_and_questions_are_their_own() -> None:
    assert len({c.id for c in BUILT_IN}) == len({c.question for c in BUILT_IN}) == len(BUILT_IN)


FIGURES = [(c, f) for c in BUILT_IN for f in c.figures if f.property in properties()]


@pytest.mark.parametrize(("claim", "figure"), FIGURES, ids=lambda v: getattr(v, "label", ""))
def test_a_figure_is_measured_where_the_claim_says(claim: Claim, figure: Figure) -> None:
    cell = verdict(figure.property, figure.function, reference(figure.function), "float32", figure.order)
    (judged,) = judge([claim], [cell])
    assert figure.label in judged.verdicts[0].figures, cell.measured


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Files of claims by their texts, as if packs offered them beside the built-in one."""

    def install(*texts: str) -> None:
        files = []
        for number, text in enumerate(texts):
            files.append(tmp_path / f"claims{number}.toml")
            files[-1].write_text(text, encoding="utf-8")
        points = [_Point(str(file), file) for file in [path(), *files]]
        monkeypatch.setattr(
            installed, "enabled_entry_points", lambda group: points if group == "gradproof.claims" else []
        )

    claims.cache_clear()
    yield install
    claims.cache_clear()


class _Point:
    def __init__(self, value: str, file: Path) -> None:
        self.value, self.file = value, file

    def load(self) -> Any:
        return lambda: self.file


def test_a_claim_of_another_pack_is_asked_in_a_run(offer: Any) -> None:
    offer(TABLE)
    chosen = Selection(
        functions=("relu",), backends=("numpy",), formats=("bfloat16",), properties=("accuracy",), profile="quick",
        jobs=0,
    )  # fmt: skip
    result = run(chosen)
    validate(result)
    assert len(result.claims) == len(BUILT_IN) + 1
    mine = result.claims[-1]
    assert mine.rests_on == [Basis("accuracy", ["relu"], [0])]
    (found,) = mine.verdicts
    (cell,) = [c for c in result.cells if covers(mine, c)]
    assert (found.format, found.verdict, found.points) == ("bfloat16", "holds", cell.evidence.n)
    assert [c.id for c in result.claims if c.verdicts] == ["values", "derivatives", "straight-pieces", "mine"]


def test_two_claims_of_one_name_are_refused(offer: Any) -> None:
    offer(TABLE.replace('"mine"', '"values"'))
    with pytest.raises(UsageError, match=r"claims0\.toml defines a second claim called 'values'"):
        claims()


def test_only_gradproofs_own_claims_without_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = EntryPoint("other", "elsewhere:path", "gradproof.claims")
    real = importlib.metadata.entry_points
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [*real(group=group), foreign])
    monkeypatch.setenv("GRADPROOF_NO_PLUGINS", "1")
    claims.cache_clear()
    assert [c.id for c in claims()] == [c.id for c in BUILT_IN]
    claims.cache_clear()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TABLE.replace("question", "qestion"), "unknown key 'qestion' in .*did you mean 'question'"),
        (TABLE.replace("orders = [0]", "order = [0]"), "unknown key 'order' in .*rests_on; did you mean 'orders'"),
        (TABLE.replace('"Mine is right."', "3"), "statement: expected str, got 3"),
        (TABLE.replace('source = "me"\n', ""), "lacks 'source'"),
        (TABLE.split("rests_on")[0], "rests on nothing"),
        (TABLE.split("rests_on")[0] + "rests_on = []", "rests on nothing"),
        (TABLE.split("rests_on")[0] + 'rests_on = "accuracy"', "rests_on: expected list"),
        (TABLE + "figures = [{ lable = 'x' }]", "unknown key 'lable' in .*figures; did you mean 'label'"),
        (TABLE + "figures = [{ label = 'x' }]", r"figures\[0\] lacks 'property'"),
        (TABLE + "verdicts = []", "unknown key 'verdicts'"),
        ("[claims]", "unknown key 'claims'"),
        ("claim = 3", "claim: expected list, got 3"),
        ("[[claim", "cannot be read"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=says) as caught:
        read_claims(file)
    assert "mine.toml" in str(caught.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.toml"):
        read_claims(tmp_path / "absent.toml")
