"""The ledger explains what it lists, and is never quietly wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.specifiers import SpecifierSet

from gradproof.backends.base import Call, Implementation
from gradproof.backends.numpy.backend import NumpyBackend
from gradproof.engine.ledger import Ledger, Surroundings
from gradproof.engine.ledger_entries import Deviation, Entry
from gradproof.engine.selection import Selection
from gradproof.engine.verdict import decide
from gradproof.errors import UsageError
from gradproof.formats import Format
from gradproof.formats.arrays import Bits
from gradproof_properties.ledger.toml import document
from tests.properties.subjects import between, exact, nudged, task

HOME = Surroundings({"numpy:cpu": "2.4.6"}, {"numpy:cpu": "AMD AVX512"})
SELECTION = Selection(profile="quick", jobs=0)
ENTRY = Entry(
    deviation="tanh-nudged", backend="numpy:cpu", versions=SpecifierSet(">=2.4,<2.5"), recorded="2.4.6",
    hardware=("AMD AVX512",), function="tanh", params={}, modes=("eager",), format="float16", order=0,
    property="accuracy", regions=((0x3400, 0x34CD),), ceiling=10.0, witnesses=(0x3480,),
)  # fmt: skip
DEVIATION = Deviation("tanh-nudged", "a title", "a reason", ("a/b#1",))


def judged(entry: Entry, *, faulty: bool = True, surroundings: Surroundings = HOME, mode: str = "eager") -> Any:
    calls = exact("tanh")
    if faulty:
        calls = [nudged(calls[0], between(0.25, 0.3), 9), *calls[1:]]
    subject = replace(task("accuracy", "tanh", calls, "float16", user=False), mode=mode)
    return decide(subject, SELECTION, Ledger([entry], [DEVIATION]), surroundings)


def test_a_failure_inside_region_and_ceiling_is_known() -> None:
    cell, states = judged(ENTRY)
    assert (cell.status, cell.known_ref) == ("known", "tanh-nudged")
    assert cell.certificate is not None
    assert [s.state for s in states] == ["seen"]


@pytest.mark.parametrize(
    "change", [{"regions": ((0x3400, 0x34C0),)}, {"ceiling": 1.0}], ids=["outside the region", "above the ceiling"]
)
def test_a_deviation_that_grew_fails(change: dict[str, Any]) -> None:
    cell, states = judged(replace(ENTRY, **change))
    assert cell.status == "fail"
    assert [s.state for s in states] == ["grown"]


def test_a_deviation_that_is_gone_where_it_was_recorded_is_gone() -> None:
    cell, states = judged(ENTRY, faulty=False)
    assert cell.status == "pass"
    assert [s.state for s in states] == ["gone"]


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(HOME, hardware={"numpy:cpu": "AMD AVX2"}),
        replace(HOME, hardware={"numpy:cpu": "Intel AVX512"}),
        replace(HOME, versions={"numpy:cpu": "2.4.7"}),
    ],
)
def test_on_another_processor_or_release_it_is_only_stale(elsewhere: Surroundings) -> None:
    _, states = judged(ENTRY, faulty=False, surroundings=elsewhere)
    assert [s.state for s in states] == ["stale"]


@pytest.mark.parametrize(
    "change",
    [
        {"versions": SpecifierSet("<2.4")},
        {"function": "sigmoid"},
        {"format": "bfloat16"},
        {"order": 1},
        {"property": "saturation"},
        {"modes": ("compiled",)},
        {"backend": "torch:cpu"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_entry_about_something_else_explains_nothing(change: dict[str, Any]) -> None:
    cell, states = judged(replace(ENTRY, **change))
    assert cell.status == "fail"
    assert states == []


def test_a_users_implementation_is_never_excused() -> None:
    calls = exact("tanh")
    subject = task("accuracy", "tanh", [nudged(calls[0], between(0.25, 0.3), 9)], "float16", user=True)
    assert decide(subject, SELECTION, Ledger([ENTRY], [DEVIATION]), HOME)[0].status == "fail"


def test_a_witness_is_tried_where_sampling_would_miss_it() -> None:
    calls = exact("tanh")
    spot = 0x3F0A5A5B  # one float32 pattern among four thousand million
    near = float(np.array([spot], np.uint32).view(np.float32)[0])
    wrong = [nudged(calls[0], between(near, near), 100), *calls[1:]]
    entry = replace(ENTRY, format="float32", regions=((spot, spot),), ceiling=100.0, witnesses=(spot,))
    subject = task("accuracy", "tanh", wrong, "float32", user=False)
    cell, _ = decide(subject, SELECTION, Ledger([entry], [DEVIATION]), HOME)
    assert cell.status == "known"
    assert decide(subject, SELECTION, Ledger(), HOME)[0].status == "pass"


def test_a_written_ledger_reads_back_the_same(tmp_path: Path) -> None:
    (tmp_path / "numpy-cpu.toml").write_text(document([DEVIATION], [ENTRY]), "utf-8")
    read = Ledger.read([tmp_path])
    assert read.entries == [ENTRY]
    assert read.deviations == {DEVIATION.id: DEVIATION}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[entry", "not valid TOML"),
        ('[deviation.x]\ntitle = "t"\n', "lacks 'reason'"),
        ('[[entry]]\nformat = "float16"\n', "entry 1"),
        ('[[entry]]\nformat = "float17"\n', "unknown format"),
    ],
)
def test_a_malformed_ledger_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.toml").write_text(text, "utf-8")
    with pytest.raises(UsageError, match=message):
        Ledger.read([tmp_path])


@pytest.fixture
def modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mode of NumPy is eager."""
    plain = NumpyBackend.evaluate

    def evaluate(self: NumpyBackend, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        return plain(self, implementation, bits, fmt, replace(call, mode="eager"))

    monkeypatch.setattr(NumpyBackend, "evaluate", evaluate)


@pytest.mark.parametrize(("mode", "status"), [("autocast", "known"), ("compiled", "fail")])
def test_an_entry_of_eager_explains_autocast_and_no_other_kernels(modes: None, mode: str, status: str) -> None:
    assert judged(ENTRY, mode=mode)[0].status == status


def test_an_entry_of_eager_that_does_not_show_under_autocast_is_not_gone(modes: None) -> None:
    cell, states = judged(ENTRY, faulty=False, mode="autocast")
    assert (cell.status, [s.state for s in states]) == ("pass", ["not-checked"])


def test_a_deviation_that_is_greater_under_autocast_fails(modes: None) -> None:
    cell, states = judged(replace(ENTRY, ceiling=1.0), mode="autocast")
    assert (cell.status, [s.state for s in states]) == ("fail", ["grown"])
