"""Device functions on the host: each instruction against exact arithmetic, what is refused, and where the file is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

from gradproof.backends.base import Call
from gradproof.backends.libdevice import bitcode as files
from gradproof.backends.libdevice import translate
from gradproof.backends.libdevice.backend import FUNCTIONS, LibdeviceBackend
from gradproof.backends.libdevice.kernels import Kernel, parsed
from gradproof.errors import BackendUnavailable, Unsupported
from gradproof.formats import FLOAT32, FLOAT64
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.functions import get_function
from gradproof.oracle import Oracle
from tests.backends.device_functions import RECIPROCAL, bitcode

pytest.importorskip("llvmlite", reason="llvmlite is not installed")

HERE = LibdeviceBackend.availability("x86")
real = pytest.mark.skipif(not HERE.available, reason=HERE.reason or "libdevice is here")
RNG = np.random.default_rng(20261130)


def kernel(folder: Path, body: str, kind: str = "f") -> Kernel:
    """The function with this body."""
    return Kernel(translate.translated(parsed(bitcode(folder, {f"__nv_it{kind}": body})), f"__nv_it{kind}"))


def some(low: float, high: float, count: int = 4000) -> Bits:
    """Numbers of either sign, evenly over the bit patterns between two magnitudes."""
    first, last = (int(np.float32(x).view(np.uint32)) for x in (low, high))
    bits = RNG.integers(first, last, count, np.uint32)
    return np.concatenate([bits, bits | np.uint32(1 << 31)])


def floats(bits: Bits) -> list[Fraction]:
    return [Fraction(float(x)) for x in bits.view(np.float32)]


def rounded(exact: Fraction, *, down: bool) -> float:
    """``exact`` to float32, downward or toward zero."""
    near = np.float32(float(exact))
    for _ in range(3):
        wrong = Fraction(float(near)) > exact if down else abs(Fraction(float(near))) > abs(exact)
        if not wrong:
            return float(near)
        near = np.nextafter(near, np.float32(-np.inf if down else 0))
    raise AssertionError(exact)


TOWARD_ZERO = "  %r = call float @llvm.nvvm.add.rz.f(float %a, float 1.0)"
DOWNWARD = "  %r = call float @llvm.nvvm.fma.rm.f(float %a, float 252.0, float 12583039.0)"
DOWNWARD_CANCELLED = "  %r = call float @llvm.nvvm.fma.rm.f(float %a, float %a, float -1.0)"
ROUNDED: list[tuple[str, str, Callable[[Fraction], Fraction], bool]] = [
    ("add.rz.f", TOWARD_ZERO, lambda x: x + 1, False),
    ("fma.rm.f", DOWNWARD, lambda x: 252 * x + 12583039, True),
    ("fma.rm.f", DOWNWARD_CANCELLED, lambda x: x * x - 1, True),
]


@pytest.mark.parametrize(("name", "body", "exact", "down"), ROUNDED, ids=["add.rz", "fma.rm", "fma.rm-cancelled"])
def test_directed_roundings_are_those_of_exact_arithmetic(
    name: str, body: str, exact: Callable[[Fraction], Fraction], down: bool, tmp_path: Path
) -> None:
    bits = np.concatenate([some(1e-12, 1e12), some(0.5, 2.0)])
    got = kernel(tmp_path, body).values(bits).view(np.float32)
    assert got.tolist() == [rounded(exact(x), down=down) for x in floats(bits)]


@pytest.mark.parametrize(("name", "body", "exact", "down"), ROUNDED, ids=["add.rz", "fma.rm", "fma.rm-cancelled"])
def test_an_instruction_that_rounds_another_way_is_noticed(
    name: str, body: str, exact: Callable[[Fraction], Fraction], down: bool, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The fault a translation would make that takes every rounding for the nearest."""
    nearest = (
        "define internal float @host.add.rz.f(float %a, float %b) { %r = fadd float %a, %b\n ret float %r }"
        if name == "add.rz.f"
        else "define internal float @host.fma.rm.f(float %a, float %b, float %c) {\n"
        " %r = call float @llvm.fma.f32(float %a, float %b, float %c)\n ret float %r }"
    )
    monkeypatch.setitem(translate.EXACT, name, nearest)
    bits = some(0.5, 2.0)
    got = kernel(tmp_path, body).values(bits).view(np.float32)
    assert got.tolist() != [rounded(exact(x), down=down) for x in floats(bits)]


def test_directed_roundings_at_zeros_infinities_and_nans(tmp_path: Path) -> None:
    specials = np.array([-1.0, np.inf, -np.inf, np.nan], np.float32)
    toward_zero = kernel(tmp_path, TOWARD_ZERO).values(specials.view(np.uint32)).view(np.float32)
    assert np.signbit(toward_zero[0]) == np.False_  # IEEE 754, 6.3: a sum of 0 is -0 downward alone
    np.testing.assert_array_equal(toward_zero, [0.0, np.inf, -np.inf, np.nan])
    downward = kernel(tmp_path, DOWNWARD_CANCELLED).values(specials.view(np.uint32)).view(np.float32)
    assert np.signbit(downward[0])
    np.testing.assert_array_equal(downward, [-0.0, np.inf, np.inf, np.nan])


def test_saturation_and_the_nearest_integer(tmp_path: Path) -> None:
    x = np.array([-1.0, -0.0, 0.5, 1.5, 2.5, -2.5, np.inf, np.nan], np.float32).view(np.uint32)
    saturated = kernel(tmp_path, "  %r = call float @llvm.nvvm.saturate.f(float %a)").values(x).view(np.float32)
    np.testing.assert_array_equal(saturated, [0, 0, 0.5, 1, 1, 0, 1, 0])
    assert not np.signbit(saturated).any()
    nearest = kernel(tmp_path, "  %r = call float @llvm.nvvm.round.f(float %a)").values(x).view(np.float32)
    np.testing.assert_array_equal(nearest, [-1, -0.0, 0, 2, 2, -2, np.inf, np.nan])


LEAST = "0xB810000000000000"
"""-2^-126, the negative of float32's least normal number, as IR writes it."""
SUBNORMAL = "0x37F8000000000000"
"""3 * 2^-129."""
Floats = npt.NDArray[np.float32]


def flushed(x: Floats) -> Floats:
    """Subnormal numbers as zeros of their sign."""
    return np.where(np.abs(x) < np.float32(2.0**-126), np.copysign(np.float32(0), x), x)


FLUSHING: dict[str, tuple[str, Callable[[Floats], Floats]]] = {
    "mul.rn": ("@llvm.nvvm.mul.rn.ftz.f(float %a, float 0.75)", lambda x: x * np.float32(0.75)),
    "mul.rn-operand": (f"@llvm.nvvm.mul.rn.ftz.f(float %a, float {SUBNORMAL})", lambda x: x * np.float32(0)),
    "add.rn": (f"@llvm.nvvm.add.rn.ftz.f(float %a, float {LEAST})", lambda x: x - np.float32(2.0**-126)),
    "add.rz": (f"@llvm.nvvm.add.rz.ftz.f(float {SUBNORMAL}, float %a)", lambda x: x + np.float32(0)),
    "fma.rn": (
        f"@llvm.nvvm.fma.rn.ftz.f(float %a, float 1.0, float {LEAST})", lambda x: x - np.float32(2.0**-126),
    ),
    "fma.rm": (f"@llvm.nvvm.fma.rm.ftz.f(float %a, float 1.0, float {SUBNORMAL})", lambda x: x),
    "fabs": ("@llvm.nvvm.fabs.ftz.f32(float %a)", np.abs),
    "round": ("@llvm.nvvm.round.ftz.f(float %a)", np.rint),
    "saturate": ("@llvm.nvvm.saturate.ftz.f(float %a)", lambda x: np.clip(x, np.float32(0), np.float32(1)) + 0),
}  # fmt: skip
"""Instructions of one number each, with what they calculate of numbers near the least normal one, where it is exact."""


@pytest.mark.parametrize("instruction", FLUSHING)
def test_ftz_makes_subnormal_operands_and_results_zeros_of_their_sign(
    instruction: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, exact = FLUSHING[instruction]
    body = f"  %r = call float {call}"
    bits = np.concatenate([some(2.0**-149, 2.0**-126), some(2.0**-126, 2.0**-125), some(2.0**-125, 2.0)])
    got = kernel(tmp_path, body).values(bits)
    due = flushed(exact(flushed(bits.view(np.float32))))
    assert got.tolist() == due.view(np.uint32).tolist()
    kept = translate.EXACT["flushed"].replace("select i1 %small", "select i1 false")
    monkeypatch.setitem(translate.EXACT, "flushed", kept)
    if instruction != "round":  # which makes them zeros anyway
        assert kernel(tmp_path, body).values(bits).tolist() != got.tolist()


# -- approximate instructions -------------------------------------------------------------------------------------


def within(exact: mpmath.mpf, ulps: int) -> tuple[float, float, float]:
    """The correctly rounded positive float32, and the ends of those within some of its ulps."""
    near = np.float32(float(exact))
    ulp = Fraction(float(np.spacing(near)))
    low = high = near
    while Fraction(float(near)) - Fraction(float(np.nextafter(low, np.float32(0)))) <= ulps * ulp:
        low = np.nextafter(low, np.float32(0))
    while Fraction(float(np.nextafter(high, np.float32(np.inf)))) - Fraction(float(near)) <= ulps * ulp:
        high = np.nextafter(high, np.float32(np.inf))
    return float(near), float(low), float(high)


APPROXIMATIONS: list[tuple[str, Callable[[Any], Any], int, float, float]] = [
    ("  %r = call float @llvm.nvvm.ex2.approx.ftz.f32(float %a)", lambda x: mpmath.power(2, x), 2, 1e-9, 125.0),
    ("  %r = call float @llvm.nvvm.ex2.approx.f32(float %a)", lambda x: mpmath.power(2, x), 2, 1e-9, 125.0),
    (f"  %r = {RECIPROCAL}(float %a)", lambda x: 1 / abs(x), 1, 1e-30, 1e30),
]


@pytest.mark.parametrize(("body", "function", "ulps", "low", "high"), APPROXIMATIONS, ids=["ex2.ftz", "ex2", "rcp.ftz"])
def test_the_candidates_of_an_approximate_instruction_are_those_within_its_error(
    body: str, function: Callable[[Any], Any], ulps: int, low: float, high: float, tmp_path: Path
) -> None:
    """Every number within the documented ulps is enclosed, and, away from powers of two, none beyond."""
    made = kernel(tmp_path, body)
    assert made.function.approximate
    powers = np.arange(-40, 40, dtype=np.float32).view(np.uint32)
    bits = np.concatenate([some(low, high, 2000), powers[powers.view(np.float32) != 0]])
    ends = [np.abs(end.view(np.float32)) for end in made.enclosure(bits)]
    middle = np.abs(made.values(bits).view(np.float32))
    with mpmath.workprec(120):
        for i, x in enumerate(bits.view(np.float32).tolist()):
            near, least, most = within(function(mpmath.mpf(x)), ulps)
            lower, upper = sorted((float(ends[0][i]), float(ends[1][i])))
            assert middle[i] == near, x
            assert lower <= least, x
            assert most <= upper, x
            fraction = int(np.float32(near).view(np.uint32)) & 0x7FFFFF
            if 4 < fraction < 0x7FFFFB:
                assert (lower, upper) == (least, most), x


def test_the_corner_cases_that_ptx_tabulates(tmp_path: Path) -> None:
    x = np.array([-np.inf, -0.0, 0.0, 1e-40, -1e-40, np.inf, np.nan], np.float32).view(np.uint32)
    for low_or_high in kernel(tmp_path, APPROXIMATIONS[0][0]).enclosure(x):
        np.testing.assert_array_equal(low_or_high.view(np.float32), [0, 1, 1, 1, 1, np.inf, np.nan])
    for low_or_high in kernel(tmp_path, APPROXIMATIONS[2][0]).enclosure(x):
        got = low_or_high.view(np.float32)
        np.testing.assert_array_equal(got, [-0.0, -np.inf, np.inf, np.inf, -np.inf, 0, np.nan])
        assert np.signbit(got[0])


def test_small_exponentials_are_flushed_by_the_ftz_form_alone(tmp_path: Path) -> None:
    x = np.array([-140.0, -127.5], np.float32).view(np.uint32)
    flushed = kernel(tmp_path, APPROXIMATIONS[0][0]).enclosure(x)
    assert [end.tolist() for end in flushed] == [[0, 0], [0, 0]]
    low, high = (end.view(np.float32) for end in kernel(tmp_path, APPROXIMATIONS[1][0]).enclosure(x))
    assert (low < 2.0 ** x.view(np.float32).astype(np.float64)).all()
    assert (high > 2.0 ** x.view(np.float32).astype(np.float64)).all()


@pytest.mark.parametrize("steps", [-2, -1, 0, 1, 2])
def test_a_function_is_called_on_every_candidate_and_not_on_the_ends_alone(steps: int, tmp_path: Path) -> None:
    """A peak at one candidate, which no function of the ends would see."""
    operand = np.float32(0.3)
    peak = int(np.float32(2.0 ** np.float64(operand)).view(np.uint32)) + steps
    body = f"""
  %y = call float @llvm.nvvm.ex2.approx.ftz.f32(float %a)
  %b = bitcast float %y to i32
  %is = icmp eq i32 %b, {peak}
  %r = select i1 %is, float 100.0, float 1.0
"""
    low, high = kernel(tmp_path, body).enclosure(np.array([operand], np.float32).view(np.uint32))
    assert (low.view(np.float32).item(), high.view(np.float32).item()) == (1.0, 100.0)


def test_a_nan_among_the_results_is_the_greatest(tmp_path: Path) -> None:
    body = """
  %y = call float @llvm.nvvm.ex2.approx.ftz.f32(float %a)
  %s = fsub float %y, 1.0
  %is = fcmp olt float %s, 0.0
  %r = select i1 %is, float 0x7FF8000000000000, float %s
"""
    low, high = kernel(tmp_path, body).enclosure(np.array([1e-8], np.float32).view(np.uint32))
    assert low.view(np.float32).item() == 0.0
    assert np.isnan(high.view(np.float32).item())


# -- what the bitcode leaves to the compiler ----------------------------------------------------------------------


def test_a_product_in_a_sum_may_be_fused_or_rounded(tmp_path: Path) -> None:
    made = kernel(tmp_path, "  %p = fmul float %a, %a\n  %r = fsub float 1.0, %p")
    assert made.function.approximate == ("product",)
    bits = some(0.5, 1.5, 1000)
    low, high = (end.view(np.float32) for end in made.enclosure(bits))
    x = bits.view(np.float32)
    apart = np.float32(1) - x * x
    fused = np.array([float(1 - f * f) for f in floats(bits)]).astype(np.float32)
    assert (apart != fused).any()
    assert ((low <= apart) & (apart <= high) & (low <= fused) & (fused <= high)).all()


def test_each_of_two_products_in_a_sum_may_be_the_one_that_is_fused(tmp_path: Path) -> None:
    """a^2 + a b with b = 3 - a for 1 < a < 2: one product is rounded, the other is not."""
    body = "  %b = fsub float 3.0, %a\n  %p = fmul float %a, %a\n  %q = fmul float %a, %b\n  %r = fsub float %p, %q"
    made = kernel(tmp_path, body)
    assert made.function.approximate == ("product", "product")
    bits = some(1.0, 2.0, 1000)[:1000]
    low, high = (end.view(np.float32) for end in made.enclosure(bits))
    x = bits.view(np.float32)
    p, q = ([Fraction(float(y)) for y in x * other] for other in (x, np.float32(3) - x))
    first = np.array([float(f * f - r) for f, r in zip(floats(bits), q, strict=True)]).astype(np.float32)
    second = np.array([float(r - f * (3 - f)) for f, r in zip(floats(bits), p, strict=True)]).astype(np.float32)
    assert (first != second).any()
    assert ((low <= first) & (first <= high) & (low <= second) & (second <= high)).all()


def test_a_loop_is_refused_where_each_round_may_have_another_result(tmp_path: Path) -> None:
    loop = """  br label %again
again:
  %i = phi i32 [ 0, %0 ], [ %j, %again ]
  %x = phi float [ %a, %0 ], [ %y, %again ]
  %y = OPERATION
  %j = add i32 %i, 1
  %more = icmp slt i32 %j, 3
  br i1 %more, label %again, label %end
end:
  %r = fadd float %y, 0.0"""
    three = np.array([3.0], np.float32).view(np.uint32)
    settled = kernel(tmp_path, loop.replace("OPERATION", "fadd float %x, 1.0"))
    assert settled.values(three).view(np.float32).item() == 6.0
    with pytest.raises(Unsupported, match=r"ex2\.approx\.f32 and a loop"):
        kernel(tmp_path, loop.replace("OPERATION", "call float @llvm.nvvm.ex2.approx.f32(float %x)"))


def test_a_negated_product_may_be_fused_too(tmp_path: Path) -> None:
    body = "  %p = fmul float %a, %a\n  %n = fsub float -0.0, %p\n  %r = fadd float 1.0, %n"
    assert kernel(tmp_path, body).function.approximate == ("product",)
    alone = "  %p = fmul float %a, %a\n  %r = fsub float -0.0, %p"
    assert kernel(tmp_path, alone).function.approximate == ()


def test_a_product_with_a_rounding_mode_is_kept_apart(tmp_path: Path) -> None:
    body = "  %p = call float @llvm.nvvm.mul.rn.f(float %a, float %a)\n  %r = fsub float 1.0, %p"
    assert kernel(tmp_path, body).function.approximate == ()


def test_the_flag_for_subnormal_numbers_is_nvccs_default(tmp_path: Path) -> None:
    body = """
  %f = call i32 @__nvvm_reflect(ptr @flag)
  %on = icmp ne i32 %f, 0
  %r = select i1 %on, float 1.0, float %a
"""
    assert kernel(tmp_path, body).values(np.array([5], np.uint32)).tolist() == [5]


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("  %r = call float @llvm.nvvm.lg2.approx.f(float %a)", "f", "lg2.approx.f"),
        ('  %r = call float asm "tanh.approx.f32 $0,$1;", "=f,f"(float %a)', "f", "tanh.approx.f32"),
        ("  %f = call i32 @__nvvm_reflect(ptr @riddle)\n  %r = sitofp i32 %f to float", "f", "flag"),
        ("  %p = fmul double %a, %a\n  %r = fadd double 1.0, %p", "", "one rounding"),
        ("  %r = call float @__nv_otherf(float %a)", "f", "no function __nv_missingf"),
    ],
)
def test_what_is_not_settled_is_refused_by_name(body: str, kind: str, words: str, tmp_path: Path) -> None:
    if "missing" in words:
        module = parsed(bitcode(tmp_path, {"__nv_otherf": "  %r = fadd float %a, 1.0"}))
        with pytest.raises(Unsupported, match=words):
            translate.translated(module, "__nv_missingf")
        return
    with pytest.raises(Unsupported, match=words):
        kernel(tmp_path, body, kind)


# -- the backend --------------------------------------------------------------------------------------------------


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LibdeviceBackend:
    """The backend over two functions of the tests'."""
    functions = {
        "__nv_log1pf": "  %r = fadd float %a, 1.0",
        "__nv_expf": "  %r = call float @llvm.nvvm.ex2.approx.ftz.f32(float %a)",
    }
    monkeypatch.setenv(files.VARIABLE, str(bitcode(tmp_path, functions)))
    return LibdeviceBackend()


def test_what_has_no_approximate_instruction_is_settled(backend: LibdeviceBackend) -> None:
    by_name = {i.function: i for i in backend.catalogue()}
    assert set(by_name) == set(FUNCTIONS)
    assert backend.open_to(by_name["log1p"], FLOAT32) == ""
    assert "ex2.approx.ftz.f32 (at most 2 ulp" in backend.open_to(by_name["exp"], FLOAT32)
    two = np.array([[1.0], [3.0]], np.float32)
    got = backend.evaluate(by_name["log1p"], two.view(np.uint32), FLOAT32, Call())
    np.testing.assert_array_equal(got.view(np.float32), two + 1)
    np.testing.assert_array_equal(by_name["log1p"].call(two), two + 1)


def test_what_the_backend_has_not_is_unsupported(backend: LibdeviceBackend) -> None:
    by_name = {i.function: i for i in backend.catalogue()}
    one = np.ones(1, np.uint32)
    with pytest.raises(Unsupported, match="no function __nv_tanhf"):
        backend.evaluate(by_name["tanh"], one, FLOAT32, Call())
    with pytest.raises(Unsupported, match="float32 only, not float64"):
        backend.evaluate(by_name["log1p"], one.astype(np.uint64), FLOAT64, Call())
    with pytest.raises(Unsupported):
        backend.evaluate(by_name["log1p"], one, FLOAT32, Call(order=1))
    assert backend.open_to(by_name["tanh"], FLOAT32) == ""


def test_the_results_say_which_bitcode_and_which_target(backend: LibdeviceBackend) -> None:
    versions = backend.versions()
    assert versions["libdevice"].startswith("sha256:")
    assert len(versions["libdevice"]) == len("sha256:") + 64
    assert versions["target"] == "sm_90"
    assert "CUDA_FTZ=0" in versions["flags"]


def test_without_the_file_the_backend_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.VARIABLE, str(tmp_path / "nowhere.bc"))
    assert "nowhere.bc, which is no file" in LibdeviceBackend.availability("x86").reason
    monkeypatch.delenv(files.VARIABLE)
    monkeypatch.setattr(files.importlib.util, "find_spec", lambda name: None if name == "triton" else object())
    assert "pip install triton, or set GRADPROOF_LIBDEVICE" in LibdeviceBackend.availability("x86").reason
    assert "expected libdevice:x86" in LibdeviceBackend.availability("cpu").reason


def test_the_file_is_found_in_triton_which_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "triton" / "backends" / "nvidia" / "lib"
    folder.mkdir(parents=True)
    (tmp_path / "triton" / "__init__.py").write_text("raise RuntimeError", encoding="utf-8")
    file = folder / "libdevice.10.bc"
    file.write_bytes(b"")
    monkeypatch.delenv(files.VARIABLE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    assert files.located() == file


def test_a_file_that_is_no_bitcode_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.bc").write_text("no bitcode", encoding="utf-8")
    monkeypatch.setenv(files.VARIABLE, str(tmp_path / "text.bc"))
    with pytest.raises(BackendUnavailable, match=r"text\.bc: expected bitcode that LLVM"):
        LibdeviceBackend()


# -- NVIDIA's own functions, where they are -----------------------------------------------------------------------

GUIDE = {"exp": 2, "expm1": 1, "log1p": 1, "erf": 2, "erfc": 4, "tanh": 2}
"""Greatest errors in ulp over all float32, CUDA C++ Programming Guide, "Mathematical Functions", against the correctly
rounded result."""


@real
@pytest.mark.parametrize("function", GUIDE)
def test_nvidias_functions_keep_the_errors_that_cudas_guide_states(function: str) -> None:
    """With approximate instructions that round correctly, and where the result is a normal number."""
    backend = LibdeviceBackend()
    (mine,) = (i for i in backend.catalogue() if i.function == function)
    bits = np.concatenate([some(1e-6, 9.0, 4000), some(0.1, 1.0, 4000)])
    if function == "log1p":
        bits = bits[bits.view(np.float32) > -1]
    got = backend.evaluate(mine, bits, FLOAT32, Call())
    due = Oracle(get_function(function)).references(bits, FLOAT32)[0].rounded
    steps = np.abs(fa.ordinals(got, FLOAT32) - fa.ordinals(due, FLOAT32))
    assert steps.max() <= GUIDE[function]
    assert steps.max() > 0  # no reference implementation by mistake


@real
@pytest.mark.parametrize("function", GUIDE)
def test_the_result_of_a_device_that_rounds_correctly_is_enclosed(function: str) -> None:
    backend = LibdeviceBackend()
    (mine,) = (i for i in backend.catalogue() if i.function == function)
    bits = np.concatenate([some(1e-30, 80.0, 4000), np.array([0, 1 << 31, 0x7F800000, 0xFF800000], np.uint32)])
    low, high = (end.view(np.float32) for end in backend.enclosure(mine, bits, FLOAT32, Call()))
    got = backend.evaluate(mine, bits, FLOAT32, Call()).view(np.float32)
    assert (((low <= got) & (got <= high)) | (np.isnan(got) & np.isnan(high))).all()


@real
@pytest.mark.parametrize("function", ["exp", "expm1"])
def test_float64_functions_without_approximations_are_within_cudas_ulp(function: str) -> None:
    """CUDA's guide states 1 ulp for both."""
    backend = LibdeviceBackend()
    (mine,) = (i for i in backend.catalogue() if i.function == function)
    bits = RNG.uniform(-30, 30, 500).view(np.uint64)
    got = backend.evaluate(mine, bits, FLOAT64, Call()).view(np.float64)
    with mpmath.workprec(200):
        for x, y in zip(bits.view(np.float64).tolist(), got.tolist(), strict=True):
            exact = getattr(mpmath, function)(mpmath.mpf(x))
            assert abs(mpmath.mpf(y) - exact) <= float(np.spacing(abs(y))), x
