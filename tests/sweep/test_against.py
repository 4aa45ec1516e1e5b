"""Two modes compared bit by bit: what differs, by how much, which of the two is right, and what the user reads."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradproof as gp
from gradproof.backends.base import Call, Implementation
from gradproof.backends.numpy.backend import NumpyBackend
from gradproof.cli import codes
from gradproof.engine.subject import tabulated
from gradproof.errors import UsageError
from gradproof.formats import BFLOAT16, FLOAT32, Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.results import read_results, validate, write_results
from gradproof.results.model import Cell
from gradproof.results.sweeps import differences, lines
from gradproof.sweep.judging import modelled, shard_judge, shard_summary
from gradproof.sweep.judging import subject as subjects
from gradproof.sweep.judging.collect import first_greatest, joined_runs
from gradproof.sweep.judging.comparison import arbitrated, differing, distances
from gradproof.sweep.plan import Shard, Target
from gradproof.sweep.running.folder import folder_path
from tests.cli.conftest import Invoke
from tests.cli.conftest import folder as folder
from tests.cli.conftest import gradproof as gradproof
from tests.sweep.test_work import FAULTS, Right, every, none, target

Fault = Callable[[Bits, Bits], Bits]
"""From inputs and NumPy's results to those of a mode."""
ONE, TWO = 0x3F80, 0x4000
"""1 and 2 in bfloat16: 129 numbers from one to the other."""


def off_by(ulps: int, first: int = ONE, last: int = TWO) -> Fault:
    """So many ulps more on an interval of positive numbers."""

    def fault(bits: Bits, results: Bits) -> Bits:
        return np.where((bits >= first) & (bits <= last), results + results.dtype.type(ulps), results)

    return fault


def at(place: int, result: int) -> Fault:
    """Another result at one input."""
    return lambda bits, results: np.where(bits == place, results.dtype.type(result), results)


@pytest.fixture
def modes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets NumPy have a mode ``compiled``: its own results, changed by a fault; those of ``eager`` by another."""
    right = NumpyBackend.evaluate

    def have(compiled: Fault, eager: Fault = none) -> None:
        def evaluate(self: NumpyBackend, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
            results = right(self, implementation, bits, fmt, replace(call, mode="eager"))
            fault = {"eager": eager, "compiled": compiled}[call.mode]
            return fault(np.asarray(bits, fa.storage(fmt)), results)

        monkeypatch.setattr(NumpyBackend, "modes", ("eager", "compiled"))
        monkeypatch.setattr(NumpyBackend, "evaluate", evaluate)
        tabulated.forget()
        subjects.subject.cache_clear()

    yield have  # type: ignore[misc]
    monkeypatch.undo()
    tabulated.forget()
    subjects.subject.cache_clear()


def swept(function: str, root: Path, mode: str = "compiled", **more: Any) -> Cell:
    """NumPy's function in bfloat16, one mode against the other."""
    against = "eager" if mode == "compiled" else "compiled"
    asked: dict[str, Any] = {"format": "bfloat16", **more}
    found = gp.run_sweep(
        function, backend="numpy", mode=mode, against=against, workers=0, folder=root / "run", fresh=True, **asked
    )
    validate(found)
    (cell,) = found.cells
    write_results(found, root / "out.json")
    assert read_results(root / "out.json").cells[0].measured["against"] == cell.measured["against"]
    return cell


def ends(table: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(i["lo"]["bits"], i["hi"]["bits"], i["count"]) for i in table["intervals"]]


# -- what differs, and who is right ------------------------------------------------------------------------


def test_an_interval_that_one_mode_gets_wrong_is_told_and_laid_at_its_door(
    modes: Callable[..., None], tmp_path: Path
) -> None:
    modes(off_by(16))
    cell = swept("relu", tmp_path)
    found = cell.measured["against"]
    assert (found["mode"], found["differ"], found["nans"]) == ("eager", 129, 0)
    assert found["nearer"] == {"mode": 0, "against": 129, "equal": 0, "undecided": 0}
    assert list(found["breaks"]) == ["mode"]
    assert ends(found["breaks"]["mode"]) == [("0x3f80", "0x4000", 129)]
    assert found["distances"] == [0, 0, 0, 0, 129]
    worst = found["breaks"]["mode"]["worst"][0]
    assert [worst[k]["bits"] for k in ("input", "got", "against", "due")] == ["0x3f80", "0x3f90", "0x3f80", "0x3f80"]
    assert (worst["distance"], worst["nearer"]) == (16, "against")
    assert cell.status == "fail"
    assert lines(cell)[-4:-1] == [
        "compiled against eager: 129 of 65,536 inputs differ, by at most 16 ulp",
        "nearer to the exact value: compiled at 0, eager at 129",
        "compiled alone breaks the contract at 129 inputs: on [1, 2] (129 inputs)",
    ]


def test_the_verdict_is_that_of_the_mode_that_is_judged(modes: Callable[..., None], tmp_path: Path) -> None:
    modes(off_by(16))
    cell = swept("relu", tmp_path, mode="eager")
    assert cell.status == "pass"
    assert list(cell.measured["against"]["breaks"]) == ["against"]
    assert cell.measured["against"]["nearer"]["mode"] == 129


def test_a_difference_within_the_contract_fails_nothing(modes: Callable[..., None], tmp_path: Path) -> None:
    modes(off_by(1))
    cell = swept("relu", tmp_path)
    assert cell.status == "pass"
    assert {n: b["count"] for n, b in cell.measured["against"]["breaks"].items()} == {"neither": 129}


def test_two_modes_that_are_wrong_apart_both_break_the_contract(modes: Callable[..., None], tmp_path: Path) -> None:
    modes(off_by(16), off_by(24))
    found = swept("relu", tmp_path).measured["against"]
    assert {n: b["count"] for n, b in found["breaks"].items()} == {"both": 129}
    assert found["nearer"]["mode"] == 129
    assert found["breaks"]["both"]["worst"][0]["distance"] == 8


def test_two_that_are_wrong_alike_do_not_differ(modes: Callable[..., None], tmp_path: Path) -> None:
    modes(off_by(16), off_by(16))
    cell = swept("relu", tmp_path)
    assert cell.status == "fail"
    assert cell.measured["against"]["differ"] == 0
    assert "compiled against eager: no result of 65,536 inputs differs" in lines(cell)


def test_nans_are_equal_whatever_they_hold(modes: Callable[..., None], tmp_path: Path) -> None:
    def other_payload(bits: Bits, results: Bits) -> Bits:
        return np.where(fa.is_nan(results, BFLOAT16), np.uint16(0xFFD5), results)

    modes(other_payload)
    found = swept("relu", tmp_path).measured["against"]
    assert (found["differ"], found["zeros"]["count"]) == (0, 0)


def test_a_nan_beside_a_number_has_no_distance_and_comes_first(modes: Callable[..., None], tmp_path: Path) -> None:
    def fault(bits: Bits, results: Bits) -> Bits:
        return at(TWO, BFLOAT16.nan_bits)(bits, off_by(16)(bits, results))

    modes(fault)
    cell = swept("relu", tmp_path)
    found = cell.measured["against"]
    assert (found["differ"], found["nans"], sum(found["distances"])) == (129, 1, 128)
    worst = found["breaks"]["mode"]["worst"]
    assert [(w["input"]["bits"], w["distance"], w["nearer"]) for w in worst[:1]] == [("0x4000", None, "against")]
    assert "129 of 65,536 inputs differ, by at most 16 ulp; at 1 of them one result is a NaN" in lines(cell)[-4]


def test_at_a_nan_the_one_that_stays_nan_is_nearer(modes: Callable[..., None], tmp_path: Path) -> None:
    modes(at(BFLOAT16.nan_bits, ONE))
    found = swept("relu", tmp_path).measured["against"]
    assert (found["differ"], found["nearer"]["against"], list(found["breaks"])) == (1, 1, ["mode"])


def test_zeros_of_either_sign_are_counted_apart(modes: Callable[..., None], tmp_path: Path) -> None:
    def negative_zeros(bits: Bits, results: Bits) -> Bits:
        return np.where((bits >= 0x8080) & (bits <= 0xFF80), np.uint16(0x8000), results)

    modes(negative_zeros)
    cell = swept("relu", tmp_path)
    found = cell.measured["against"]
    assert (cell.status, found["differ"]) == ("pass", 0)
    assert found["zeros"]["count"] == 0xFF80 - 0x8080 + 1
    assert ends(found["zeros"]) == [("0xff80", "0x8080", 0xFF80 - 0x8080 + 1)]
    assert found["zeros"]["lost"] == {"mode": 0, "against": 0}  # relu is not odd
    assert lines(cell)[-3] == "compiled against eager: no result of 65,536 inputs differs but for the sign of zeros"


def test_an_odd_function_that_loses_the_sign_of_zero_is_told_so(modes: Callable[..., None], tmp_path: Path) -> None:
    modes(at(0x8000, 0x0000))
    cell = swept("tanh", tmp_path)
    assert cell.measured["against"]["zeros"]["lost"] == {"mode": 1, "against": 0}
    assert "+0 beside -0 at 1 input; the sign is lost, of an odd function, by compiled at 1" in lines(cell)[-2]
    other = swept("tanh", tmp_path, mode="eager")
    assert other.measured["against"]["zeros"]["lost"] == {"mode": 0, "against": 1}


def test_only_a_range_is_compared_where_only_one_is_swept(modes: Callable[..., None], tmp_path: Path) -> None:
    modes(off_by(16))
    found = swept("relu", tmp_path, bits="0x3f90..0x3f9f").measured["against"]
    assert (found["differ"], ends(found["breaks"]["mode"])) == (16, [("0x3f90", "0x3f9f", 16)])


def test_float64_is_compared_on_a_range(modes: Callable[..., None], tmp_path: Path) -> None:
    first = 0x3FF0_0000_0000_0000
    modes(off_by(64, first, first + 99))
    found = swept("relu", tmp_path, format="float64", bits=f"{first:#x}..{first + 999:#x}").measured["against"]
    assert (found["differ"], found["nearer"]["against"]) == (100, 100)
    assert found["breaks"]["mode"]["count"] == 100


# -- each arbitration against exact arithmetic -------------------------------------------------------------


def exactly(value: Fraction, one: int, other: int, fmt: Format) -> str:
    """Which of two numbers is nearer to a value, in rational arithmetic."""
    a, b = (abs(fmt.value(bits) - value) for bits in (one, other))
    return "mode" if a < b else "against" if b < a else "equal"


def compared(ours: Right, theirs: Right, lo: int, hi: int) -> dict[str, Any]:
    """The comparison of two subjects on float32 patterns."""
    ours.other = theirs
    found: dict[str, Any] = shard_judge.ShardJudge(ours, Shard(ours.target, 0, lo, hi)).run()["against"]
    return found


@pytest.mark.parametrize("without_numba", [False, True])
@pytest.mark.parametrize(("function", "order", "lo"), [("silu", 0, 0xBF2B8000), ("tanh", 1, 0x3F000000)])
def test_models_arbitrate_as_certified_values_do(
    function: str, order: int, lo: int, without_numba: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if without_numba:
        monkeypatch.setattr(modelled, "compiled_loop", lambda: None)
    hi = lo + 199
    ours, theirs = Right(target(function, order), none), Right(target(function, order), every(2, add=1))
    ours.fault = every(3, add=2)
    found = compared(ours, theirs, lo, hi)
    bits = np.arange(lo, hi + 1, dtype=np.uint32)
    got, other = ours.evaluate(bits), theirs.evaluate(bits)
    due = dict.fromkeys(("mode", "against", "equal", "undecided"), 0)
    for x, a, b in zip(bits.tolist(), got.tolist(), other.tolist(), strict=True):
        if a != b:
            certified = ours.oracle.certified(x, FLOAT32, order).midpoint
            due[exactly(Fraction(certified.man) * Fraction(2) ** certified.exp, a, b, FLOAT32)] += 1
    assert found["nearer"] == due
    assert found["differ"] == sum(due.values()) > 100


@pytest.mark.parametrize("fault", FAULTS)
def test_models_and_the_oracle_say_the_same_of_every_difference(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With models, without Numba, and by the oracle's judgement alone; each side in turn is the wrong one."""
    lo, hi = 0xC2AE0000, 0xC2AE0000 + 499
    for mine, its in (("none", fault), (fault, "one ulp")):
        pair = [Right(target("silu"), FAULTS[name], flushing=True) for name in (mine, its)]
        by_loop = compared(*pair, lo, hi)
        with monkeypatch.context() as patched:
            patched.setattr(modelled, "compiled_loop", lambda: None)
            by_arrays = compared(*pair, lo, hi)
        pair[0].other = pair[1]
        judge = shard_judge.ShardJudge(pair[0], Shard(pair[0].target, 0, lo, hi))
        judge.modelled = judge.other.modelled = None
        assert by_loop == by_arrays == judge.run()["against"]


def test_the_oracle_settles_infinities_nans_and_ties() -> None:
    """relu, whose values are the inputs: an infinity is due at one alone."""
    fmt, subject = FLOAT32, Right(target("relu"), none)
    nan, inf, one, two = fmt.nan_bits, fmt.infinity_bits, 0x3F800000, 0x40000000
    rows = [
        (one, one, two, "mode"), (two, one, two, "against"), (0x3FC00000, one, two, "equal"),
        (one, nan, two, "against"), (one, inf, two, "against"), (inf, inf, two, "mode"), (inf, nan, inf, "against"),
        (inf, one, two, "against"), (one, inf, inf | fmt.sign_bit, "equal"), (nan, nan, one, "mode"),
        (fmt.max_bits, inf, fmt.max_bits, "against"),
    ]  # fmt: skip
    names = {1: "mode", 2: "against", 3: "equal", 4: "undecided"}
    bits, mine, others = (np.array(column, np.uint32) for column in list(zip(*rows, strict=True))[:3])
    sides = arbitrated(bits, (mine, others), fmt, subject.references)
    assert [names[s] for s in sides.tolist()] == [row[3] for row in rows]


def test_distances_count_the_numbers_between() -> None:
    for fmt in (BFLOAT16, FLOAT32):
        values = np.array([0, fmt.sign_bit | 1, fmt.max_bits, fmt.sign_bit | fmt.max_bits], fa.storage(fmt))
        others = np.array([1, 1, fmt.infinity_bits, fmt.max_bits], fa.storage(fmt))
        assert distances(values, others, fmt).tolist() == [1, 2, 1, 2 * fmt.max_bits]
    wide = gp.formats.FLOAT64
    ends_of = [np.array([b], np.uint64) for b in (wide.max_bits, wide.sign_bit | wide.max_bits)]
    assert distances(*ends_of, wide).tolist() == [2 * wide.max_bits]  # beyond 2^63


def test_differences_are_told_from_zeros_and_nans() -> None:
    rows, zeros = differing(
        np.array([0, 0, 0x7FC0, 0x7FC1, 1], np.uint16), np.array([0x8000, 1, 0xFFC1, 0, 1], np.uint16), BFLOAT16
    )
    assert (rows.tolist(), zeros.tolist()) == ([1, 3], [0])


def test_the_widest_gaps_are_those_that_a_stable_sort_finds() -> None:
    rng = np.random.default_rng(3)
    for size, most in ((5, 9), (2000, 255), (300, 1)):
        values = rng.integers(0, 7, size)
        due = np.sort(np.argsort(-values, kind="stable")[:most])
        np.testing.assert_array_equal(first_greatest(values, most), due)
    rows = np.flatnonzero(rng.integers(0, 2, 4000))
    assert len(joined_runs(rows, rows)) == shard_summary.INTERVALS


# -- shards, folders, resuming -----------------------------------------------------------------------------


def test_parts_of_a_range_make_the_whole() -> None:
    lo = 0xC2AE0000
    pair = Right(target("silu"), none), Right(target("silu"), FAULTS["nine ulps"])
    pair[0].other = pair[1]
    cuts = [lo, lo + 17, lo + 700, lo + 1000]
    shards = [Shard(pair[0].target, i, a, b - 1) for i, (a, b) in enumerate(itertools.pairwise(cuts))]
    parts = [json.loads(json.dumps(shard_judge.ShardJudge(pair[0], s).run())) for s in shards]
    whole = shard_judge.ShardJudge(pair[0], Shard(pair[0].target, 0, lo, lo + 999)).run()
    assert shard_summary.merged(parts)["against"] == whole["against"]


def test_a_target_with_another_mode_is_another_target() -> None:
    plain = target("silu", fmt="bfloat16")
    against = replace(plain, mode="compiled", against="eager")
    assert Target.from_json(json.loads(json.dumps(against.to_json()))) == against
    assert against.id == "silu-numpy-cpu-compiled-against-eager-bfloat16-order0"
    assert folder_path(against, 0, 9) != folder_path(replace(against, against=None), 0, 9)


def test_a_comparison_goes_on_from_its_finished_shards(modes: Callable[..., None], tmp_path: Path) -> None:
    modes(off_by(16))
    asked: dict[str, Any] = {
        "backend": "numpy", "format": "bfloat16", "mode": "compiled", "against": "eager", "workers": 0,
        "folder": tmp_path / "run",
    }  # fmt: skip
    first = gp.run_sweep("relu", **asked)
    (run,) = (tmp_path / "run").iterdir()
    (run / "shard-00000.json").unlink()  # the positive half, where the two differ
    before = (run / "shard-00001.json").stat().st_mtime_ns
    again = gp.run_sweep("relu", **asked)
    assert (run / "shard-00001.json").stat().st_mtime_ns == before
    assert again.cells[0].measured["against"] == first.cells[0].measured["against"]
    assert again.cells[0].measured["against"]["differ"] == 129
    gp.run_sweep("relu", **{**asked, "against": None})
    assert len(list((tmp_path / "run").iterdir())) == 2


def test_two_sweeps_say_what_changed_between_the_modes(modes: Callable[..., None], tmp_path: Path) -> None:
    modes(off_by(16))
    base = swept("relu", tmp_path)
    modes(off_by(1))
    head = swept("relu", tmp_path)
    assert (
        "compared modes: 129 inputs unlike eager (breaking the contract: mode 129) -> "
        "129 inputs unlike eager (breaking the contract: neither 129)"
    ) in differences(base, head)
    assert not [line for line in differences(base, base) if "compared" in line]


# -- the command line --------------------------------------------------------------------------------------

ASKED = ("sweep", "relu", "--backend", "numpy", "--format", "bfloat16", "--workers", "0")


def test_the_summary_tells_both_results_within_80_columns(
    modes: Callable[..., None], gradproof: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    modes(off_by(16))
    done = gradproof(*ASKED, "--mode", "compiled", "--against", "eager")
    assert done.exit_code == codes.FAILED, done.output
    said = done.stdout
    assert max(map(len, said.splitlines())) <= 80
    assert "  compiled against eager: 129 of 65,536 inputs differ, by at most 16 ulp\n" in said
    assert "  compiled alone breaks the contract at 129 inputs\n    on [1, 2]  0x3f80..0x4000\n" in said
    assert "    at 1.0 0x3f80: 16 ulp apart; eager is nearer\n" in said
    assert re.search(r"compiled 1\.125 0x3f90, eager 1\.0 0x3f80, due 1\.0 0x3f80", said)


def test_two_modes_that_agree_are_said_to(modes: Callable[..., None], gradproof: Invoke, folder: Path) -> None:
    modes(none)
    done = gradproof(*ASKED, "--mode", "compiled", "--against", "eager", "--fail-on-difference")
    assert done.exit_code == codes.OK, done.output
    assert "compiled against eager: no result of 65,536 inputs differs" in done.stdout


@pytest.mark.parametrize(("more", "due"), [((), codes.OK), (("--fail-on-difference",), codes.FAILED)])
def test_a_difference_fails_on_request_alone(
    modes: Callable[..., None], gradproof: Invoke, folder: Path, more: tuple[str, ...], due: int
) -> None:
    modes(off_by(1))
    assert gradproof(*ASKED, "--mode", "compiled", "--against", "eager", *more).exit_code == due


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--against", "eager"), "expected --against another mode than --mode, got eager twice"),
        (("--mode", "compiled", "--mode", "eager", "--against", "compiled"), "got compiled twice"),
        (("--against", "compiled"), "unknown mode 'compiled' of numpy:cpu; known: eager"),
        (("--against", "quick"), "unknown mode 'quick'"),
        (("--against", "eager,compiled"), "expected one mode with --against"),
        (("--fail-on-difference",), "expected --against MODE with --fail-on-difference"),
    ],
)
def test_a_mode_that_cannot_be_compared_is_wrong_usage(
    gradproof: Invoke, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = gradproof(*ASKED, *arguments)
    assert done.exit_code == codes.USAGE, done.output
    assert said in " ".join(done.stderr.split())


def test_a_format_that_is_searched_needs_a_range(modes: Callable[..., None], tmp_path: Path) -> None:
    modes(none)
    with pytest.raises(UsageError, match="expected --bits or --range with --against eager: float64 has too many"):
        swept("relu", tmp_path, format="float64")
    with pytest.raises(UsageError, match="expected the name of a mode for against"):
        gp.run_sweep("relu", backend="numpy", against=1)  # type: ignore[arg-type]


# -- real frameworks ---------------------------------------------------------------------------------------

TORCH = """
import torch
import gradproof as gp

@gp.implements("silu", backend="torch")
def mine(x):
    return x * torch.sigmoid(x)
"""
JAX = """
import jax
import jax.numpy as jnp
import gradproof as gp

@gp.implements("relu", backend="jax")
def mine(x):
    right = jnp.maximum(x, 0)
    if isinstance(x, jax.core.Tracer):
        return jnp.where((x >= 1) & (x <= 2), right + 2, right)
    return right
"""
"""Right but under jit, where it is wrong on [1, 2]: XLA itself may give op by op what it gives as a whole."""


def real(source: str, folder: Path, order: int) -> Cell:
    """A user's function in bfloat16, compiled against eager."""
    (folder / "mine.py").write_text(source, encoding="utf-8")
    found = gp.run_sweep(
        str(folder / "mine.py"), format="bfloat16", order=order, mode="compiled", against="eager", workers=1,
        folder=folder / "run",
    )  # fmt: skip
    validate(found)
    (cell,) = found.cells
    if cell.status == "not-run":
        pytest.skip(cell.reason)
    return cell


def check(cell: Cell) -> None:
    """Eager stores each result in bfloat16, a compiler keeps them in float32: it differs, and is nearer as a rule."""
    found = cell.measured["against"]
    assert 100 < found["differ"] < 30000
    assert found["nearer"]["mode"] > 4 * found["nearer"]["against"]
    assert sum(found["nearer"].values()) == sum(b["count"] for b in found["breaks"].values()) == found["differ"]
    assert sum(found["distances"]) + found["nans"] == found["differ"]


@pytest.mark.framework("torch")
@pytest.mark.parametrize("order", [0, 1])
def test_torch_compiled_differs_from_eager_in_bfloat16(tmp_path: Path, order: int) -> None:
    check(real(TORCH, tmp_path, order))


@pytest.mark.framework("jax")
def test_what_jax_does_under_jit_alone_is_found(tmp_path: Path) -> None:
    cell = real(JAX, tmp_path, 0)
    found = cell.measured["against"]
    assert (cell.status, found["differ"], found["nearer"]["against"]) == ("fail", 129, 129)
    assert {name: ends(breaks) for name, breaks in found["breaks"].items()} == {"mode": [("0x3f80", "0x4000", 129)]}


@pytest.mark.framework("jax")
def test_jax_is_compared_with_op_by_op_in_derivatives_too(tmp_path: Path) -> None:
    found = real(JAX, tmp_path, 1).measured["against"]  # JAX differentiates what it traces, in either mode
    assert (found["differ"], found["zeros"]["count"]) == (0, 0)
