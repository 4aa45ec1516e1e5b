"""Drafts of deviations: what a run finds new is proposed with its formulas, and the proposal explains that run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradproof.backends.base import Implementation
from gradproof.engine.ledger.ledger import Ledger
from gradproof.engine.request.selection import Selection
from gradproof.engine.running import worker
from gradproof.engine.running.run import run
from gradproof.results import RunResult, write_results
from gradproof_properties.ledger import draft
from tests.properties.stubs import Offer
from tests.properties.subjects import Exact, between, exact, nudged

FORMATS = ("float16", "bfloat16")


def rounded(x: Any) -> Any:
    """(1 - s) s with s = 1 / (1 + e^-x), as PyTorch's AD has it."""
    with np.errstate(all="ignore"):
        s = (1 / (1 + np.exp(-x.astype(np.float32)))).astype(x.dtype).astype(np.float32)
        return ((1 - s) * s).astype(x.dtype)


def faulty(self: Any) -> list[Implementation]:
    """sigmoid' is 0 in the tail, as the formula says; tanh is too high on a binade, as none does."""
    calls = {
        "sigmoid": [Exact("sigmoid"), rounded, Exact("sigmoid", 2)],
        "tanh": [nudged(Exact("tanh"), between(0.5, 1), 9), *exact("tanh")[1:]],
    }
    return [
        Implementation(name, "faulty", f"faulty.{name}", given[0], {}, tuple(given[1:]), formats=FORMATS)
        for name, given in calls.items()
    ]


@pytest.fixture
def judged(offer: Offer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the faulty backend with the ledger that lies in the folder."""
    offer("faulty", catalogue=faulty)
    monkeypatch.setattr(worker, "ledger_directories", lambda: [tmp_path])

    def run_it(formats: tuple[str, ...] = FORMATS) -> RunResult:
        claims = ("accuracy", "saturation", "vanishing")
        return run(Selection(backends=("faulty",), properties=claims, formats=formats, profile="quick", jobs=0))

    return run_it


def test_a_draft_explains_the_run_it_was_drafted_from_and_leaves_the_rest(judged: Any, tmp_path: Path) -> None:
    before: RunResult = judged()
    assert draft.backends(before) == ["faulty"]
    (proposal,) = draft.proposals(before, "faulty")
    assert proposal.id.startswith("faulty-sigmoid-")
    assert proposal.formulas == ("sigmoid/torch/1",)
    assert (proposal.modes, proposal.formats) == ((), ())
    text = draft.document(before, "faulty", Ledger())
    (tmp_path / "faulty.toml").write_text(text, "utf-8")
    (read,) = Ledger.read([tmp_path]).deviations.values()
    assert (read.backend, str(read.versions), read.recorded) == ("faulty", ">=1.2.3", "1.2.3")
    assert read.title.startswith("TODO: ")
    assert "worst" in read.reason
    after: RunResult = judged()
    status = {(c.function, c.format, c.order, c.property): c.status for c in after.cells}
    assert status["sigmoid", "float16", 1, "accuracy"] == "known"
    assert {c.function for c in after.cells if c.status == "fail"} == {"tanh"}
    assert draft.proposals(after, "faulty") == []
    comments = [line for line in text.splitlines() if line.startswith("# not explained")]
    assert {line.partition(",")[0] for line in comments} == {"# not explained: tanh"}
    assert "gradproof repro tanh" in text


def test_formats_are_named_where_only_some_show_it(judged: Any) -> None:
    result: RunResult = judged()
    result.cells[:] = [c for c in result.cells if c.format == "float16" or c.status == "pass"]
    result.findings.clear()
    (proposal,) = draft.proposals(result, "faulty")
    assert proposal.formats == ("float16",)


def test_the_command_prints_it_and_says_what_it_cannot_read(
    judged: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.json"
    write_results(judged(("float16",)), file)
    assert draft.main([str(file)]) == 0
    assert capsys.readouterr().out.startswith('# faulty.toml\nbackend = "faulty"\n')
    assert draft.main([str(tmp_path / "none.json")]) == 4
    assert "none.json" in capsys.readouterr().err


def test_a_users_own_code_is_never_drafted(offer: Offer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.py"
    register = '@gp.implements("relu", backend="numpy", formats="float16")'
    mine.write_text(f"import gradproof as gp\n{register}\ndef f(x): return x * 2\n", "utf-8")
    found = run(Selection(files=(str(mine),), properties=("accuracy",), orders=(0,), profile="quick", jobs=0))
    assert found.counts()["fail"] == 1
    write_results(found, tmp_path / "mine.json")
    assert draft.main([str(tmp_path / "mine.json")]) == 0
    assert capsys.readouterr().out == "# nothing is new\n"
