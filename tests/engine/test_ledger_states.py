"""What becomes of the ledger's entries, and what a run that looked less closely may not say about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.specifiers import SpecifierSet

from gradproof.backends.base import Call, Implementation
from gradproof.backends.numpy.backend import NumpyBackend
from gradproof.engine import worker
from gradproof.engine.ledger import Ledger, Surroundings, explain
from gradproof.engine.ledger_entries import Deviation, Entry
from gradproof.engine.property import Outcome, Violations
from gradproof.engine.run import exit_code, run
from gradproof.engine.selection import Selection
from gradproof.engine.verdict import decide
from gradproof.errors import UsageError
from gradproof.formats import get_format
from gradproof.results.model import Cell, Evidence, LedgerState
from gradproof_properties.ledger import draft
from gradproof_properties.ledger.toml import document
from tests.properties.stubs import Offer
from tests.properties.subjects import Exact, answering, between, exact, nudged, replaced, task

HOME = Surroundings({"numpy:cpu": "2.4.6+local"}, {"numpy:cpu": "AMD AVX2"})
DEFAULT = Selection(jobs=0)
ONE, TWO, FOUR = 0x3C00, 0x4000, 0x4400
NAN = get_format("float16").nan_bits
OTHER = 'the "other", one'


def entry(**changes: Any) -> Entry:
    """An entry about relu in float16, for inputs of [1, 2] and errors of up to ten times the bound."""
    given: dict[str, Any] = {
        "deviation": "d", "backend": "numpy:cpu", "versions": SpecifierSet(">=2.4,<2.5"), "recorded": "2.4.6+local",
        "hardware": ("AMD AVX2",), "function": "relu", "params": {}, "modes": ("eager",), "format": "float16",
        "order": 0, "property": "accuracy", "regions": ((ONE, TWO),), "ceiling": 10.0, "witnesses": (),
    }  # fmt: skip
    return Entry(**{**given, **changes})


def failing(*rows: tuple[int, float]) -> Outcome:
    """An outcome that fails at these bits with these errors over the bound."""
    bits = np.array([b for b, _ in rows], np.uint16)
    count = len(rows)
    found = Violations(
        bits, bits, np.array([m for _, m in rows]), np.zeros(count, np.int8), np.ones(count, bool)
    )  # fmt: skip
    return Outcome(Evidence("exhaustive", 65536), [found] if rows else [])


def explained(outcome: Outcome, *entries: Entry) -> tuple[str | None, list[str]]:
    known, states = explain(outcome, list(entries), task("accuracy", "relu", exact("relu"), user=False), HOME)
    return known, [s.state for s in states]


def test_the_ends_of_a_region_and_the_ceiling_are_inside() -> None:
    assert explained(failing((ONE, 10.0), (TWO, 1.5)), entry()) == ("d", ["seen"])
    assert explained(failing((ONE - 1, 1.5)), entry()) == (None, ["gone"])
    assert explained(failing((ONE - 1, 1.5), (ONE, 1.5)), entry()) == (None, ["grown"])
    assert explained(failing((TWO + 1, 1.5), (ONE, 1.5)), entry()) == (None, ["grown"])
    assert explained(failing((ONE, 10.5)), entry()) == (None, ["grown"])


def test_a_region_of_negative_numbers_runs_along_the_number_line() -> None:
    about = entry(regions=((TWO | 0x8000, ONE | 0x8000),))  # from -2 to -1
    assert explained(failing((0xBE00, 2.0)), about) == ("d", ["seen"])  # -1.5
    assert explained(failing((0x3E00, 2.0)), about) == (None, ["gone"])


def test_a_class_mismatch_needs_an_infinite_ceiling() -> None:
    assert explained(failing((ONE, np.inf)), entry(ceiling=1e30)) == (None, ["grown"])
    assert explained(failing((ONE, np.inf)), entry(ceiling=np.inf)) == ("d", ["seen"])


def test_a_nan_region_explains_every_payload_and_sign_and_no_number() -> None:
    about = entry(regions=((NAN, NAN),), ceiling=np.inf)
    assert explained(failing((0x7C01, np.inf), (0xFFFF, np.inf)), about) == ("d", ["seen"])
    assert explained(failing((0x7C00, np.inf)), about) == (None, ["gone"])


def test_two_entries_may_share_a_cell_and_the_one_that_explains_is_named() -> None:
    first, second = entry(deviation="a", regions=((FOUR, FOUR),)), entry(deviation="b")
    assert explained(failing((ONE, 2.0)), first, second) == ("b", ["gone", "seen"])
    assert explained(failing((ONE, 2.0), (FOUR, 2.0)), first, second) == ("a", ["seen", "seen"])


def test_what_one_entry_explains_has_not_outgrown_another() -> None:
    low, high = entry(deviation="low", ceiling=2.0), entry(deviation="high", ceiling=100.0)
    assert explained(failing((ONE, 50.0)), low, high) == ("high", ["seen", "seen"])


def judged(
    about: Entry, selection: Selection = DEFAULT, claim: str = "accuracy", calls: Any = None
) -> tuple[Cell, str]:
    subject = task(claim, about.function, calls or exact(about.function), about.format, about.order, user=False)
    cell, states = decide(subject, selection, Ledger([about]), HOME)
    return cell, "".join(s.state for s in states)


def test_a_run_under_another_contract_says_nothing_about_entries() -> None:
    wrong = [nudged(Exact("relu"), between(1, 2), 9)]
    assert judged(entry(), calls=wrong)[1] == "seen"
    # One ulp breaks the faithful contract by more than the ceiling of another contract; the region still explains it.
    about = entry(ceiling=1.01)
    cell, state = judged(about, replace(DEFAULT, contract="faithful"), calls=[nudged(Exact("relu"), between(1, 2), 2)])
    assert (cell.status, state) == ("known", "not-checked")
    # What training cannot feel does not fail, and is not gone either.
    cell, state = judged(
        entry(), replace(DEFAULT, contract="training"), calls=[nudged(Exact("relu"), between(1, 2), 5)]
    )
    assert (cell.status, state) == ("pass", "not-checked")


@pytest.mark.parametrize(
    ("claim", "change", "state"),
    [
        ("accuracy", {}, "gone"),
        ("accuracy", {"profile": "quick"}, "gone"),
        ("accuracy", {"seed": 3}, "gone"),
        ("taylor", {}, "gone"),
        ("taylor", {"profile": "deep"}, "gone"),
        ("taylor", {"profile": "quick"}, "not-checked"),
        ("taylor", {"seed": 3}, "not-checked"),
    ],
)
def test_only_a_run_that_meets_the_same_inputs_can_say_that_a_deviation_is_gone(
    claim: str, change: dict[str, Any], state: str
) -> None:
    about = entry(property=claim, order=1 if claim == "taylor" else 0)
    assert judged(about, replace(DEFAULT, **change), claim)[1] == state


def test_an_undecided_cell_says_of_no_deviation_that_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradproof.engine import verdict as deciding

    claim = type("Claim", (), {"check": lambda *_: Outcome(Evidence("sampled", 3), undecided=2)})
    claim.same_in_every_profile = True  # type: ignore[attr-defined]
    monkeypatch.setattr(deciding, "properties", lambda: {"accuracy": claim()})
    assert judged(entry())[1] == "not-checked"


def test_the_ledger_can_be_left_aside() -> None:
    wrong = [nudged(Exact("relu"), between(1, 2), 9)]
    assert judged(entry(), calls=wrong)[0].status == "known"
    assert judged(entry(), replace(DEFAULT, use_ledger=False), calls=wrong)[0].status == "fail"


@pytest.mark.parametrize(
    ("params", "status"), [({"alpha": 2}, "known"), ({"alpha": "2"}, "known"), ({"alpha": 1.0}, "fail"), ({}, "fail")]
)
def test_parameters_are_compared_as_numbers(params: dict[str, Any], status: str) -> None:
    calls = [nudged(Exact("elu", params={"alpha": 2.0}), between(1, 2), 9)]
    about = entry(function="elu", params=params)
    subject = task("accuracy", "elu", calls, params={"alpha": 2.0}, user=False)
    assert decide(subject, DEFAULT, Ledger([about]), HOME)[0].status == status


def test_a_version_that_is_no_version_matches_nothing() -> None:
    wrong = task("accuracy", "relu", [nudged(Exact("relu"), between(1, 2), 9)], user=False)
    for version in ("", "unknown"):
        cell, states = decide(wrong, DEFAULT, Ledger([entry()]), Surroundings({"numpy:cpu": version}, HOME.hardware))
        assert (cell.status, states) == ("fail", [])


MALFORMED: dict[str, tuple[str, str]] = {
    "no TOML": ("[[entry]", "is not valid TOML"),
    "a deviation without a reason": ('[deviation.d]\ntitle = "t"', "deviation 'd' lacks 'reason'"),
    "upstream that is no list": (
        '[deviation.d]\ntitle = "t"\nreason = "r"\nupstream = "x"',
        "expected upstream as a list",
    ),
    "a region of one end": ('regions = [["0x3c00"]]', "entry 1: not enough values to unpack"),
    "bits as a number": ("witnesses = [15360]", "entry 1: "),
    "bits beyond the format": ('witnesses = ["0x3f800000"]', "entry 1: expected a bit pattern of 16 bits"),
    "an unknown format": ('format = "float17"', "entry 1: unknown format 'float17'"),
    "no version range": ('versions = "about 2"', "entry 1: Invalid specifier"),
    "hardware that is no list": (
        'hardware = "AMD AVX2"',
        "entry 1: expected hardware as a list of text, got 'AMD AVX2'",
    ),
    "a ceiling in words": ('ceiling = "huge"', "entry 1: could not convert"),
    "a parameter in words": ('params = {alpha = "one"}', "entry 1: expected a finite real parameter"),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_ledger_names_file_and_place(fault: str, tmp_path: Path) -> None:
    text, message = MALFORMED[fault]
    file = tmp_path / "numpy-cpu.toml"
    if not text.startswith("["):
        whole = document([Deviation("d", "t", "r")], [entry()])
        key = text.partition(" ")[0]
        lines = [line for line in whole.splitlines() if not line.startswith(f"{key} =")]
        assert len(lines) == len(whole.splitlines()) - (key != "params")
        text = "\n".join([*lines, text])
    file.write_text(text, "utf-8")
    with pytest.raises(UsageError) as caught:
        Ledger.read([tmp_path])
    assert str(caught.value).startswith(f"ledger file {file}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "key", ["format", "versions", "recorded", "hardware", "function", "order", "regions", "ceiling"]
)
def test_an_entry_that_lacks_something_names_it(key: str, tmp_path: Path) -> None:
    whole = document([Deviation("d", "t", "r")], [entry()])
    kept = [line for line in whole.splitlines() if not line.startswith(f"{key} =")]
    (tmp_path / "a.toml").write_text("\n".join(kept), "utf-8")
    with pytest.raises(UsageError, match=f"a.toml, entry 1 lacks '{key}'"):
        Ledger.read([tmp_path])


def test_an_entry_of_an_unknown_deviation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(document([], [entry()]), "utf-8")
    with pytest.raises(UsageError, match="names no deviation of the ledger"):
        Ledger.read([tmp_path])


def test_a_document_reads_back_to_the_same_entries(tmp_path: Path) -> None:
    entries = [
        entry(),
        entry(deviation=OTHER, params={"alpha": 0.1, "beta": "1/3"}, ceiling=np.inf, modes=("eager", "compiled")),
        entry(format="float64", regions=((1 << 63, (1 << 63) + 5), (7, 9)), witnesses=(7, 8), ceiling=12.5),
        entry(hardware=("AMD AVX2", "AMD AVX512"), regions=((ONE, ONE), (NAN, NAN))),
    ]  # fmt: skip
    deviations = [
        Deviation("d", "title", "reason\nin two lines", ("x#1", "y#2")),
        Deviation('the "other", one', "ü", "\\"),
    ]
    (tmp_path / "numpy-cpu.toml").write_text(document(deviations, entries), "utf-8")
    read = Ledger.read([tmp_path])
    assert sorted(read.entries, key=repr) == sorted(entries, key=repr)
    assert read.deviations == {d.id: d for d in deviations}


def faulty(self: Any) -> list[Implementation]:
    """A backend's catalogue with two faults: a binade of tanh, and sigmoid at a NaN."""
    tanh = [nudged(Exact("tanh"), between(0.5, 1), 9), *exact("tanh")[1:]]
    sigmoid = [answering(Exact("sigmoid"), {NAN: 0}), replaced(Exact("sigmoid", 1), between(9, 30), lambda x: 0 * x)]
    return [
        Implementation(name, "faulty", f"faulty.{name}", calls[0], {}, tuple(calls[1:]), formats=("float16",))
        for name, calls in (("tanh", tanh), ("sigmoid", sigmoid))
    ]


def mended_catalogue(self: Any) -> list[Implementation]:
    """The same catalogue without the faults."""
    right = {name: exact(name) for name in ("tanh", "sigmoid")}
    return [replace(i, call=right[i.function][0], derivatives=tuple(right[i.function][1:])) for i in faulty(self)]


def states_of(states: list[LedgerState]) -> set[str]:
    return {s.state for s in states}


def test_a_draft_explains_the_run_it_was_drafted_from(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = offer("faulty", catalogue=faulty)
    claims = ("accuracy", "special-values", "saturation")
    selection = Selection(backends=("faulty",), properties=claims, jobs=0)
    monkeypatch.setattr(worker, "ledger_directories", lambda: [tmp_path])
    before = run(selection)
    assert exit_code(before) == 1
    narrowed = [word for claim in claims for word in ("--property", claim)]
    assert draft.main(["--backend", backend, "--into", str(tmp_path), *narrowed]) == 0
    assert "faulty-cpu.toml" in capsys.readouterr().out
    after = run(selection)
    assert exit_code(after) == 0
    failed = [c.id for c in before.cells if c.status == "fail"]
    assert {(c.function, c.order, c.property) for c in before.cells if c.status == "fail"} == {
        ("tanh", 0, "accuracy"), ("tanh", 0, "saturation"), ("sigmoid", 0, "special-values"),
        ("sigmoid", 1, "accuracy"), ("sigmoid", 1, "saturation"),
    }  # fmt: skip
    assert [c.id for c in after.cells if c.status == "known"] == failed
    assert states_of(after.ledger) == {"seen"}
    assert all(after.deviations[c.known_ref]["title"] for c in after.cells if c.known_ref)
    # The deviations mended: where they were recorded, the ledger is out of date and says so.
    offer("faulty", catalogue=mended_catalogue)
    mended = run(selection)
    assert {c.status for c in mended.cells} <= {"pass", "unsupported"}
    assert states_of(mended.ledger) == {"gone"}
    assert exit_code(mended) == 1


def test_a_mode_that_a_run_does_not_cover_has_a_ledger_file_of_its_own(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def as_eager(self: Any, implementation: Implementation, bits: Any, fmt: Any, call: Call) -> Any:
        return NumpyBackend.evaluate(self, implementation, bits, fmt, replace(call, mode="eager"))

    modes = {"modes": ("eager", "compiled"), "default_modes": ("eager",), "evaluate": as_eager}
    backend = offer("faulty", catalogue=faulty, **modes)
    monkeypatch.setattr(worker, "ledger_directories", lambda: [tmp_path])
    asked = ["--backend", backend, "--into", str(tmp_path), "--property", "special-values"]
    assert draft.main(asked) == 0
    usual = (tmp_path / "faulty-cpu.toml").read_text("utf-8")
    assert draft.main([*asked, "--mode", "compiled"]) == 0
    assert "faulty-cpu-compiled.toml: 1 entries" in capsys.readouterr().out
    assert (tmp_path / "faulty-cpu.toml").read_text("utf-8") == usual
    read = Ledger.read([tmp_path])
    assert sorted(e.modes for e in read.entries) == [("compiled",), ("eager",)]
    both = Selection(backends=("faulty",), properties=("special-values",), modes=("eager", "compiled"), jobs=0)
    assert {c.mode for c in run(both).cells if c.status == "known"} == {"eager", "compiled"}
    # Drafted again in one mode, the other's entries stay where they are.
    assert draft.main(asked) == 0
    assert Ledger.read([tmp_path]).entries == read.entries


def test_a_draft_of_another_processor_is_laid_beside_and_of_the_same_one_replaces() -> None:
    old = entry(regions=((ONE, TWO),), ceiling=3.0, witnesses=(ONE,))
    new = entry(regions=((TWO, FOUR),), ceiling=2.0, witnesses=(FOUR,))
    assert draft.merge([old], [new]) == [new]
    (both,) = draft.merge([old], [replace(new, hardware=("AMD AVX512",))])
    assert both.hardware == ("AMD AVX2", "AMD AVX512")
    assert both.regions == ((ONE, FOUR),)
    assert (both.ceiling, both.witnesses) == (3.0, (ONE, FOUR))
