"""`gradproof vectors` and `gradproof judge`: what goes out, what comes back, and what is said about it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gradproof.backends import get_backend
from gradproof.backends.base import Call
from gradproof.cli.app import program
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.results import read_results
from tests.cli.conftest import Invoke


def reference(function: str, fmt: str, bits: np.ndarray, order: int = 0) -> np.ndarray:
    """Bits of the reference kernel's f^(order)."""
    backend = get_backend("numpy:cpu")
    row = next(i for i in backend.catalogue() if i.function == function)
    return backend.evaluate(row, bits, get_format(fmt), Call(order=order))


def exact(fmt: str, bits: np.ndarray) -> np.ndarray:
    return fa.values(bits, get_format(fmt))


def rounded(fmt: str, values: np.ndarray) -> np.ndarray:
    return fa.round_by_quantum(values, get_format(fmt))


@pytest.mark.parametrize("fmt", ["bfloat16", "float16", "float8_e5m2", "float8_e4m3fn"])
def test_all_inputs_of_a_narrow_format_are_written_in_order(gradproof: Invoke, fmt: str) -> None:
    assert gradproof("vectors", "gelu", "--format", fmt, "-o", "in.bin").exit_code == 0
    width = get_format(fmt).width
    assert np.array_equal(np.fromfile("in.bin", f"<u{width // 8}"), np.arange(1 << width))


@pytest.mark.parametrize(("fmt", "count"), [("float32", 1 << 10), ("float64", 1 << 10)])
def test_of_wider_formats_landmarks_strata_and_special_values_are_written(
    gradproof: Invoke, fmt: str, count: int
) -> None:
    assert gradproof("vectors", "relu6", "--format", fmt, "--points", str(count), "-o", "in.npy").exit_code == 0
    found = np.load("in.npy")
    assert {0.0, 6.0, float(np.nextafter(found.dtype.type(6), found.dtype.type(7)))} <= set(found.tolist())
    assert np.isnan(found).any()
    assert np.isinf(found).sum() == 2
    bits = found.view(f"u{found.itemsize}")
    assert np.unique(bits).size == bits.size > count


def test_shards_make_up_the_format(gradproof: Invoke) -> None:
    ends = []
    for k in (1, 2, 4096):
        shard = ("--shard", f"{k}/4096", "-o", "in.bin")
        assert gradproof("vectors", "silu", "--format", "float32", *shard).exit_code == 0
        part = np.fromfile("in.bin", "<u4")
        assert part.size == 1 << 20
        ends.append((int(part[0]), int(part[-1])))
    assert ends == [(0, 0xFFFFF), (0x100000, 0x1FFFFF), (0xFFF00000, 0xFFFFFFFF)]


def test_right_results_pass_in_every_format_and_order(gradproof: Invoke) -> None:
    for fmt, order in (("bfloat16", 0), ("float16", 1), ("float8_e5m2", 2), ("float32", 1), ("float64", 0)):
        points = ("--points", "256") if fmt in ("float32", "float64") else ()
        assert gradproof("vectors", "silu", "--format", fmt, *points, "-o", "in.npy").exit_code == 0
        found = np.load("in.npy")
        np.save("out.npy", reference("silu", fmt, found.view(f"u{found.itemsize}"), order))
        told = gradproof("judge", "silu", "in.npy", "out.npy", "--format", fmt, "--order", str(order), "-q")
        assert told.exit_code == 0, told.output
        assert "OK: nothing but passes" in told.output
    assert not list(Path(".gradproof/judged").glob("*.json")), "what passes leaves nothing behind"


def test_one_wrong_result_is_found_and_can_be_looked_at_again(gradproof: Invoke) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    wrong = reference("tanh", "bfloat16", bits)
    wrong[0x3F80] = 0x3F00
    wrong.tofile("out.bin")
    told = gradproof(
        "judge", "tanh", "out.bin", "--inputs", "all", "--format", "bfloat16", "--json", "r.json", "--html", "r.html",
        "--junit", "r.xml", "--implementation", "chip 7",
    )  # fmt: skip
    assert told.exit_code == 1
    result = read_results("r.json")
    (finding,) = result.findings
    assert finding.worst is not None
    assert (finding.backend, finding.device, finding.implementation) == ("bits", "file", "chip 7")
    assert (finding.kind, finding.worst.bits, finding.worst.got) == ("bulk", "0x3f80", "0x3f00")
    accuracy = next(c for c in result.cells if c.property == "accuracy")
    assert (accuracy.evidence.kind, accuracy.evidence.n) == ("exhaustive", 2 * 0x7F80)
    assert Path("r.html").stat().st_size > 1000
    assert "chip 7" in Path("r.xml").read_text()
    assert accuracy.certificate is not None
    again = accuracy.certificate.reproduce.replace("'chip 7'", "chip 7")
    assert again.startswith("gradproof repro tanh --file .gradproof/judged/tanh-bfloat16-order0-")
    words = again.split()[1:]
    words[words.index("chip") : words.index("chip") + 2] = ["chip 7"]
    shown = gradproof(*words)
    assert shown.exit_code == 1
    assert "got       0.5  0x1.0000000000000p-1  0x3f00" in shown.output
    wrong.tofile("out.bin")
    assert "out.bin has changed since it was judged; judge it again" in gradproof(*words).output


def test_some_results_are_judged_where_they_are(gradproof: Invoke) -> None:
    bits = np.array([0x3F80, 0xC000, 0x4000, 0x3F81], np.uint16)
    np.save("in.npy", bits)
    got = reference("silu", "bfloat16", bits, 1)
    np.save("out.npy", got)
    told = gradproof("judge", "silu", "in.npy", "out.npy", "--format", "bfloat16", "--order", "1", "--json", "r.json")
    assert told.exit_code == 0
    cells = {c.property: c for c in read_results("r.json").cells}
    assert (cells["accuracy"].evidence.kind, cells["accuracy"].evidence.n) == ("sampled", 4)
    assert cells["special-values"].status == "unsupported"
    got[1] ^= 0x8000
    np.save("out.npy", got)
    assert gradproof("judge", "silu", "in.npy", "out.npy", "--format", "bfloat16", "--order", "1").exit_code == 1


def test_parameters_are_those_of_the_function(gradproof: Invoke) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    x = exact("bfloat16", bits)
    rounded("bfloat16", np.where(x > 0, x, x * 0.2)).tofile("out.bin")
    judge = ("judge", "leaky_relu", "out.bin", "--inputs", "all", "--format", "bfloat16", "-q", "--param")
    assert gradproof(*judge, "negative_slope=0.2").exit_code == 0
    assert gradproof(*judge, "negative_slope=0.25").exit_code == 1


LEAST = 2.0**-126


def flushing_device(bits: np.ndarray) -> np.ndarray:
    """gelu on a device that gives 0 for subnormal results."""
    with np.errstate(invalid="ignore"):
        y = exact("bfloat16", reference("gelu", "bfloat16", bits))
        return rounded("bfloat16", np.where(np.abs(y) < LEAST, 0.0 * y, y))


def test_flushing_is_declared_or_inferred_and_told(gradproof: Invoke) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    flushing_device(bits).tofile("out.bin")
    judge = ("judge", "gelu", "out.bin", "--inputs", "all", "--format", "bfloat16", "--json", "r.json")
    inferred = gradproof(*judge)
    assert inferred.exit_code == 0, inferred.output
    assert "subnormal numbers: inferred from the results: FTZ (all " in inferred.output
    told = json.loads(Path("r.json").read_text())["run"]["settings"]["judged"]["flushing"]
    assert told["flushes_results"]
    assert told["known"].startswith("inferred from the results: FTZ")
    declared = gradproof(*judge, "--ftz")
    assert declared.exit_code == 0
    assert "subnormal numbers: declared: FTZ" in declared.output
    assert gradproof(*judge, "--no-ftz", "--no-daz").exit_code == 1


def test_a_normal_result_that_became_zero_is_not_excused_by_flushing(gradproof: Invoke) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    got = flushing_device(bits)
    got[0x0101] = 0  # half of a number above twice the least normal one
    got.tofile("out.bin")
    told = gradproof("judge", "gelu", "out.bin", "--inputs", "all", "--format", "bfloat16", "--ftz", "--json", "r.json")
    assert told.exit_code == 1
    (finding,) = read_results("r.json").findings
    assert finding.regions == {"bfloat16": {"0": [["0x0101", "0x0101"]]}}


@pytest.mark.parametrize("narrow", [True, False])
def test_conversions_come_in_either_format(gradproof: Invoke, narrow: bool) -> None:
    assert gradproof("vectors", "to_bfloat16", "--format", "float32", "--points", "1024", "-o", "in.bin").exit_code == 0
    bits = np.fromfile("in.bin", "<u4")
    right = rounded("bfloat16", exact("float32", bits))
    cut = np.where(np.isnan(exact("float32", bits)), 0x7FC0, bits >> 16).astype(np.uint16)
    judge = ("judge", "to_bfloat16", "in.bin", "out.bin", "--format", "float32", "--json", "r.json")
    for got, code in ((right, 0), (cut, 1)):
        (got if narrow else got.astype(np.uint32) << 16).tofile("out.bin")
        told = gradproof(*judge)
        assert told.exit_code == code, told.output
    finding = read_results("r.json").findings[0]
    assert finding.worst is not None
    assert (finding.kind, finding.worst.u) == ("bulk", pytest.approx(1.0, abs=1e-4)), (
        "what was cut off is up to one ulp"
    )


def test_a_range_of_float32_is_swept_with_findings(gradproof: Invoke) -> None:
    first, last = 0x3F800000, 0x3F83FFFF
    bits = np.arange(first, last + 1, dtype=np.uint32)
    got = reference("silu", "float32", bits)
    got.tofile("out.bin")
    judge = ("judge", "silu", "--inputs", f"{first:#x}..{last:#x}", "--format", "float32", "--jobs", "1", "-q")
    sweep = ("sweep", "silu", "--backend", "numpy", "--bits", f"{first:#x}..{last:#x}", "--jobs", "0", "-q")
    assert gradproof(*judge, "out.bin", "--json", "r.json").exit_code == 0
    assert gradproof(*sweep, "--json", "s.json").exit_code == 0
    (ours,), (theirs,) = read_results("r.json").cells, read_results("s.json").cells
    figures = ("u_max", "m_max", "abs_max", "worst_bits", "magnitude", "evidence", "status")
    assert [getattr(ours, f) for f in figures] == [getattr(theirs, f) for f in figures]
    got[1000:1010] ^= 0x1000
    got.tofile("out.bin")
    told = gradproof(*judge, "out.bin", "--json", "r.json")
    assert told.exit_code == 1
    (finding,) = read_results("r.json").findings
    assert finding.regions == {"float32": {"0": [["0x3f8003e8", "0x3f8003f1"]]}}
    assert "out.bin as silu on bits:file" in told.output
    assert not Path(".gradproof/judged/shards").exists()


def test_results_are_read_from_standard_input(folder: Path) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    content = reference("relu", "bfloat16", bits).tobytes()
    judge = ["judge", "relu", "-", "--inputs", "all", "--format", "bfloat16", "-q"]
    assert CliRunner().invoke(program, judge, input=content).exit_code == 0
    told = CliRunner().invoke(program, judge, input=content[:-2])
    assert told.exit_code == 4
    assert "expected 65,536 results in" in told.output
    assert "got 65,535: it is cut off" in told.output


def test_vectors_go_to_standard_output(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(program, ["vectors", "relu", "--format", "float8_e5m2", "-o", "-"])
    assert done.exit_code == 0
    assert done.stdout_bytes == bytes(range(256))


def test_a_wrong_golden_is_named_by_its_row_and_ulps(gradproof: Invoke) -> None:
    # sigmoid(0) = 1/2; float32 has 2^-25 between neighbours below 1/2 and 2^-24 above.
    Path("g.csv").write_text("x,y\n0,0.5\n1,0.731058578630\n0,0.50000203\n-1,0.268941421370\n")
    told = gradproof("judge", "sigmoid", "--golden", "g.csv", "--format", "float32", "--json", "r.json")
    assert told.exit_code == 1
    assert "1 of 4 rows of the golden file are wrong:" in told.output
    row = next(line for line in told.output.splitlines() if "line 4 " in line).split()
    assert row[2:] == ["0.0", "0.5000020265579224", "0.5", "34"]
    assert "3 inputs are no numbers" not in told.output
    (finding,) = read_results("r.json").findings
    assert finding.worst is not None
    assert finding.worst.u == 34
    Path("g.csv").write_text("x,y\n0,0.5\n1,0.731058578630\n0.1,0.52497918748\n")
    told = gradproof("judge", "sigmoid", "--golden", "g.csv", "--format", "float32")
    assert told.exit_code == 0, told.output
    assert "all of 3 rows of the golden file keep the contract faithful" in told.output
    assert "1 inputs are no numbers of float32 as they are written" in told.output


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["judge", "gelu", "in.bin", "out.bin"], "--format"),
        (["judge", "glue", "in.bin", "out.bin", "--format", "bfloat16"], "did you mean 'gelu'?"),
        (["judge", "gelu", "in.bin", "--format", "bfloat16"], "a file of inputs and one of results"),
        (
            ["judge", "gelu", "in.bin", "out.bin", "--inputs", "all", "--format", "bfloat16"],
            "beside --inputs, got 2 files",
        ),
        (["judge", "gelu", "-", "out.bin", "--format", "bfloat16"], "only results are read from standard input"),
        (["judge", "gelu", "in.bin", "absent.bin", "--format", "bfloat16"], "absent.bin, but it cannot be read"),
        (["judge", "gelu", "in.bin", "short.bin", "--format", "bfloat16"], "expected 4 results in short.bin"),
        (["judge", "gelu", "in.bin", "odd.bin", "--format", "bfloat16"], "5 bytes, which is no multiple"),
        (["judge", "gelu", "in.bin", "f32.npy", "--format", "bfloat16"], "got the type <f4"),
        (["judge", "gelu", "in.bin", "out.bin", "--format", "bfloat16", "--order", "3"], "--order of 0, 1 or 2, got 3"),
        (["judge", "gelu", "out.bin", "--inputs", "all", "--format", "float64"], "whose bit patterns can all be tried"),
        (["judge", "gelu", "out.bin", "--inputs", "5", "--format", "bfloat16"], "expected --bits LO..HI"),
        (["judge", "gelu", "out.bin", "--inputs", "3/2", "--format", "bfloat16"], "--shard K/N with K from 1 to N"),
        (["judge", "gelu", "in.bin", "out.bin", "--format", "bfloat16", "--param", "slope=1"], "slope"),
        (["judge", "gelu", "in.bin", "out.bin", "--format", "bfloat16", "--columns", "x,y"], "--golden FILE"),
        (
            ["judge", "gelu", "--golden", "g.csv", "--format", "bfloat16", "--notation", "octal"],
            "unknown notation 'octal'",
        ),
        (["judge", "gelu", "out.bin", "--golden", "g.csv", "--format", "bfloat16"], "no other files beside --golden"),
        (["judge", "to_float16", "in.bin", "out.bin", "--format", "bfloat16"], "expected a format wider than float16"),
        (["judge", "gelu", "in.bin", "out.bin", "--format", "bfloat16", "--json", "out.bin"], "would be overwritten"),
        (["vectors", "gelu", "--format", "bfloat16", "-o", "in.txt"], "ends in .bin, .raw, .npy, .safetensors"),
        (["vectors", "gelu", "--format", "float64", "--all", "-o", "a.bin"], "whose bit patterns can all be tried"),
        (["vectors", "gelu", "--format", "float32", "--points", "3", "-o", "a.bin"], "a power of two"),
        (["vectors", "gelu", "--format", "bfloat16", "--points", "4", "-o", "a.bin"], "no --points for bfloat16"),
        (["vectors", "gelu", "--format", "float32", "--all", "--shard", "1/2", "-o", "a"], "one of --all, --shard"),
        (
            ["vectors", "to_bfloat16", "--format", "float32", "--order", "1", "-o", "a.bin"],
            "--order 0 for the conversion",
        ),
        (["vectors", "gelu", "--format", "bfloat16", "-o", "absent/in.bin"], "cannot be written"),
    ],
)
def test_mistakes_are_told_with_exit_code_4(gradproof: Invoke, args: list[str], told: str) -> None:
    np.array([1, 2, 3, 0x3F80], "<u2").tofile("in.bin")
    np.array([1, 2, 3, 0x3F80], "<u2").tofile("out.bin")
    np.array([1, 2, 3], "<u2").tofile("short.bin")
    Path("odd.bin").write_bytes(b"12345")
    np.save("f32.npy", np.zeros(4, np.float32))
    Path("g.csv").write_text("x,y\n1,2\n")
    result = gradproof(*args)
    assert result.exit_code == 4, result.output
    assert told in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "args",
    [
        ("gelu", "in.npy", "out.npy"), ("gelu", "in.npy", "-"), ("gelu", "in.npy", "out.npy", "--json", "r.json"),
        ("gelu", "--golden", "g.csv"),
    ],
)  # fmt: skip
def test_where_nothing_can_be_kept_nothing_is_read_and_it_is_told(
    gradproof: Invoke, folder: Path, args: tuple[str, ...]
) -> None:
    # As in a folder that may only be read; of that no root user is kept.
    (folder / ".gradproof").write_text("a file")
    assert gradproof("vectors", "gelu", "--format", "bfloat16", "-o", "in.npy").exit_code == 0
    (folder / "out.npy").write_bytes((folder / "in.npy").read_bytes())
    (folder / "g.csv").write_text("0.0,0.0\n")
    before = sorted(p.name for p in folder.iterdir())
    done = gradproof("judge", *args, "--format", "bfloat16")
    assert done.exit_code == 4, done.output
    assert "expected to keep what is judged in .gradproof/judged" in done.stderr
    assert "Nothing was read or written" in done.stderr
    assert "Traceback" not in done.output
    assert sorted(p.name for p in folder.iterdir()) == before


def test_vectors_say_where_they_cannot_be_written(gradproof: Invoke, folder: Path) -> None:
    (folder / "taken").write_text("a file")
    done = gradproof("vectors", "gelu", "--format", "bfloat16", "-o", "taken/in.npy")
    assert done.exit_code == 4, done.output
    assert "taken/in.npy cannot be written" in done.stderr
    assert (folder / "taken").read_text() == "a file"
