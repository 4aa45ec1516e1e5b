"""The failing-bits corpus: what failed once is tried first in the next session, until it passes again."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradproof.errors import CacheWarning
from gradproof.plugin import corpus
from gradproof.plugin.corpus import Corpus, to_keep
from gradproof.results.model import Cell, Certificate, Evidence, Interval, Number
from tests.plugin.sources import HEADER

FOUND, MISSED = "--gradproof-seed=1", "--gradproof-seed=2"
"""Sampling meets the faulty input under the first seed, and not under the second."""

MARK = """
@pytest.mark.gradproof("relu", backend="numpy", formats=["float32"], orders=[0], properties=["accuracy"])
"""
RIGHT = HEADER + MARK + "def mine(x):\n    return np.maximum(x, np.zeros_like(x))\n"
SEES = (
    HEADER
    + "seen = []\n"
    + MARK
    + """
def mine(x):
    # Inputs that only take the time are not judged, and how many the bulk has depends on it.
    if x.size != 4096 and x.size < 1 << 15:
        seen.append(x.view(np.uint32).copy())
        np.save("seen.npy", np.concatenate(seen))
    return np.maximum(x, np.zeros_like(x))
"""
)


@pytest.fixture
def cached(pytester: pytest.Pytester) -> pytest.Pytester:
    """A directory for inner sessions that have pytest's cache."""
    pytester.makeini("[pytest]\naddopts = --strict-markers\n")
    return pytester


@pytest.fixture(scope="session")
def lonely() -> list[int]:
    """Filled by the first test that needs it: the input that one seed meets and the other does not."""
    return []


@pytest.fixture
def wrong(cached: pytest.Pytester, lonely: list[int]) -> str:
    """A test file whose ReLU is wrong at one positive input and right everywhere else."""
    if not lonely:
        met = []
        for seed in (FOUND, MISSED):
            cached.makepyfile(test_mine=SEES)
            cached.runpytest(seed).assert_outcomes(passed=1)
            met.append(np.load(cached.path / "seen.npy"))
        only = np.setdiff1d(met[0], met[1])
        lonely.append(int(only[(only > 0x3F800000) & (only < 0x40000000)][0]))  # between 1 and 2
    return SEES.replace(
        "    return ", f"    x = np.where(x.view(np.uint32) == {lonely[0]}, np.float32(9), x)\n    return "
    )


def entries(folder: Path) -> list[dict[str, object]]:
    """The documents of the corpus of sessions in ``folder``."""
    files = sorted((folder / ".pytest_cache" / "d" / "gradproof").glob("*"))
    return [json.loads(file.read_text("utf-8")) for file in files]


def test_a_single_input_that_failed_once_is_not_missed_by_luck_again(
    cached: pytest.Pytester, wrong: str, lonely: list[int]
) -> None:
    cached.makepyfile(test_mine=wrong)
    cached.runpytest(MISSED).assert_outcomes(passed=1)
    first = cached.runpytest(FOUND)
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(["corpus: 1 failing input of 1 item, tried first next time"])
    first.stdout.no_fnmatch_line("*failed before*")
    (entry,) = entries(cached.path)
    assert entry["item"] == "test_mine.py::mine::relu-numpy-cpu-float32-order0-accuracy"
    assert entry["bits"] == [f"{lonely[0]:#x}"]

    again = cached.runpytest(MISSED, "--gradproof-json", "out.json")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["at 1.*: got 9.0, expected 1.*", "  corpus     of the inputs *, 1 of 1 fail again"])
    (cell,) = json.loads((cached.path / "out.json").read_text("utf-8"))["cells"]
    assert cell["measured"]["replayed"] == {"inputs": 1, "failing": [f"{lonely[0]:#x}"]}
    assert np.load(cached.path / "seen.npy")[0] == lonely[0], "tried before anything else"


def test_what_passes_again_is_dropped(cached: pytest.Pytester, wrong: str) -> None:
    cached.makepyfile(test_mine=wrong)
    cached.runpytest(FOUND).assert_outcomes(failed=1)
    cached.makepyfile(test_mine=RIGHT)
    cached.runpytest(MISSED).assert_outcomes(passed=1)
    assert entries(cached.path) == []
    cached.makepyfile(test_mine=wrong)
    cached.runpytest(MISSED).assert_outcomes(passed=1)


def test_a_broken_implementation_leaves_the_corpus_as_it_is(cached: pytest.Pytester, wrong: str) -> None:
    cached.makepyfile(test_mine=wrong)
    cached.runpytest(FOUND).assert_outcomes(failed=1)
    before = entries(cached.path)
    cached.makepyfile(test_mine=wrong.replace("    return", "    raise ValueError\n    return"))
    cached.runpytest(MISSED).assert_outcomes(failed=1)
    assert entries(cached.path) == before != []


def test_cache_clear_empties_it_and_without_the_cache_there_is_none(cached: pytest.Pytester, wrong: str) -> None:
    cached.makepyfile(test_mine=wrong)
    cached.runpytest(FOUND).assert_outcomes(failed=1)
    cached.runpytest(MISSED, "-p", "no:cacheprovider").assert_outcomes(passed=1)
    assert len(entries(cached.path)) == 1
    cached.runpytest(MISSED, "--cache-clear").assert_outcomes(passed=1)
    assert entries(cached.path) == []
    result = cached.runpytest(FOUND, "-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("corpus*")
    assert entries(cached.path) == []


def test_workers_of_xdist_share_it(cached: pytest.Pytester, wrong: str) -> None:
    if importlib.util.find_spec("xdist") is None:
        pytest.skip("pytest-xdist is not installed")
    grouped = wrong.replace("@pytest.mark.gradproof", '@pytest.mark.xdist_group("a")\n@pytest.mark.gradproof')
    cached.makepyfile(test_mine=grouped, test_other=RIGHT)
    both = cached.runpytest_subprocess(FOUND, "-n", "2", "--dist", "loadgroup")
    both.assert_outcomes(failed=1, passed=1)
    assert len(entries(cached.path)) == 1
    cached.runpytest_subprocess(MISSED, "-n", "2").assert_outcomes(failed=1, passed=1)
    cached.runpytest(MISSED).assert_outcomes(failed=1, passed=1)


def test_a_session_that_ends_halfway_keeps_what_it_found(cached: pytest.Pytester, wrong: str) -> None:
    cached.makepyfile(test_mine=wrong, test_then="import os\ndef test_it(): os._exit(7)\n")
    assert cached.runpytest_subprocess(FOUND).ret == 7
    assert len(entries(cached.path)) == 1


def test_the_fixture_has_it_too(cached: pytest.Pytester, wrong: str) -> None:
    body = wrong.partition("def mine(x):\n")[2]
    inside = "".join(f"    {line}\n" for line in body.splitlines())
    cached.makepyfile(
        test_mine=HEADER
        + f"""
def test_it(gradproof_check):
    seen = []
    def mine(x):
{inside}
    gradproof_check("relu", mine, backend="numpy", formats="float32", orders=0, properties="accuracy", name="mine")
"""
    )
    cached.runpytest(MISSED).assert_outcomes(passed=1)
    cached.runpytest(FOUND).assert_outcomes(failed=1)
    (entry,) = entries(cached.path)
    assert entry["item"] == "test_mine.py::test_it::relu-numpy-cpu-float32-order0-accuracy"
    cached.runpytest(MISSED).assert_outcomes(failed=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "\x00" * 40,
        '{"schema": "gradproof-corpus/1"}',
        '{"schema": "gradproof-corpus/1", "item": "i", "format": "float32", "bits": ["0x1", "high"]}',
        '{"schema": "gradproof-corpus/1", "item": "i", "format": "float32", "bits": ["0xfffffffff"]}',
        '{"schema": "gradproof-corpus/1", "item": "i", "format": "float32", "bits": "0x1"}',
        '{"schema": "gradproof-corpus/1", "item": "another", "format": "float32", "bits": ["0x1"]}',
        '{"schema": "gradproof-corpus/1", "item": "i", "format": "float16", "bits": ["0x1"]}',
        json.dumps({"schema": "gradproof-corpus/1", "item": "i", "format": "float32", "bits": ["0x1"] * 1000}),
    ],
)
def test_a_damaged_file_is_removed_with_a_warning(cached: pytest.Pytester, text: str) -> None:
    kept = Corpus(cached.parseconfigure())
    kept.write("i", "float32", ["0x1"])
    assert kept.read("i", "float32") == (1,)
    (file,) = (cached.path / ".pytest_cache" / "d" / "gradproof").iterdir()
    file.write_text(text, "utf-8")
    with pytest.warns(CacheWarning, match="the inputs that failed in i, is damaged and was removed"):
        assert kept.read("i", "float32") == ()
    assert kept.read("i", "float32") == ()
    kept.write("i", "float32", ["0x2"])
    assert kept.read("i", "float32") == (2,)


def test_a_damaged_file_costs_the_session_nothing_but_a_warning(cached: pytest.Pytester, wrong: str) -> None:
    cached.makepyfile(test_mine=wrong)
    cached.runpytest(FOUND).assert_outcomes(failed=1)
    for file in (cached.path / ".pytest_cache" / "d" / "gradproof").iterdir():
        file.write_text("what is this", "utf-8")
    result = cached.runpytest(MISSED, "-W", "default")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*CacheWarning: *.json in pytest's cache, the inputs that failed in test_mine.py::*"])
    cached.runpytest(FOUND).assert_outcomes(failed=1)
    assert len(entries(cached.path)) == 1


def test_it_is_bounded(cached: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, folder = Corpus(cached.parseconfigure()), cached.path / ".pytest_cache" / "d" / "gradproof"
    monkeypatch.setattr(corpus, "ITEMS", 3)
    for age, item in enumerate("abcde"):
        kept.write(item, "float32", [hex(n) for n in range(1000)])
        for file in folder.iterdir():  # a second apart, all in the past
            if json.loads(file.read_text("utf-8"))["item"] == item:
                os.utime(file, (time.time() - 9 + age,) * 2)
    assert [item for item in "abcde" if kept.read(item, "float32")] == ["c", "d", "e"]
    assert kept.read("e", "float32") == tuple(range(corpus.INPUTS))


def number(bits: int) -> Number:
    return Number(f"{bits:#x}", "", "")


CERTIFICATE = Certificate(
    number(5), number(0), number(0), None, [], 9.0, 9.0, 9.0, 9.0, number(4),
    [Interval(number(4), number(6), 3, 3, False), Interval(number(9), number(9), 1, 1, False)], "rounding", "", "",
)  # fmt: skip
FAILED = Cell(
    "relu", {}, "mine", "numpy", "cpu", "eager", "float32", 0, "accuracy", "fail",
    evidence=Evidence("sampled", 100), certificate=CERTIFICATE,
    measured={"replayed": {"inputs": 3, "failing": ["0x7", "0x5"]}},
)  # fmt: skip


def test_the_worst_input_and_those_that_failed_before_come_before_the_ends_of_the_region() -> None:
    assert to_keep(FAILED) == ["0x5", "0x7", "0x4", "0x6", "0x9"]
    assert to_keep(replace(FAILED, status="known")) == ["0x5", "0x7", "0x4", "0x6", "0x9"]


def test_nothing_is_kept_of_a_pass_or_an_exhaustive_check_and_nothing_changed_without_a_judgement() -> None:
    assert to_keep(replace(FAILED, status="pass", certificate=None)) == []
    assert to_keep(replace(FAILED, evidence=Evidence("exhaustive", 65536))) == []
    for status in ("error", "undecided", "not-run", "unsupported"):
        assert to_keep(replace(FAILED, status=status)) is None
