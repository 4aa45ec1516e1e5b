"""From the LLVM IR of an elementwise kernel to the function that it applies to each element.

Loads and stores of triton's are inline PTX, of exactly the shapes below. The loaded element becomes the function's
operand, the stored one its result; what is left of pointers, masks and positions is dead then. Anything else that is
no arithmetic on one element is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

import numpy as np

from gradproof.backends.libdevice.instructions import GENERIC, HELPER
from gradproof.backends.libdevice.translate import Translated, on_host, plain, simplified, with_flags
from gradproof.backends.triton.compiling import BLOCK, stem
from gradproof.errors import Unsupported
from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format

COTANGENTS: Final = frozenset({"dy", "dout", "do", "dz", "g", "grad", "grad_out", "grad_output"})
"""Names of arrays, without ``_ptr``, that hold the cotangent of a backward kernel; it is 1."""

_KINDS: Final = {"float": FLOAT32, "double": FLOAT64, "half": FLOAT16, "bfloat": BFLOAT16}
_LITERALS: Final = {"float": "0x{:016X}", "double": "0x{:016X}", "half": "0xH{:04X}", "bfloat": "0xR{:04X}"}
_NUMBER: Final = re.compile(
    r"\b(float|double|half|bfloat)\b|(?<![\w.%@])(f0x[0-9A-F]+|[-+]?(?:\d+\.\d+e[-+]\d+|inf|q?nan(?:\(0x[0-9a-f]+\))?))(?![\w.])"
)
_DEBUG: Final = re.compile(r", !(?:dbg|srcloc|llvm\.loop|range) !\d+|, !llvm\.loop !\d+| #\d+(?=[ ,{]|$)| !dbg !\d+")
_LOCAL: Final = re.compile(r"%(\d+)\b")
_LABEL: Final = re.compile(r"^(\d+):")
_ASM: Final = re.compile(r'^  (?:(%[\w.]+) = )?call (\w+) asm (?:sideeffect )?"([^"]*)", "([^"]*)"\((.*)\)')
_LOADS: Final = tuple(
    re.compile(pattern.replace("WIDTH", r"(16|32)"))
    for pattern in (
        r"mov\.uWIDTH \$0, 0x0;\\0A\\09@\$2 ld\.global\.bWIDTH { \$0 }, \[ \$1 \+ 0 \];",
        r"mov\.uWIDTH \$0, \$1;\\0A\\09@\$3 ld\.global\.bWIDTH { \$0 }, \[ \$2 \+ 0 \];",
        r"mov\.uWIDTH \$0, 0x0;\\0A\\09ld\.global\.bWIDTH { \$0 }, \[ \$1 \+ 0 \];",
    )
)
_STORES: Final = tuple(
    re.compile(pattern.replace("WIDTH", r"(16|32)"))
    for pattern in (
        r"@\$2 st\.global\.bWIDTH \[ \$1 \+ 0 \], { \$0 };",
        r"st\.global\.bWIDTH \[ \$1 \+ 0 \], { \$0 };",
    )
)
_OPERAND: Final = re.compile(r"(?:ptr addrspace\(1\)|i\d+) (%?[-\w.]+)")
_STEP: Final = re.compile(r"(getelementptr|shl|mul|add|or|and|sext|zext|icmp slt)\b")
_NARROW: Final = re.compile(
    r"\b(?:fadd|fsub|fmul|fdiv|frem|fpto[su]i) (?:\w+ )*(half|bfloat)\b|@llvm\.(?!fabs)[\w.]+\.(bf16|f16)\("
    r"|\b(?:fptrunc double|[su]itofp \w+) \S+ to (half|bfloat)\b|\bfpext (bfloat) \S+ to double"
)
"""Arithmetic in 16 bits that rounds, and conversions from and to others than float32, which x86 does in its own way."""
_WHOLE: Final = re.compile(r"\bfpto([su])i (float|double) (\S+) to (i\d+)")
_PICKED: Final = re.compile(
    r"^  (%[\w.]+) = call (half|bfloat) @llvm\.(maxnum|minnum|maximum|minimum)\.b?f16\(\w+ (\S+), \w+ (\S+)\)$"
)
_COMPARED: Final = re.compile(r"^  (%[\w.]+) = fcmp ((?:\w+ )+)bfloat (\S+), (\S+)$")


def element_function(
    name: str, ir: str, given: list[str], params: Mapping[str, Any], fmt: Format, flags: Mapping[str, int]
) -> Translated:
    """The function of one element that a kernel applies, as IR for the host of float32 to float32.

    ``given`` are the arguments of the kernel without the constexpr ones, ``fmt`` is the format of its arrays; operand
    and result are numbers of it; ``flags`` are those that libdevice is compiled with. Raises Unsupported with the
    reason where the kernel is not elementwise, or uses what has no settled or enclosed result.
    """
    kernel = _Kernel(name, ir, given, params, fmt, flags)
    return on_host(name, kernel.simplified())


class _Kernel:
    """The lines of a kernel on their way."""

    def __init__(
        self, name: str, ir: str, given: list[str], params: Mapping[str, Any], fmt: Format, flags: Mapping[str, int]
    ) -> None:
        self.name, self.given, self.params, self.format = name, given, params, fmt
        constants = {m[1]: m[0] for m in re.finditer(r"^@([\w.]+) = .*$", ir, re.M)}
        start = ir.index("define ptx_kernel")
        body = ir[start : ir.index("\n}", start)]
        self.header, *lines = _DEBUG.sub(
            "", plain(with_flags(body.replace("tail call", "call"), constants, flags))
        ).splitlines()
        self.lines = [_settled_line(line) for line in lines if line.strip()]
        self.declared = [
            _DEBUG.sub("", line)
            for line in ir.splitlines()
            if line.startswith("declare") and not re.search(r"__nvvm_reflect|llvm\.(?:max|min)(?:num|imum)\.", line)
        ]
        self.defined = {m[1]: line for line in self.lines if (m := re.match(r"\s*(%[\w.]+) = ", line))}
        self.places: dict[str, str] = {}

    def refuse(self, why: str) -> Unsupported:
        return Unsupported(f"{self.name}: {why}")

    def simplified(self) -> str:
        """The function of one element, what its constants decide decided."""
        for what, pattern in _FOREIGN.items():
            if found := next(filter(pattern.search, self.lines), None):
                raise self.refuse(f"it uses {what} ({found.strip()[:120]})")
        lines = [self._line(line) for line in self.lines]
        if "store" not in self.places.values() or sum("%stored =" in line for line in lines) != 1:
            raise self.refuse("expected a kernel that stores one array once")
        if "input" not in self.places.values():
            raise self.refuse("no array is loaded that could be the input")
        taken, returned = _conversions(self.format)
        body = "\n".join(lines).replace("  ret void", f"{returned}\n  ret float %result")
        heads = re.findall(r"(ptr addrspace\(1\)|i32|float)[^,]*? %(\d+)", self.header)
        scalars = [self._scalar(int(number)) for kind, number in heads if kind == "float"]
        head = ", ".join(f"{kind} %v{number}" for kind, number in heads if kind != "float")
        entry = [f"define float @kernel(float %x, {head}) {{", "start:", *taken, *scalars, f"  br label %v{len(heads)}"]
        text = "\n".join([*_DECLARED, *self.declared, *entry, f"v{len(heads)}:", body, "}"])
        text = text.replace("@llvm.maxnum.f32", "@llvm.maximumnum.f32").replace(
            "@llvm.minnum.f32", "@llvm.minimumnum.f32"
        )
        try:
            made = simplified(text)
        except RuntimeError as fault:
            raise self.refuse(f"LLVM does not read it: {' '.join(str(fault).split())[:200]}") from fault
        body = made.partition("{")[2]
        for i, argument in enumerate(self.given):
            if re.search(rf"%v{i}\b", body):
                raise self.refuse(
                    f"what it calculates depends on the argument {argument}, which is no parameter of the function"
                )
        if re.search(r"@llvm\.nvvm\.read\.ptx\.sreg", body):
            raise self.refuse("what it calculates depends on where the element stands")
        for called in re.findall(r"@(llvm\.(?!nvvm)[\w.]+)\(", body):
            if f"@{called}(" not in GENERIC:
                raise self.refuse(f"it uses {called}, which gradproof does not run on the host")
        return made

    def _scalar(self, number: int) -> str:
        """The line that makes a float32 argument the parameter that it is called like."""
        value = FLOAT32.round(Fraction(self.params[self.given[number]]))
        return f"  %v{number} = bitcast i32 {value} to float"

    def _line(self, line: str) -> str:
        """A line with loads and stores replaced."""
        found = _ASM.match(line)
        if found is None or not ("ld.global" in line or "st.global" in line):
            self._check(line)
            return line
        made, _, template, _, operands = found.groups()
        values = _OPERAND.findall(operands)
        if any(p.fullmatch(template) for p in _LOADS):
            pointer = values[1 if ", $1;" in template else 0]
            return self._load(made, pointer, values[-1] if "@$" in template else None)
        if any(p.fullmatch(template) for p in _STORES):
            self._place(values[1], values[2] if "@$" in template else None, "store")
            return f"  %stored = or {self._integer} {values[0]}, 0"
        raise self.refuse(f"its load or store has a form that gradproof does not know: {template}")

    def _check(self, line: str) -> None:
        if narrow := _NARROW.search(line):
            raise self.refuse(
                f"it calculates in {next(filter(None, narrow.groups()))} ({line.strip()}); gradproof runs arithmetic "
                "in float32 or float64: .to(tl.float32)"
            )
        if whole := _WHOLE.search(line):
            raise self.refuse(
                f"it makes {whole[4]} of a {whole[2]} ({line.strip()}); gradproof makes int32 of float32 alone"
            )
        if re.search(r"<\d+ x ", line):
            raise self.refuse(f"it uses vectors ({line.strip()})")

    @property
    def _integer(self) -> str:
        return f"i{self.format.width}"

    def _load(self, made: str, pointer: str, mask: str | None) -> str:
        argument = self._argument(pointer)
        name = self.given[argument]
        if stem(name) in self.params:
            value = self.format.round(Fraction(self.params[stem(name)]))
        elif stem(name) in COTANGENTS:
            self._place(pointer, mask, "cotangent")
            value = self.format.round(Fraction(1))
        else:
            others = [self.given[self._argument(p)] for p, role in self.places.items() if role == "input"]
            if any(other != name for other in others):
                raise self.refuse(
                    f"it loads {others[0]} and {name}, and either might be the input; call the cotangent dy_ptr, and "
                    "an array that holds a parameter like that with _ptr"
                )
            self._place(pointer, mask, "input")
            return f"  {made} = or {self._integer} %bits, 0"
        return f"  {made} = or {self._integer} {value}, 0"

    def _argument(self, pointer: str) -> int:
        """The argument that an address points into."""
        line = self.defined.get(pointer, "")
        base = re.search(r"getelementptr (?:inbounds )?(?:nuw )?\[\d+ x i8\], ptr addrspace\(1\) %v(\d+), i64", line)
        number = int(base[1]) if base else int(pointer[2:]) if re.fullmatch(r"%v\d+", pointer) else len(self.given)
        if number >= len(self.given):
            raise self.refuse(
                f"it is not elementwise: the address {line.strip() or pointer} is none of its own element"
            )
        return number

    def _place(self, pointer: str, mask: str | None, role: str) -> None:
        """Hold an access to the element that is the thread's own: program * BLOCK + thread."""
        self._argument(pointer)
        line = self.defined.get(pointer, "")
        for program, thread in ((0, 0), (0, 31), (1, 32), (2, 43), (2, 44), (2, 127)):
            due, length = program * BLOCK + thread, 2 * BLOCK + 44
            seen = {"ctaid": program, "tid": thread}
            at = self._value(line.rpartition(" i64 ")[2].strip(), seen, length) if line else None
            inside = mask is None or bool(self._value(mask, seen, length))
            if at != due or (mask is not None and inside != (due < length)):
                raise self.refuse(
                    f"it is not elementwise: thread {thread} of program {program} does not take the element {due} of "
                    f"{length} (the block has {BLOCK}; kernels in two dimensions and loops over blocks are not run)"
                )
        self.places[pointer] = role

    def _value(self, operand: str, seen: Mapping[str, int], length: int) -> int:
        """An integer of a thread: of positions and the length."""
        if re.fullmatch(r"-?\d+", operand):
            return int(operand)
        argument = re.fullmatch(r"%v(\d+)", operand)
        if argument and int(argument[1]) < len(self.given):
            return length
        line = self.defined.get(operand, "").partition(" = ")[2]
        if register := re.search(r"sreg\.(ctaid|tid)\.x\(", line):
            return seen[register[1]]
        step = _STEP.match(line)
        operands = re.findall(r"(%[\w.]+|-?\b\d+)(?=,|$| to )", line)
        if step is None or step[1] == "getelementptr":
            raise self.refuse(f"it is not elementwise: an address depends on {line.strip() or operand}")
        values = [self._value(o, seen, length) for o in operands]
        return _STEPS[step[1]](*values)


_STEPS: Final[dict[str, Callable[..., int]]] = {
    "shl": lambda a, b: a << b,
    "mul": lambda a, b: a * b,
    "add": lambda a, b: a + b,
    "or": lambda a, b: a | b,
    "and": lambda a, b: a & b,
    "sext": lambda a: a,
    "zext": lambda a: a,
    "icmp slt": lambda a, b: int(a < b),
}
_FOREIGN: Final = {
    "atomics": re.compile(r"\batom\.|\batomicrmw\b|\bcmpxchg\b|\bred\.global"),
    "tensor cores": re.compile(r"\bw?g?mma\."),
    "an exchange between threads": re.compile(r"nvvm\.(?:shfl|vote|redux|match)\.|\bshfl\."),
    "shared memory": re.compile(r"addrspace\(3\)"),
    "a barrier": re.compile(r"nvvm\.(?:cp\.async\.)?(?:m?barrier|bar)\b"),
}
"""What cannot be run element by element."""
_DECLARED: Final = (
    f"declare bfloat @{HELPER}cvt.bf16(float) memory(none) nounwind willreturn",
    f"declare float @{HELPER}cvt.from.bf16(bfloat) memory(none) nounwind willreturn",
    "declare float @llvm.maximumnum.f32(float, float)",
    "declare float @llvm.minimumnum.f32(float, float)",
    "declare float @llvm.maximum.f32(float, float)",
    "declare float @llvm.minimum.f32(float, float)",
    "declare i32 @llvm.fptosi.sat.i32.f32(float)",
    "declare i32 @llvm.fptoui.sat.i32.f32(float)",
)


def _settled_line(line: str) -> str:
    """A line as llvmlite's LLVM reads it: values by names, numbers by their bits, bfloat16 converted by the helpers."""
    kind = "float"

    def number(match: re.Match[str]) -> str:
        nonlocal kind
        if match[1]:
            kind = match[1]
            return match[0]
        return _literal(match[2], kind)

    line = _LABEL.sub(r"v\1:", _LOCAL.sub(r"%v\1", _NUMBER.sub(number, line)))
    if compared := _COMPARED.match(line):  # x86's own comparison reads subnormal numbers as 0
        made, how, *operands = compared.groups()
        wide = [f"  {made}.{i} = call float @{HELPER}cvt.from.bf16(bfloat {o})" for i, o in enumerate(operands)]
        return "\n".join([*wide, f"  {made} = fcmp {how}float {made}.0, {made}.1"])
    if picked := _PICKED.match(line):  # exact in any format, so also in float32
        made, narrow, which, *operands = picked.groups()
        widened = [f"  {made}.{i} = fpext {narrow} {o} to float" for i, o in enumerate(operands)]
        call = f"  {made}.2 = call float @llvm.{which}.f32(float {made}.0, float {made}.1)"
        line = "\n".join([*widened, call, f"  {made} = fptrunc float {made}.2 to {narrow}"])
    # PTX ISA 9.1, 9.7.9 "cvt": to the nearest of the range, and 0 of a NaN
    line = re.sub(r"fpto([su])i float (\S+) to i32", r"call i32 @llvm.fpto\1i.sat.i32.f32(float \2)", line)
    line = re.sub(r"fpext bfloat (\S+) to float", rf"call float @{HELPER}cvt.from.bf16(bfloat \1)", line)
    return re.sub(r"fptrunc float (\S+) to bfloat", rf"call bfloat @{HELPER}cvt.bf16(float \1)", line)


def _literal(text: str, kind: str) -> str:
    """A number of a type as LLVM 22 reads it."""
    fmt = _KINDS[kind]
    if text.startswith("f0x"):
        bits = int(text[3:], 16)
    elif "nan" in text:
        bits = fmt.nan_bits
    elif "inf" in text:
        bits = fmt.infinity_bits | (fmt.sign_bit if text.startswith("-") else 0)
    else:
        bits = fmt.round(abs(Fraction(text))) | (fmt.sign_bit if text.startswith("-") else 0)
    if kind == "float":
        bits = int(np.uint32(bits).view(np.float32).astype(np.float64).view(np.uint64))
    return _LITERALS[kind].format(bits)


def _conversions(fmt: Format) -> tuple[list[str], str]:
    """Lines that make %bits, the operand's bits, of %x in float32, and those that make %result of %stored."""
    if fmt is FLOAT32:
        return ["  %bits = bitcast float %x to i32"], "  %result = bitcast i32 %stored to float"
    if fmt is FLOAT16:
        return (
            ["  %narrow = fptrunc float %x to half", "  %bits = bitcast half %narrow to i16"],
            "  %back = bitcast i16 %stored to half\n  %result = fpext half %back to float",
        )
    return (
        ["  %wide = bitcast float %x to i32", "  %top = lshr i32 %wide, 16", "  %bits = trunc i32 %top to i16"],
        f"  %back = bitcast i16 %stored to bfloat\n  %result = call float @{HELPER}cvt.from.bf16(bfloat %back)",
    )
