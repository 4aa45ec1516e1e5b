"""From summaries to cells: verdicts, certificates and intervals of seeded faults; 16-bit maxima as a run has them."""

from __future__ import annotations

import base64
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradproof as gp
from gradproof.cli import codes
from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.results import combine, validate
from gradproof.results.model import Cell, RunResult
from gradproof.sweep.judging import codes as marks
from gradproof.sweep.judging import shard_summary
from gradproof.sweep.results import measured, ranges
from tests.cli.conftest import Invoke
from tests.cli.conftest import folder as folder
from tests.cli.conftest import gradproof as gradproof

MINE = """
import numpy as np
import gradproof as gp

def bits(x):
    return x.view(np.uint32 if x.dtype == np.float32 else np.uint16)

@gp.implements("relu", backend="numpy", formats=[{fmt!r}]{known})
def mine(x):
    right = np.where(x <= 0, x.dtype.type(0), x)
    return {result}
"""
UP_ON_ONE_TO_TWO = "np.where((x >= 1) & (x <= 2), x * x.dtype.type(2), right)"
"""Wrong on [1, 2], which is 0x3f80 to 0x4000 in bfloat16: 129 inputs."""
NAN_AT_FOUR = "np.where(x == 4, x.dtype.type('nan'), right)"
LOST = "np.where((x > 0) & (x < 1), x.dtype.type(0), right)"
AT_INFINITY = "np.where(x == np.inf, x.dtype.type(0), right)"
NUMBER_AT_NAN = "np.where(np.isnan(x), x.dtype.type(3), right)"
IN_TWO_PIECES = "np.where(((x >= 1) & (x <= 2)) | ((x >= 16) & (x <= 32)), x * x.dtype.type(2), right)"


def swept(folder: Path, result: str = "right", known: str = "", fmt: str = "bfloat16", **more: Any) -> RunResult:
    """A sweep of relu with a fault; a file is imported once in a process, so each has a name of its own."""
    name = f"mine_{len(list(folder.glob('mine_*.py')))}.py"
    declared = f", known=[{known}]" if known else ""
    (folder / name).write_text(MINE.format(fmt=fmt, known=declared, result=result), encoding="utf-8")
    found = gp.run_sweep(str(folder / name), format=fmt, workers=0, folder=folder / "run", **more)
    validate(found)
    return found


def only(found: RunResult) -> Cell:
    (cell,) = found.cells
    return cell


def pairs(table: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(i["lo"]["bits"], i["hi"]["bits"], i["count"]) for i in table["intervals"]]


# -- verdicts ---------------------------------------------------------------------------------------------


def test_a_right_implementation_passes_and_says_that_its_maxima_are_exact(folder: Path) -> None:
    cell = only(swept(folder))
    assert (cell.property, cell.status, cell.reason) == ("sweep", "pass", "")
    assert (cell.u_max, cell.m_max, cell.abs_max, cell.magnitude) == (0.0, 0.0, 0.0, 0.0)
    assert (cell.evidence.kind, cell.evidence.n) == ("exhaustive", 65536)
    assert cell.measured["classes"] == {}
    assert cell.measured["exactness"] == "the maxima are exact: every input was judged by the oracle"
    assert cell.certificate is None


def test_a_failure_carries_a_certificate_with_the_exact_region(folder: Path) -> None:
    cell = only(swept(folder, UP_ON_ONE_TO_TWO))
    assert (cell.status, cell.severity, cell.felt) == ("fail", "small-error", True)
    assert cell.certificate is not None
    (region,) = cell.certificate.region
    assert (region.lo.bits, region.hi.bits, region.tried, region.failing) == ("0x3f80", "0x4000", 129, 129)
    assert region.exhaustive
    # 2x for x in [1, 2) is off by x, in quanta of x: 2^7 (1 + k / 128), at most 255; at 2 by 128 of them.
    assert cell.u_max == cell.certificate.u == 255.0
    assert cell.certificate.input is not None
    assert cell.certificate.input.bits == cell.worst_bits == "0x3fff"
    assert cell.certificate.simplest is not None
    assert float(cell.certificate.simplest.decimal) in (1.0, 2.0)
    assert pairs(cell.measured["classes"]["over-contract"]) == [("0x3f80", "0x4000", 129)]


def test_the_command_of_a_failure_repeats_it(gradproof: Invoke, folder: Path) -> None:
    cell = only(swept(folder, UP_ON_ONE_TO_TWO))
    assert cell.certificate is not None
    done = gradproof(*cell.certificate.reproduce.split()[1:])
    assert done.exit_code == codes.FAILED, done.output
    assert "FAILS" in done.stdout


def test_a_nan_is_a_mismatch_and_leaves_no_maximum_as_in_accuracy(folder: Path) -> None:
    cell = only(swept(folder, NAN_AT_FOUR))
    assert (cell.status, cell.severity, cell.u_max, cell.m_max) == ("fail", "wrong-class", None, None)
    assert (cell.worst_bits, cell.magnitude, cell.evidence.n) == ("0x4080", None, 65536)
    assert cell.curve is not None
    assert 255 in base64.b64decode(cell.curve.bins)
    assert cell.curve.histogram[-1] == 1
    assert cell.curve.quantiles[-1] is None


def test_a_lost_signal_is_graver_than_a_large_error(folder: Path) -> None:
    cell = only(swept(folder, LOST))
    assert (cell.status, cell.severity) == ("fail", "lost-signal")
    # The normal numbers below 1; below them 0 is a rounding of a few quanta.
    assert pairs(cell.measured["classes"]["lost-signal"]) == [("0x0080", "0x3f7f", 0x3F7F - 0x80 + 1)]


@pytest.mark.parametrize(("fault", "kind", "count"), [(AT_INFINITY, "infinite", 1), (NUMBER_AT_NAN, "nan", 254)])
def test_what_is_no_finite_number_is_named_apart(folder: Path, fault: str, kind: str, count: int) -> None:
    cell = only(swept(folder, fault))
    assert (cell.status, cell.severity, cell.u_max) == ("fail", "wrong-class", 0.0)
    assert "every finite input holds" in cell.reason
    table = cell.measured["classes"]["wrong-class"]
    assert {k: table[k] for k in ("count", "finite", "infinite", "nan")} == {
        "count": count, "finite": 0, "infinite": 0, "nan": 0, kind: count,
    }  # fmt: skip


def test_special_inputs_are_known_by_declarations_of_special_values_alone(folder: Path) -> None:
    beyond = only(swept(folder, AT_INFINITY, "gp.known('special-values', 'no infinity')"))
    assert (beyond.status, beyond.certificate is not None) == ("known", True)
    assert only(swept(folder, AT_INFINITY, "gp.known('accuracy', 'no infinity')")).status == "fail"
    assert only(swept(folder, UP_ON_ONE_TO_TWO, "gp.known('special-values', 'no use')")).status == "fail"


# -- the ledger -------------------------------------------------------------------------------------------


def test_failures_inside_a_recorded_region_are_known(folder: Path) -> None:
    found = swept(folder, UP_ON_ONE_TO_TWO, "gp.known('accuracy', 'doubled', region=(1, 2))")
    cell = only(found)
    assert cell.status == "known"
    assert cell.known_ref is not None
    assert cell.known_ref in found.deviations
    assert [s.state for s in found.ledger] == ["seen"]
    assert cell.certificate is not None
    assert "unexplained" not in cell.measured["classes"]


@pytest.mark.parametrize(
    ("region", "fresh"),
    [
        ("(1, 1.5)", [("0x3fc1", "0x4000", 64)]),
        ("(1.5, 2)", [("0x3f80", "0x3fbf", 64)]),
        ("(3, 4)", [("0x3f80", "0x4000", 129)]),
    ],
)
def test_failures_beyond_a_region_have_grown_and_are_named(
    folder: Path, region: str, fresh: list[tuple[str, str, int]]
) -> None:
    found = swept(folder, UP_ON_ONE_TO_TWO, f"gp.known('accuracy', 'doubled', region={region})")
    cell = only(found)
    assert (cell.status, cell.known_ref) == ("fail", None)
    assert pairs(cell.measured["classes"]["unexplained"]) == fresh
    assert "new: [" in cell.reason


def test_one_input_outside_two_regions_is_not_overlooked(folder: Path) -> None:
    """Both ends of the failing interval are known; what fails between the regions is not."""
    declared = "gp.known('accuracy', 'low', region=(1, 1.4)), gp.known('accuracy', 'high', region=('1.41', 2))"
    cell = only(swept(folder, UP_ON_ONE_TO_TWO, declared))
    # 1.40625 = 0x3fb4 is the one number of bfloat16 between 1.4 and 1.41: 180 / 128.
    assert (cell.status, pairs(cell.measured["classes"]["unexplained"])) == ("fail", [("0x3fb4", "0x3fb4", 1)])


def test_an_error_above_the_ceiling_has_grown_even_where_another_declaration_allows_it(folder: Path) -> None:
    """u of 2x is m, doubled by the slope of 1: 255 / 2 on [1, 2), over a bound of 2."""
    assert only(swept(folder, UP_ON_ONE_TO_TWO, "gp.known('accuracy', 'a', ceiling=64)")).status == "known"
    assert only(swept(folder, UP_ON_ONE_TO_TWO, "gp.known('accuracy', 'a', ceiling=63)")).status == "fail"
    far = "gp.known('accuracy', 'low', region=(1, 2), ceiling=10), gp.known('accuracy', 'high', region=(16, 32))"
    found = swept(folder, IN_TWO_PIECES, far)
    assert only(found).status == "fail"
    assert "grown" in [s.state for s in found.ledger]


def test_a_declaration_is_gone_only_where_everything_was_swept(folder: Path) -> None:
    declared = "gp.known('accuracy', 'was doubled')"
    assert [s.state for s in swept(folder, known=declared).ledger] == ["gone"]
    assert [s.state for s in swept(folder, known=declared, bits="0x3f80..0x4000").ledger] == ["not-checked"]


def test_a_coarsened_interval_hides_nothing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Two intervals kept as one: the passing inputs between them are no part of what is new."""
    monkeypatch.setattr(shard_summary, "INTERVALS", 1)
    coarse, most = shard_summary.coarsened, 1
    monkeypatch.setattr(shard_summary, "coarsened", lambda intervals, _=1: coarse(intervals, most))
    cell = only(swept(folder, IN_TWO_PIECES, "gp.known('accuracy', 'low', region=(1, 2))"))
    table = cell.measured["classes"]["over-contract"]
    assert table["count"] == 258
    assert cell.status == "fail"
    assert pairs(cell.measured["classes"]["unexplained"]) == [("0x4180", "0x4200", 129)]


# -- ranges, searches, undecided --------------------------------------------------------------------------


def test_a_range_says_so_and_claims_no_more(folder: Path) -> None:
    cell = only(swept(folder, UP_ON_ONE_TO_TWO, bits="0x3f00..0x3f7f"))
    assert (cell.status, cell.evidence.kind, cell.evidence.n) == ("pass", "range", 128)
    assert cell.reason == "every pattern of 0x3f00..0x3f7f"
    assert cell.measured["range"] == {"first": "0x3f00", "last": "0x3f7f", "patterns": 128, "whole": False}


def test_a_range_of_nans_alone_has_nothing_to_measure(folder: Path) -> None:
    cell = only(swept(folder, bits="0x7f81..0x7fff"))
    assert (cell.status, cell.u_max, cell.magnitude, cell.evidence.n) == ("pass", None, None, 127)


def test_float32_goes_through_models_and_says_what_they_leave_open(folder: Path) -> None:
    cell = only(swept(folder, UP_ON_ONE_TO_TWO, fmt="float32", bits="0x3f7f0000..0x40010000"))
    assert cell.status == "fail"
    assert pairs(cell.measured["classes"]["over-contract"]) == [("0x3f800000", "0x40000000", (1 << 23) + 1)]
    assert cell.u_max == (1 << 24) - 1
    assert "no input exceeds u by more than" in cell.measured["exactness"]
    assert cell.measured["excess"]["u"] > 0


def test_undecided_inputs_are_no_pass(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from gradproof.sweep.judging import shard_judge

    monkeypatch.setattr(
        shard_judge.ShardJudge, "_judge", lambda self, bits, got: np.full(bits.size, marks.UNDECIDED, np.uint8)
    )
    found = gp.run_sweep("relu", backend="numpy", format="bfloat16", workers=0, folder=folder / "run")
    cell = only(found)
    assert (cell.status, cell.evidence.n) == ("undecided", 0)
    assert cell.reason == "the oracle could not certify 65,536 value(s), the first at 0.0"
    assert "65,536 undecided ones aside" in cell.measured["exactness"]


def test_a_search_is_at_least_and_names_its_seed(folder: Path) -> None:
    found = gp.run_sweep("silu", backend="numpy", format="float64", points=512, seed=7, workers=0)
    validate(found)
    cell = only(found)
    assert (cell.property, cell.evidence.kind, cell.evidence.n) == ("sweep", "sampled", 512)
    assert cell.measured["search"]["seed"] == 7
    assert "of at least" in cell.reason
    assert "seed 7" in cell.reason


def test_a_failure_that_a_search_finds_is_certified_and_may_be_known(folder: Path) -> None:
    def searched(known: str = "") -> Cell:
        cell = only(swept(folder, UP_ON_ONE_TO_TWO, known, fmt="float64", points=2048))
        assert cell.certificate is not None
        assert all(i.tried == 0 for i in cell.certificate.region)
        return cell

    assert searched().status == "fail"
    assert searched("gp.known('accuracy', 'doubled', region=(1, 2))").status == "known"
    assert searched("gp.known('accuracy', 'doubled', region=(8, 9))").status == "fail"


# -- the figures of measured ------------------------------------------------------------------------------


def test_two_sweeps_of_one_thing_combine_whatever_they_took(folder: Path) -> None:
    first, second = (
        gp.run_sweep("relu", backend="numpy", format="bfloat16", workers=0, folder=folder / name) for name in "ab"
    )
    assert len(combine([first, second]).cells) == 1


def test_envelopes_quantiles_and_histograms_are_those_of_a_plain_count(folder: Path) -> None:
    """2x is off by x on [1, 2]: in quanta 128 + k at 1 + k / 128, and 128 at 2."""
    cell = only(swept(folder, UP_ON_ONE_TO_TWO))
    u = np.array([128.0 + k for k in range(128)] + [128.0])
    counts = cell.measured["histograms"]["above"]
    assert (counts["unit"], counts["steps"], counts["least"] + len(counts["counts"]) // 4) == ("ulp", 4, 8)
    bins = {128: (128, 160), 160: (160, 192), 192: (192, 224), 224: (224, 256)}
    assert counts["counts"][-4:] == [int(((u >= a) & (u < b)).sum()) for a, b in bins.values()]
    assert sum(sum(h["counts"]) for n, h in cell.measured["histograms"].items() if n in ("above", "below")) == 65280
    assert cell.measured["quantiles"]["1.0"] == 255.0
    levels = base64.b64decode(cell.measured["envelope"]["u"])
    assert len(levels) == 4096  # of 16 patterns each, the negative half reversed before the other
    expected = round(8 * np.log2(1 + 128.0 + 15))
    assert levels[2048 + (0x3F80 >> 4)] == expected
    assert levels[2048 - 1 - (0x3F80 >> 4)] == 0
    assert levels[0] == levels[-1] == 254  # NaNs


def test_the_curve_meets_every_bin_of_the_envelope(folder: Path) -> None:
    cell = only(swept(folder, UP_ON_ONE_TO_TWO))
    assert cell.curve is not None
    fine = base64.b64decode(cell.measured["envelope"]["u"])
    assert max(b for b in base64.b64decode(cell.curve.bins) if b < 254) == max(b for b in fine if b < 254)
    assert sum(cell.curve.histogram) == 65280


def test_exactness_tells_the_larger_error_that_there_may_be() -> None:
    assert measured.exactness({"u": 2.4e-7, "m": 0.0}) == (
        "the maxima are attained, and no input exceeds u by more than 2.4e-07 ulp"
    )
    assert "exact" in measured.exactness({"u": 0.0, "m": 0.0})
    assert "3 undecided" in measured.exactness({}, 3)


@pytest.mark.parametrize("name", ["bfloat16", "float32", "float8_e4m3fn", "float8_e5m2"])
def test_the_kinds_of_inputs_part_the_line(name: str) -> None:
    fmt = get_format(name)
    if fmt.width <= 16:
        line = np.array([shard_summary.bits_at(k, fmt.width) for k in range(1 << fmt.width)], fa.storage(fmt))
        masks = {"finite": fa.is_finite(line, fmt), "nan": fa.is_nan(line, fmt)}
        for kind, mask in masks.items():
            inside = np.zeros(line.size, bool)
            for low, high in ranges.kinds(fmt)[kind]:
                inside[low : high + 1] = True
            assert (inside == mask).all()
    every = sorted(part for parts in ranges.kinds(fmt).values() for part in parts)
    assert every[0][0] == 0
    assert every[-1][1] == (1 << fmt.width) - 1
    assert all(b[0] == a[1] + 1 for a, b in itertools.pairwise(every))


# -- the same maxima as a run -----------------------------------------------------------------------------

FUNCTIONS = ("silu", "gelu", "tanh", "log1p", "relu")


def agree(backend: str, folder: Path) -> None:
    """Maxima, counts and the verdict of sweeps against the exhaustive cells of a run."""
    chosen = Selection(
        functions=FUNCTIONS, backends=(backend,), properties=("accuracy", "special-values"),
        formats=("bfloat16", "float16"), modes=("eager",), jobs=0,
    )  # fmt: skip
    cells = {(c.function, c.format, c.order, c.property): c for c in run(chosen).cells}
    found = gp.run_sweep(
        FUNCTIONS, backend=backend, format=["bfloat16", "float16"], order=[0, 1, 2], workers=0, folder=folder
    )
    assert len(found.cells) == len(FUNCTIONS) * 6
    for cell in found.cells:
        of_run, special = (cells[cell.function, cell.format, cell.order, p] for p in ("accuracy", "special-values"))
        if of_run.status == "unsupported":
            assert cell.status == "unsupported"
            continue
        for name in ("u_max", "m_max", "abs_max"):
            # The oracle encloses a value asked for among others in other last bits: 1e-14 of the error.
            wanted = getattr(of_run, name)
            assert getattr(cell, name) == (None if wanted is None else pytest.approx(wanted, rel=1e-14, abs=0)), cell.id
        assert cell.excused == of_run.excused
        verdicts = {of_run.status, special.status}
        assert cell.status == next(s for s in ("fail", "known", "undecided", "pass") if s in verdicts), cell.id


def test_16_bit_maxima_are_those_of_a_run_on_numpy(tmp_path: Path) -> None:
    agree("numpy:cpu", tmp_path)


@pytest.mark.framework("torch")
def test_16_bit_maxima_are_those_of_a_run_on_torch(tmp_path: Path) -> None:
    agree("torch:cpu", tmp_path)


def test_a_result_that_differs_from_call_to_call_is_said_to(tmp_path: Path) -> None:
    unsteady = only(swept(tmp_path, "right * np.random.default_rng().integers(2, 200, x.shape).astype(x.dtype)"))
    assert unsteady.status == "fail"
    assert "another call gave" in unsteady.reason
    steady = only(swept(tmp_path, "right * x.dtype.type(3)"))
    assert steady.status == "fail"
    assert "another call" not in steady.reason
