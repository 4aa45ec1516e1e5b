"""What the instructions behind ``llvm.nvvm.*`` compute, as LLVM IR for the host.

Those that PTX defines by IEEE 754 are exact. Those that it calls approximate have a documented greatest error, so they
are all results within it: the candidates, of which a caller chooses one by its index. A choice of -1 is the correctly
rounded result. The errors are those of the PTX ISA 9.1, 9.7.3 "Floating Point Instructions"
(https://docs.nvidia.com/cuda/parallel-thread-execution/#floating-point-instructions).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Final

import numpy as np

HELPER: Final = "host."
"""What names of the definitions here begin with; ``llvm.nvvm.round.f`` becomes ``host.round.f``."""


@dataclass(frozen=True)
class Approximate:
    """An instruction of which only the greatest error is documented."""

    error: str
    """The documented bound, in words."""
    candidates: int
    """How many results there are at most within it; smaller indices are smaller magnitudes."""
    definition: str
    """IR of the function of the operand and the index of the candidate."""


def _hexadecimal(value: float) -> str:
    """A float64 as IR writes it."""
    return f"0x{int(np.float64(value).view(np.uint64)):016X}"


def _function(signature: str, body: str) -> str:
    return f"define internal {signature} alwaysinline nounwind {{\n{body.strip()}\n}}\n"


def _wrapped(name: str, intrinsic: str, kind: str, operands: int = 1) -> str:
    """A function that calls a generic intrinsic on operands of one type."""
    arguments = ", ".join(f"{kind} %a{i}" for i in range(operands))
    return _function(
        f"{kind} @{HELPER}{name}({arguments})", f"  %r = call {kind} @{intrinsic}({arguments})\n  ret {kind} %r"
    )


def _arithmetic(name: str, operation: str, kind: str) -> str:
    body = f"  %r = {operation} {kind} %a, %b\n  ret {kind} %r"
    return _function(f"{kind} @{HELPER}{name}({kind} %a, {kind} %b)", body)


_TWO_SUM: Final = """
  %s = fadd double %p, %z
  %b1 = fsub double %s, %p
  %b2 = fsub double %s, %b1
  %b3 = fsub double %p, %b2
  %b4 = fsub double %z, %b1
  %e = fadd double %b3, %b4
  %f = fptrunc double %s to float
  %wide = fpext float %f to double
  %bits = bitcast float %f to i32
"""
"""%s + %e is %p + %z exactly (Knuth's TwoSum; no float32 sum or product comes near float64's limits), %f the nearest
float32 of %s. Next to %s no float32 lies between %s and the exact sum, since float32's numbers are among float64's."""

_TOWARD_ZERO: Final = f"""
  %p = fpext float %a to double
  %z = fpext float %b to double
{_TWO_SUM}
  %wm = call double @llvm.fabs.f64(double %wide)
  %sm = call double @llvm.fabs.f64(double %s)
  %beyond = fcmp ogt double %wm, %sm
  %meets = fcmp oeq double %wide, %s
  %product = fmul double %e, %s
  %against = fcmp olt double %product, 0.0
  %rest = and i1 %meets, %against
  %step = or i1 %beyond, %rest
  %inner = sub i32 %bits, 1
  %chosen = select i1 %step, i32 %inner, i32 %bits
  %r = bitcast i32 %chosen to float
  ret float %r
"""

_DOWNWARD: Final = f"""
  %x = fpext float %a to double
  %y = fpext float %b to double
  %p = fmul double %x, %y
  %z = fpext float %c to double
{_TWO_SUM}
  %beyond = fcmp ogt double %wide, %s
  %meets = fcmp oeq double %wide, %s
  %less = fcmp olt double %e, 0.0
  %rest = and i1 %meets, %less
  %step = or i1 %beyond, %rest
  %magnitude = and i32 %bits, 2147483647
  %zero = icmp eq i32 %magnitude, 0
  %negative = icmp slt i32 %bits, 0
  %up = add i32 %bits, 1
  %down = sub i32 %bits, 1
  %next = select i1 %negative, i32 %up, i32 %down
  %under = select i1 %zero, i32 -2147483647, i32 %next
  %stepped = select i1 %step, i32 %under, i32 %bits
  %pb = bitcast double %p to i64
  %zb = bitcast double %z to i64
  %either = or i64 %pb, %zb
  %plus = icmp sge i64 %either, 0
  %is_sum_zero = fcmp oeq double %s, 0.0
  %signed = select i1 %plus, i32 0, i32 -2147483648
  %chosen = select i1 %is_sum_zero, i32 %signed, i32 %stepped
  %r = bitcast i32 %chosen to float
  ret float %r
"""
"""A sum of exactly 0 is -0 downward, unless both terms are +0."""

_SATURATE: Final = """
  %positive = fcmp ogt float %a, 0.0
  %low = select i1 %positive, float %a, float 0.0
  %below = fcmp olt float %low, 1.0
  %r = select i1 %below, float %low, float 1.0
  ret float %r
"""

_XORSIGN: Final = """
  %x = call float @llvm.fabs.f32(float %a)
  %y = call float @llvm.fabs.f32(float %b)
  %m = call float @llvm.minimumnum.f32(float %x, float %y)
  %ab = bitcast float %a to i32
  %bb = bitcast float %b to i32
  %signs = xor i32 %ab, %bb
  %sign = and i32 %signs, -2147483648
  %mb = bitcast float %m to i32
  %magnitude = and i32 %mb, 2147483647
  %signed = or i32 %magnitude, %sign
  %r = bitcast i32 %signed to float
  ret float %r
"""

_TO_BFLOAT: Final = """
  %b = bitcast float %a to i32
  %nan = fcmp uno float %a, %a
  %up = lshr i32 %b, 16
  %odd = and i32 %up, 1
  %half = add i32 %odd, 32767
  %sum = add i32 %b, %half
  %top = lshr i32 %sum, 16
  %kept = select i1 %nan, i32 32767, i32 %top
  %low = trunc i32 %kept to i16
  %r = bitcast i16 %low to bfloat
  ret bfloat %r
"""
"""PTX ISA 9.1, 9.7.9 "cvt": to the nearest, ties to even; NaN is 0x7fff. x86's own instruction flushes."""

_FROM_BFLOAT: Final = """
  %b = bitcast bfloat %a to i16
  %wide = zext i16 %b to i32
  %up = shl i32 %wide, 16
  %r = bitcast i32 %up to float
  ret float %r
"""

_LOW: Final = "  %b = bitcast double %a to i64\n  %r = trunc i64 %b to i32\n  ret i32 %r"
_HIGH: Final = "  %b = bitcast double %a to i64\n  %h = lshr i64 %b, 32\n  %r = trunc i64 %h to i32\n  ret i32 %r"
_JOIN: Final = """
  %l = zext i32 %low to i64
  %h = zext i32 %high to i64
  %up = shl i64 %h, 32
  %b = or i64 %up, %l
  %r = bitcast i64 %b to double
  ret double %r
"""

_FLUSH: Final = _function(
    f"float @{HELPER}flushed(float %a)",
    """
  %bits = bitcast float %a to i32
  %exponent = and i32 %bits, 2139095040
  %small = icmp eq i32 %exponent, 0
  %zero = and i32 %bits, -2147483648
  %kept = select i1 %small, i32 %zero, i32 %bits
  %r = bitcast i32 %kept to float
  ret float %r
""",
)
"""A subnormal number becomes the zero of its sign."""


def _flushing(name: str, operands: int) -> tuple[str, str]:
    """The name and the definition of the form ``.ftz`` of an instruction on float32 numbers, which is defined here.

    PTX ISA 9.1, 9.7.3: it "flushes subnormal inputs and results to sign-preserving zero". The result is taken to be
    the rounded one, so what rounds up to the least normal number is kept.
    """
    stem, _, ending = name.rpartition(".")
    flushing = f"{stem}.ftz.{ending}"
    arguments = ", ".join(f"float %a{i}" for i in range(operands))
    lines = [f"  %x{i} = call float @{HELPER}flushed(float %a{i})" for i in range(operands)]
    lines += [
        f"  %y = call float @{HELPER}{name}({', '.join(f'float %x{i}' for i in range(operands))})",
        f"  %r = call float @{HELPER}flushed(float %y)\n  ret float %r",
    ]
    return flushing, _function(f"float @{HELPER}{flushing}({arguments})", "\n".join(lines))


_SETTLED: Final[dict[str, str]] = {
    "fma.rn.f": _wrapped("fma.rn.f", "llvm.fma.f32", "float", 3),
    "fma.rn.d": _wrapped("fma.rn.d", "llvm.fma.f64", "double", 3),
    "fma.rm.f": _function(f"float @{HELPER}fma.rm.f(float %a, float %b, float %c)", _DOWNWARD),
    "add.rn.f": _arithmetic("add.rn.f", "fadd", "float"),
    "add.rn.d": _arithmetic("add.rn.d", "fadd", "double"),
    "add.rz.f": _function(f"float @{HELPER}add.rz.f(float %a, float %b)", _TOWARD_ZERO),
    "mul.rn.f": _arithmetic("mul.rn.f", "fmul", "float"),
    "mul.rn.d": _arithmetic("mul.rn.d", "fmul", "double"),
    "div.rn.f": _arithmetic("div.rn.f", "fdiv", "float"),
    "sqrt.rn.f": _wrapped("sqrt.rn.f", "llvm.sqrt.f32", "float"),
    "fmin.xorsign.abs.f": _function(f"float @{HELPER}fmin.xorsign.abs.f(float %a, float %b)", _XORSIGN),
    "cvt.bf16": _function(f"bfloat @{HELPER}cvt.bf16(float %a)", _TO_BFLOAT),
    "cvt.from.bf16": _function(f"float @{HELPER}cvt.from.bf16(bfloat %a)", _FROM_BFLOAT),
    "fabs.f32": _wrapped("fabs.f32", "llvm.fabs.f32", "float"),
    "floor.f": _wrapped("floor.f", "llvm.floor.f32", "float"),
    "ceil.f": _wrapped("ceil.f", "llvm.ceil.f32", "float"),
    "fabs.f64": _wrapped("fabs.f64", "llvm.fabs.f64", "double"),
    # cvt.rni: to the nearest integer, ties to even
    "round.f": _wrapped("round.f", "llvm.roundeven.f32", "float"),
    "trunc.f": _wrapped("trunc.f", "llvm.trunc.f32", "float"),
    "saturate.f": _function(f"float @{HELPER}saturate.f(float %a)", _SATURATE),
    "d2i.lo": _function(f"i32 @{HELPER}d2i.lo(double %a)", _LOW),
    "d2i.hi": _function(f"i32 @{HELPER}d2i.hi(double %a)", _HIGH),
    "lohi.i2d": _function(f"double @{HELPER}lohi.i2d(i32 %low, i32 %high)", _JOIN),
}
_FLUSHED_OPERANDS: Final = {
    "fma.rn.f": 3, "fma.rm.f": 3, "add.rn.f": 2, "add.rz.f": 2, "mul.rn.f": 2,
    "div.rn.f": 2, "sqrt.rn.f": 1, "fabs.f32": 1, "round.f": 1, "floor.f": 1, "ceil.f": 1, "trunc.f": 1,
    "saturate.f": 1,
}  # fmt: skip
"""How many operands those instructions have that PTX has with ``.ftz`` too."""
EXACT: Final[dict[str, str]] = {
    "flushed": _FLUSH,
    **_SETTLED,
    **dict(_flushing(name, operands) for name, operands in _FLUSHED_OPERANDS.items()),
}
"""Definitions of what IEEE 754 settles, by the name without ``llvm.nvvm.``; they call one another."""

DEGREE: Final = 12
EXPONENTIAL_ERROR: Final = 2.0**-44
"""A bound on the relative error of 2^a in float64 below. For |t| <= ln(2)/2 the Taylor polynomial of degree 12 leaves
out less than 1.2 t^13 / 13! < 2^-52 of e^t >= 0.7; its evaluation and the two factors add less than 32 roundings of
2^-53."""


def _exponential() -> str:
    """2^%x as %v in float64, for %x in float64 between -200 and 200."""
    lines = [
        "%n = call double @llvm.rint.f64(double %x)",
        "%whole = fptosi double %n to i32",
        "%part = fsub double %x, %n",
        f"%t = fmul double %part, {_hexadecimal(np.log(2.0))}",
        f"%h{DEGREE} = fadd double 0.0, {_hexadecimal(1 / factorial(DEGREE))}",
    ]
    for i in range(DEGREE - 1, -1, -1):
        constant = _hexadecimal(1 / factorial(i))
        lines.append(f"%h{i} = call double @llvm.fma.f64(double %t, double %h{i + 1}, double {constant})")
    lines += [
        "%wide_whole = sext i32 %whole to i64",
        "%shift = shl i64 %wide_whole, 52",
        "%hb = bitcast double %h0 to i64",
        "%vb = add i64 %hb, %shift",
        "%v = bitcast i64 %vb to double",
    ]
    return "\n".join(f"  {line}" for line in lines)


def _chosen(ulps: int) -> str:
    """%c, the candidate of index %k among those within ``ulps`` of the correctly rounded magnitude.

    That one is between the bits %first and %last, and is %nearest. Below a power of two the spacing is half, so that
    ``ulps`` there are up to twice as many numbers.
    """
    return f"""
  %fraction = and i32 %first, 8388607
  %to_power = sub i32 {ulps}, %fraction
  %extra = call i32 @llvm.smax.i32(i32 %to_power, i32 0)
  %l0 = sub i32 %first, {ulps}
  %l1 = sub i32 %l0, %extra
  %low = call i32 @llvm.smax.i32(i32 %l1, i32 0)
  %u0 = add i32 %last, {ulps}
  %high = call i32 @llvm.smin.i32(i32 %u0, i32 2139095040)
  %c0 = add i32 %low, %k
  %c1 = call i32 @llvm.smin.i32(i32 %c0, i32 %high)
  %rounded = icmp slt i32 %k, 0
  %c = select i1 %rounded, i32 %nearest, i32 %c1
"""


_FLUSHED: Final = """
  %small = icmp ult i32 %c, 8388608
  %d = select i1 %small, i32 0, i32 %c
"""


BEYOND: Final = _hexadecimal(2.0**128 * (1 + 2.0**-21))
"""A result of 2 ulp less than this is still beyond float32's numbers, so infinite."""


def _ex2(name: str, *, ftz: bool) -> str:
    """PTX: at most 2 ulp from the correctly rounded result; 1 at zeros (with ftz at subnormal numbers), +0 at -inf."""
    body = f"""
  %bits = bitcast float %a to i32
  %magnitude = and i32 %bits, 2147483647
  %is_one = icmp ult i32 %magnitude, {8388608 if ftz else 1}
  %operand = fpext float %a to double
  %above = fcmp ogt double %operand, -200.0
  %raised = select i1 %above, double %operand, double -200.0
  %under = fcmp olt double %raised, 200.0
  %x = select i1 %under, double %raised, double 200.0
{_exponential()}
  %v1 = fmul double %v, {_hexadecimal(1 - EXPONENTIAL_ERROR)}
  %v2 = fmul double %v, {_hexadecimal(1 + EXPONENTIAL_ERROR)}
  %f0 = fptrunc double %v to float
  %f1 = fptrunc double %v1 to float
  %f2 = fptrunc double %v2 to float
  %nearest = bitcast float %f0 to i32
  %first = bitcast float %f1 to i32
  %last = bitcast float %f2 to i32
{_chosen(2)}
{_FLUSHED if ftz else "  %d = add i32 %c, 0"}
  %beyond = fcmp oge double %v1, {BEYOND}
  %o = select i1 %beyond, i32 2139095040, i32 %d
  %e0 = select i1 %is_one, i32 1065353216, i32 %o
  %is_pole = icmp eq i32 %bits, 2139095040
  %e1 = select i1 %is_pole, i32 2139095040, i32 %e0
  %is_end = icmp eq i32 %bits, -8388608
  %e2 = select i1 %is_end, i32 0, i32 %e1
  %is_nan = icmp ugt i32 %magnitude, 2139095040
  %e3 = select i1 %is_nan, i32 2143289344, i32 %e2
  %r = bitcast i32 %e3 to float
  ret float %r
"""
    return _function(f"float @{HELPER}{name}(float %a, i32 %k)", body)


_RECIPROCAL: Final = f"""
  %bits = bitcast float %a to i32
  %magnitude = and i32 %bits, 2147483647
  %sign = and i32 %bits, -2147483648
  %size = call float @llvm.fabs.f32(float %a)
  %operand = fpext float %size to double
  %v = fdiv double 1.0, %operand
  %f = fptrunc double %v to float
  %nearest = bitcast float %f to i32
  %first = add i32 %nearest, 0
  %last = add i32 %nearest, 0
{_chosen(1)}
{_FLUSHED}
  %is_pole = icmp ult i32 %magnitude, 8388608
  %e0 = select i1 %is_pole, i32 2139095040, i32 %d
  %is_end = icmp eq i32 %magnitude, 2139095040
  %e1 = select i1 %is_end, i32 0, i32 %e0
  %e2 = or i32 %e1, %sign
  %is_nan = icmp ugt i32 %magnitude, 2139095040
  %e3 = select i1 %is_nan, i32 2143289344, i32 %e2
  %r = bitcast i32 %e3 to float
  ret float %r
"""
"""float64's quotient rounded to float32 is the correctly rounded one: 53 >= 2 * 24 + 2 digits (Figueroa 1995)."""

_QUOTIENT: Final = f"""
  %ab = bitcast float %a to i32
  %bb = bitcast float %b to i32
  %signs = xor i32 %ab, %bb
  %sign = and i32 %signs, -2147483648
  %x = fpext float %a to double
  %y = fpext float %b to double
  %q = fdiv double %x, %y
  %v = call double @llvm.fabs.f64(double %q)
  %v1 = fmul double %v, {_hexadecimal(1 - 2.0**-51)}
  %v2 = fmul double %v, {_hexadecimal(1 + 2.0**-51)}
  %f0 = fptrunc double %v to float
  %f1 = fptrunc double %v1 to float
  %f2 = fptrunc double %v2 to float
  %nearest = bitcast float %f0 to i32
  %first = bitcast float %f1 to i32
  %last = bitcast float %f2 to i32
{_chosen(2)}
  %is_pole = fcmp oeq double %v, 0x7FF0000000000000
  %is_zero = fcmp oeq double %v, 0.0
  %settled = or i1 %is_pole, %is_zero
  %beyond = fcmp oge double %v1, {BEYOND}
  %o = select i1 %beyond, i32 2139095040, i32 %c
  %e0 = select i1 %settled, i32 %nearest, i32 %o
  %e1 = or i32 %e0, %sign
  %is_nan = fcmp uno double %v, %v
  %e2 = select i1 %is_nan, i32 2143289344, i32 %e1
  %r = bitcast i32 %e2 to float
  ret float %r
"""
"""float64's quotient is 0 or infinite only where the exact one is."""

FUSED: Final = "product"
"""Of no instruction: a product that a sum takes, which the compiler may leave unrounded (PTX fuses ``mul`` with ``add``
where neither names its rounding). Rounding is monotone, and the unrounded product lies between the neighbours of the
rounded one, so the fused sum lies between the sums that those give."""

_NEIGHBOUR: Final = """
  %bits = bitcast float %a to i32
  %magnitude = and i32 %bits, 2147483647
  %sign = and i32 %bits, -2147483648
  %moved = add i32 %magnitude, %k
  %d0 = sub i32 %moved, 1
  %d1 = call i32 @llvm.smax.i32(i32 %d0, i32 0)
  %d = call i32 @llvm.smin.i32(i32 %d1, i32 2139095040)
  %as_it_is = icmp slt i32 %k, 0
  %is_nan = icmp ugt i32 %magnitude, 2139095040
  %kept = or i1 %as_it_is, %is_nan
  %e = select i1 %kept, i32 %magnitude, i32 %d
  %s = or i32 %e, %sign
  %r = bitcast i32 %s to float
  ret float %r
"""

_OF_EX2: Final = "at most 2 ulp from the correctly rounded result"

APPROXIMATE: Final[dict[str, Approximate]] = {
    "ex2.approx.ftz.f32": Approximate(_OF_EX2, 8, _ex2("ex2.approx.ftz.f32", ftz=True)),
    "ex2.approx.f32": Approximate(_OF_EX2, 8, _ex2("ex2.approx.f32", ftz=False)),
    "rcp.approx.ftz.f32": Approximate(
        "at most 1 ulp", 4, _function(f"float @{HELPER}rcp.approx.ftz.f32(float %a, i32 %k)", _RECIPROCAL)
    ),
    "div.full": Approximate(
        "at most 2 ulp", 8, _function(f"float @{HELPER}div.full(float %a, float %b, i32 %k)", _QUOTIENT)
    ),
    FUSED: Approximate(
        "rounded, or fused with a sum", 3, _function(f"float @{HELPER}{FUSED}(float %a, i32 %k)", _NEIGHBOUR)
    ),
}
"""By the name without ``llvm.nvvm.``. Eight candidates of 2 ulp: two on either side of the rounded result, two more
where those below have half the spacing, one where the rounded result is in doubt. Four of 1 ulp in the same way."""

GENERIC: Final = """
declare float @llvm.fma.f32(float, float, float)
declare double @llvm.fma.f64(double, double, double)
declare float @llvm.fabs.f32(float)
declare half @llvm.fabs.f16(half)
declare bfloat @llvm.fabs.bf16(bfloat)
declare double @llvm.fabs.f64(double)
declare float @llvm.sqrt.f32(float)
declare float @llvm.floor.f32(float)
declare float @llvm.ceil.f32(float)
declare float @llvm.copysign.f32(float, float)
declare float @llvm.maximum.f32(float, float)
declare float @llvm.minimum.f32(float, float)
declare float @llvm.maximumnum.f32(float, float)
declare float @llvm.minimumnum.f32(float, float)
declare float @llvm.roundeven.f32(float)
declare float @llvm.trunc.f32(float)
declare double @llvm.rint.f64(double)
declare i32 @llvm.fptosi.sat.i32.f32(float)
declare i32 @llvm.fptoui.sat.i32.f32(float)
declare i32 @llvm.smax.i32(i32, i32)
declare i32 @llvm.smin.i32(i32, i32)
"""
"""Declarations of what the definitions call."""
