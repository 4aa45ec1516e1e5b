"""Triton kernels on the host: the verdicts on ten of them, what is refused and why, and single results."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gradproof.backends.base import Call, Implementation
from gradproof.errors import Unsupported
from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32, Format, get_format
from gradproof.formats import arrays as fa
from gradproof.results import read_results
from tests.architecture.imports import ROOT

pytest.importorskip("triton", reason="triton is not installed")
pytest.importorskip("llvmlite", reason="llvmlite is not installed")

from gradproof.backends.triton.backend import TritonBackend
from gradproof.backends.triton.elements import _literal

EXAMPLE = ROOT / "examples" / "triton_host" / "kernels.py"
VERDICTS = {
    ("sigmoid", "float32", 0): "undecided",  # documented errors reach beyond the contract, correct rounding does not
    ("sigmoid", "bfloat16", 0): "pass",
    ("capped", "float16", 0): "pass",
    ("gelu_by_erfc", "bfloat16", 0): "pass",
    ("fused_bias", "bfloat16", 0): "pass",
    ("silu", "bfloat16", 0): "pass",
    ("silu", "bfloat16", 1): "pass",
    ("gelu_without_tail", "bfloat16", 0): "fail",
    ("gelu_misprinted", "bfloat16", 0): "fail",
    ("softplus_without_tail", "bfloat16", 0): "fail",
    ("late_bias", "bfloat16", 0): "fail",
    ("silu_with_wrong_backward", "bfloat16", 0): "pass",
    ("silu_with_wrong_backward", "bfloat16", 1): "fail",
}


def test_ten_kernels_get_the_verdicts_that_they_deserve(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE, tmp_path)
    command = [
        sys.executable, "-m", "gradproof", "check", "kernels.py", "--target", "sm_90", "--property", "accuracy",
        "--profile", "quick", "--order", "0", "--order", "1", "--jobs", "1", "--json", "r.json",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    cells = [c for c in read_results(tmp_path / "r.json").cells if "no AD" not in c.reason]
    found = {(c.implementation.partition(":")[2], c.format, c.order): c.status for c in cells}
    assert found == VERDICTS
    assert {c.backend for c in cells} == {"triton"}
    assert {c.evidence.kind for c in cells if c.format != "float32"} == {"exhaustive"}


# -- single kernels ------------------------------------------------------------------------------------------------

HEAD = "import triton\nimport triton.language as tl\nfrom triton.language.extra import libdevice\n"
KERNEL = """
@triton.jit
def {name}(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(x_ptr + at, mask=inside)
    w = x.to(tl.float32)
{body}
"""
STORED = "    tl.store(y_ptr + at, {0}, mask=inside)"
REFUSED = {
    "summed": (STORED.format("x + tl.sum(w, 0)"), "an exchange between threads"),
    "atomically": ("    tl.atomic_add(y_ptr + at, w, mask=inside)", "atomics"),
    "in_assembly": (
        STORED.format('tl.inline_asm_elementwise("tanh.approx.f32 $0, $1;", "=f,f", [w], tl.float32, True, 1)'),
        r"tanh\.approx\.f32",
    ),
    "sine": (STORED.format("tl.sin(w)"), "sine"),
    "narrowly": (STORED.format("x * x"), "calculates in"),
    "shifted": ("    tl.store(y_ptr + at + 1, w, mask=inside)", "not elementwise"),
    "unmasked_end": ("    tl.store(y_ptr + at, w, mask=at < n - 1)", "not elementwise|address depends"),
    "by_position": (STORED.format("w + at"), "where the element stands"),
    "by_length": (STORED.format("w + n"), "argument n"),
    "wholly": (STORED.format("w.to(tl.int64).to(tl.float32)"), "int32 of float32 alone"),
    "from_whole": (STORED.format("(w > 0).to(tl.int32)"), "calculates in"),
    "in_a_loop": (
        "    for _ in tl.range(3000):\n        w = w * 0.99 + 0.01\n" + STORED.format("w"), "product and a loop",
    ),
    "twice": ("    tl.store(y_ptr + at, w, mask=inside)\n    tl.store(x_ptr + at, w, mask=inside)", "one array once"),
}  # fmt: skip
RIGHT = {
    "scaled": STORED.format("w * 1.7"),
    "clipped": STORED.format("tl.maximum(w, -1.0)"),
    "cut": STORED.format("w.to(tl.int32).to(tl.float32)"),
}


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A module of all the kernels of these tests; triton reads their source."""
    bodies = {**{name: body for name, (body, _) in REFUSED.items()}, **RIGHT}
    file = tmp_path_factory.mktemp("kernels") / "triton_kernels_of_tests.py"
    file.write_text(HEAD + "".join(KERNEL.format(name=n, body=b) for n, b in bodies.items()), encoding="utf-8")
    return imported(file)


def imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def results(kernel: Any, bits: fa.Bits, fmt: Format) -> fa.Bits:
    implementation = Implementation("silu", "triton", "kernels:it", kernel, user=True)
    return TritonBackend("sm_90").evaluate(implementation, bits, fmt, Call())


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_elementwise_or_not_known_is_refused_by_name(name: str, kernels: ModuleType) -> None:
    fmt = BFLOAT16 if name in ("narrowly", "from_whole") else FLOAT32
    with pytest.raises(Unsupported, match=REFUSED[name][1]):
        results(getattr(kernels, name), np.ones(4, fa.storage(fmt)), fmt)


@pytest.mark.parametrize("fmt", [BFLOAT16, FLOAT16, FLOAT32], ids=lambda fmt: fmt.name)
def test_every_result_of_a_settled_kernel_is_the_one_of_ieee_arithmetic(fmt: Format, kernels: ModuleType) -> None:
    if fmt is FLOAT32:
        bits = np.random.default_rng(17).integers(0, 1 << 32, 1 << 16, np.uint32)
    else:
        bits = fa.all_bits(fmt)
    with np.errstate(all="ignore"):
        x = fa.values(bits, fmt).astype(np.float32)
        due = {"scaled": x * np.float32(1.7), "clipped": np.where(np.isnan(x), np.float32(-1), np.maximum(x, -1))}
        if fmt is FLOAT32:  # PTX: cvt to int32 takes the nearest of its range, and 0 for a NaN
            whole = np.clip(np.where(np.isnan(x), 0.0, x.astype(np.float64)), -(2.0**31), 2.0**31 - 1)
            due["cut"] = np.trunc(whole).astype(np.float32)
        for name, exact in due.items():
            got = fa.values(results(getattr(kernels, name), bits, fmt), fmt)
            expected = fa.values(fa.round_by_quantum(exact.astype(np.float64), fmt), fmt)
            np.testing.assert_array_equal(got, expected, err_msg=name)


@pytest.mark.parametrize(
    ("text", "kind", "bits"),
    [
        ("f0x3F3504F3", "float", "0x3FE6A09E60000000"),
        ("1.002960e+00", "float", "0x3FF00C1FC0000000"),
        ("-0.000000e+00", "float", "0x8000000000000000"),
        ("+inf", "float", "0x7FF0000000000000"),
        ("-inf", "bfloat", "0xRFF80"),
        ("1.000980e-02", "bfloat", "0xR3C24"),
        ("1.000210e-02", "half", "0xH211F"),
    ],
)
def test_the_numbers_of_tritons_ir_are_read_to_the_bit(text: str, kind: str, bits: str) -> None:
    """The bits of 1.00296 (0f3F8060FE), 0.0100098 and 0.0100021 are those that triton's PTX has for these texts."""
    assert _literal(text, kind) == bits


def test_a_target_that_is_not_there_is_named() -> None:
    command = [sys.executable, "-m", "gradproof", "check", str(EXAMPLE), "--target", "sm_9"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "expected --target sm_80 or sm_86 or sm_89 or sm_90, got 'sm_9'" in done.stderr


# -- where there is a GPU ------------------------------------------------------------------------------------------


def has_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


@pytest.mark.skipif(not has_gpu(), reason="no CUDA GPU is here to run the kernels on")
@pytest.mark.parametrize("name", ["sigmoid", "gelu_by_erfc", "silu", "gelu_without_tail", "softplus_without_tail"])
def test_what_a_gpu_returns_lies_in_the_enclosure(name: str) -> None:
    """At every bfloat16; zeros of either sign count as one, and where a NaN is possible anything is."""
    import torch

    kernel, fmt = getattr(imported(EXAMPLE), name), get_format("bfloat16")
    bits = fa.all_bits(fmt)
    x = torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16).cuda()
    y = torch.empty_like(x)
    kernel[((bits.size + 127) // 128,)](x, y, bits.size, block=128)
    got = fa.values(y.view(torch.int16).cpu().numpy().view(np.uint16), fmt)
    implementation = Implementation("silu", "triton", f"kernels:{name}", kernel, user=True)
    low, high = (fa.values(end, fmt) for end in TritonBackend("sm_90").enclosure(implementation, bits, fmt, Call()))
    assert (((low <= got) & (got <= high)) | np.isnan(high)).all()
