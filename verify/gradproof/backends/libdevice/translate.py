"""From one device function of the bitcode to IR that the host compiles, with the same results.

What the bitcode leaves to the compiler is settled by flags, by default as nvcc does (``REFLECTED``): subnormal numbers
are kept and square roots are IEEE's. Whether a product is fused with the sum that takes it is left open, as an
approximate instruction is: nvcc (``-fmad``) and triton may do either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gradproof.backends.libdevice.host import machine
from gradproof.backends.libdevice.instructions import APPROXIMATE, EXACT, FUSED, GENERIC, HELPER
from gradproof.errors import Unsupported

TARGET: Final = "sm_90"
REFLECTED: Final[Mapping[str, int]] = {"__CUDA_FTZ": 0, "__CUDA_PREC_SQRT": 1, "__CUDA_PREC_DIV": 1, "__CUDA_ARCH": 900}
"""What ``__nvvm_reflect`` answers under nvcc: the flags of the target, by the names in the bitcode."""
FLUSHING: Final[Mapping[str, int]] = {"__CUDA_FTZ": 1, "__CUDA_PREC_SQRT": 0, "__CUDA_PREC_DIV": 0}
"""The same under triton, which sets ``nvvm-reflect-ftz`` alone: LLVM's NVVMReflect answers 0 to the others, and to
``__CUDA_ARCH`` the target's."""
DEVICE: Final = "device"
"""The name of the translated function. It takes the operand, then the index of a candidate for each approximate
instruction.
"""

_REFLECT: Final = re.compile(r"call i32 @__nvvm_reflect\(ptr (?:nonnull )?@([\w.]+)\)")
_ASM: Final = re.compile(r'call (\w+) asm "([\w.]+) \$0,\$1;", "[^"]*"\(')
_INTRINSIC: Final = re.compile(r"@llvm\.nvvm\.([\w.]+)\(")
_CALLED: Final = re.compile(r"@([\w.]+)\(")
_BESIDES: Final = re.compile(r"^\s*; .*$| *; preds = .*$|, !srcloc !\d+| #\d+(?=[ ,{]|$)", re.M)
_NEGATION: Final = re.compile(r"fsub (?:float|double) -0\.0\S*,")
"""-0 - x, which is how IR once wrote -x."""
_OPERANDS: Final = re.compile(r"%[\w.]+")


@dataclass(frozen=True)
class Translated:
    """A device function for the host."""

    name: str
    text: str
    """IR that defines DEVICE, with all that it calls."""
    kind: str
    """The IR type of operand and result: float or double."""
    approximate: tuple[str, ...]
    """The approximate instructions in the order of their candidates' indices; empty where the result is settled."""


def translated(module: Any, name: str, flags: Mapping[str, int] = REFLECTED) -> Translated:
    """The function ``name`` of a parsed module of libdevice, of one float or double, under ``flags``.

    Raises Unsupported for a function that is not there, or uses what is not settled or not known here.
    """
    try:
        function = module.get_function(name)
    except NameError:
        raise Unsupported(f"this libdevice has no function {name}") from None
    return on_host(name, simplified(_reflected(module, plain(str(function)), flags)))


def on_host(name: str, text: str) -> Translated:
    """The text of one simplified function of a float or double over the instructions of PTX, for the host.

    Raises Unsupported where it uses what is not settled or not known here.
    """
    text = _parted(name, text)
    sites: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        return f"@{HELPER}{match[1]}("

    lines = []
    for line in text.splitlines():
        host = _INTRINSIC.sub(replaced, _ASM.sub(lambda m: f"call {m[1]} @{HELPER}{m[2]}(", line))
        called = _CALLED.search(host) if "call" in host else None
        used = called[1].removeprefix(HELPER) if called else ""
        if used in APPROXIMATE:
            host = host.replace(")", f", i32 %choice{len(sites)})", 1)
            sites.append(used)
        elif " asm " in host or (called and called[1].startswith(HELPER) and used not in EXACT):
            raise Unsupported(f"{name} uses {used or line.strip()}, which gradproof does not run on the host")
        lines.append(host)
    body = "\n".join(lines[1:])
    kind = "double" if lines[0].split("@")[0].split()[-1] == "double" else "float"
    if kind == "double" and sites:
        raise Unsupported(f"{name} uses {', '.join(sites)}, whose errors are large beside float64's")
    if sites and _loops(lines):
        raise Unsupported(f"{name} uses {', '.join(dict.fromkeys(sites))} and a loop, in which results would differ")
    choices = "".join(f", i32 %choice{i}" for i in range(len(sites)))
    operand = _OPERANDS.search(lines[0].partition("(")[2])
    if operand is None:
        raise Unsupported(f"{name} is no function of one number")
    head = f"define internal {kind} @{DEVICE}({kind} {operand[0]}{choices}) alwaysinline nounwind {{"
    helpers = [*EXACT.values(), *(APPROXIMATE[used].definition for used in dict.fromkeys(sites))]
    return Translated(name, "\n".join([GENERIC, *helpers, head, body]), kind, tuple(sites))


def _reflected(module: Any, text: str, flags: Mapping[str, int]) -> str:
    """The text of a function as a module of its own, the flags put in."""
    text = with_flags(text, {variable.name: str(variable) for variable in module.global_variables}, flags)
    declared = {}
    for used in sorted(set(re.findall(r"call[^@\n]*@([\w.]+)\(", text))):
        declared[used] = plain(str(module.get_function(used)))
    if defined := [used for used, one in declared.items() if not one.strip().startswith("declare")]:
        raise Unsupported(f"it calls other functions of libdevice: {', '.join(defined)}")
    return "\n".join([*declared.values(), text])


def with_flags(text: str, constants: Mapping[str, str], flags: Mapping[str, int]) -> str:
    """IR in which ``__nvvm_reflect`` is answered; ``constants`` are the module's, as text, by their names."""

    def flag(match: re.Match[str]) -> str:
        asked = re.search(r'c"(\w+)\\00"', constants[match[1]])
        if asked is None or asked[1] not in flags:
            raise Unsupported(f"this libdevice asks for a flag that gradproof does not know: {match[1]}")
        return f"add i32 0, {flags[asked[1]]}"

    return _REFLECT.sub(flag, text)


def plain(text: str) -> str:
    """IR without comments, attribute groups and places in the source, which refer to the rest of its module."""
    return _BESIDES.sub("", text).strip()


def simplified(text: str) -> str:
    """The text of the one function that a module defines, what its constants decide decided."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    builder = llvm.create_pass_builder(machine(), llvm.create_pipeline_tuning_options(speed_level=1))
    passes = llvm.create_new_module_pass_manager()
    passes.add_sccp_pass()
    passes.add_simplify_cfg_pass()
    passes.add_dead_code_elimination_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, builder)
    return next(plain(str(f)) for f in module.functions if not f.is_declaration)


def _loops(lines: list[str]) -> bool:
    """Whether a block goes back to an earlier one or to itself."""
    seen: set[str] = set()
    for line in lines:
        if label := re.match(r"([\w.]+):", line):
            seen.add(label[1])
        if seen & set(re.findall(r"label %([\w.]+)", line)):
            return True
    return False


def _parted(name: str, text: str) -> str:
    """The text with each product that may be fused with a sum put through FUSED before the sum takes it."""
    for i, (line, operand) in enumerate(_fusible(text)):
        made, _, operation = line.partition(" = ")
        same = rf"{re.escape(operand)}(?![\w.])"
        if " double " in line or len(re.findall(same, operation)) > 1:
            raise Unsupported(
                f"{name} adds to a product ({line}); whether that is one rounding is the compiler's choice"
            )

        def apart(match: re.Match[str], operand: str = operand, same: str = same, i: int = i) -> str:
            product = f"%fused{i} = call float @llvm.nvvm.{FUSED}(float {operand})"
            return f"{product}\n  {match[1]}{re.sub(same, f'%fused{i}', match[2])}"

        text = re.sub(rf"({re.escape(made)} = )(.*)", apart, text, count=1)  # the sum may have taken another one before
    return text


def _fusible(text: str) -> list[tuple[str, str]]:
    """The instructions that add to a product which no rounding mode holds apart, each with the product's name.

    PTX fuses ``mul.f32`` with ``add.f32`` where neither names its rounding, as those of plain ``fmul`` and ``fadd``.
    """
    products: set[str] = set()
    lines = [line.strip() for line in text.splitlines()]
    size = -1
    while size != len(products):  # a phi may come before what it takes from
        size = len(products)
        for line in lines:
            made, _, operation = line.partition(" = ")
            negation = operation.startswith("fneg ") or _NEGATION.match(operation) is not None
            passed_on = negation or operation.startswith(("phi float", "phi double", "select"))
            if operation.startswith("fmul ") or (passed_on and products & set(_OPERANDS.findall(operation))):
                products.add(made)
    found = []
    for line in lines:
        operation = line.partition(" = ")[2]
        if operation.startswith(("fadd ", "fsub ")) and not _NEGATION.match(operation):
            found += [(line, operand) for operand in _OPERANDS.findall(operation) if operand in products]
    return found
