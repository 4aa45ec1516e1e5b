"""Bitcode like libdevice's, written by the tests: functions of one number over the instructions of PTX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

DECLARATIONS = """
target triple = "nvptx64-nvidia-gpulibs"
@flag = private unnamed_addr constant [11 x i8] c"__CUDA_FTZ\\00", align 1
@riddle = private unnamed_addr constant [14 x i8] c"__CUDA_RIDDLE\\00", align 1
declare i32 @__nvvm_reflect(ptr)
declare float @llvm.nvvm.fma.rm.f(float, float, float)
declare float @llvm.nvvm.fma.rn.f(float, float, float)
declare float @llvm.nvvm.add.rz.f(float, float)
declare float @llvm.nvvm.mul.rn.f(float, float)
declare float @llvm.nvvm.round.f(float)
declare float @llvm.nvvm.saturate.f(float)
declare float @llvm.nvvm.ex2.approx.ftz.f32(float)
declare float @llvm.nvvm.ex2.approx.f32(float)
declare float @llvm.nvvm.lg2.approx.f(float)
declare float @llvm.nvvm.fma.rn.ftz.f(float, float, float)
declare float @llvm.nvvm.fma.rm.ftz.f(float, float, float)
declare float @llvm.nvvm.add.rn.ftz.f(float, float)
declare float @llvm.nvvm.add.rz.ftz.f(float, float)
declare float @llvm.nvvm.mul.rn.ftz.f(float, float)
declare float @llvm.nvvm.fabs.ftz.f32(float)
declare float @llvm.nvvm.round.ftz.f(float)
declare float @llvm.nvvm.saturate.ftz.f(float)
declare double @llvm.nvvm.fma.rn.d(double, double, double)
"""
RECIPROCAL = 'call float asm "rcp.approx.ftz.f32 $0,$1;", "=f,f"'


def bitcode(folder: Path, functions: Mapping[str, str]) -> Path:
    """A new file with functions of a float ``%a``; each body ends in the instruction ``%r``, which is returned.

    Those whose names do not end in ``f`` are of a double.
    """
    import llvmlite.binding as llvm

    defined = []
    for function, body in functions.items():
        kind = "float" if function.endswith("f") else "double"
        defined.append(f"define {kind} @{function}({kind} %a) {{\n{body}\n  ret {kind} %r\n}}")
    file = folder / f"device{len(list(folder.glob('device*.bc')))}.bc"
    file.write_bytes(llvm.parse_assembly(DECLARATIONS + "\n".join(defined)).as_bitcode())
    return file
