"""From a ``@triton.jit`` kernel to LLVM IR for a GPU, by triton's own passes; ptxas is not reached.

The block has as many elements as the program has threads, so that one thread calculates one element. How many a thread
calculates in a launch changes where it stands, not what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gradproof.errors import Unsupported

BLOCK: Final = 128
"""Elements of a program, and its threads."""
WARPS: Final = 4
_TYPES: Final = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
POINTER: Final = "ptr"
"""How the names of arguments end that are arrays."""


def stem(argument: str) -> str:
    """The name of an argument without ``_ptr``, in small letters: ``dy`` of ``dy_ptr``."""
    return argument.lower().removesuffix(POINTER).rstrip("_")


def arguments(kernel: Any, params: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """The types of the arguments (``ptr``, ``fp32``, ``i32``, ``constexpr``), and the values of the constexpr ones.

    Raises Unsupported for a constexpr argument of which no value is known.
    """
    types: dict[str, str] = {}
    values: dict[str, Any] = {}
    for parameter in kernel.params:
        name = parameter.name
        if parameter.is_constexpr:
            types[name] = "constexpr"
            if name in params:
                values[name] = float(params[name])
            elif "block" in name.lower():
                values[name] = BLOCK
            elif parameter.has_default:
                values[name] = parameter.default
            else:
                raise Unsupported(
                    f"{kernel.__name__} takes the constexpr {name}, of which no value is known; give it a default, "
                    "call it like a parameter of the function, or, if it is a block's length, let its name hold block"
                )
        elif name.lower().endswith(POINTER):
            types[name] = POINTER
        else:
            types[name] = "fp32" if name in params else "i32"
    return types, values


def llvm_ir(kernel: Any, fmt: str, params: Mapping[str, Any], arch: int) -> str:
    """The LLVM IR of a kernel over arrays in ``fmt`` for the compute capability ``arch`` (90).

    Raises Unsupported with triton's words where it does not compile.
    """
    from triton._C.libtriton import ir
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, make_backend

    types, values = arguments(kernel, params)
    signature = {name: f"*{_TYPES[fmt]}" if kind == POINTER else kind for name, kind in types.items()}
    target = GPUTarget("cuda", arch, 32)
    backend = make_backend(target)
    try:
        options = backend.parse_options({"num_warps": WARPS, "enable_fp_fusion": True})
        source = ASTSource(fn=kernel, signature=signature, constexprs=values)
        context = ir.context()
        ir.load_dialects(context)
        backend.load_dialects(context)
        made = source.make_ir(
            target, options, backend.get_codegen_implementation(options), backend.get_module_map(), context
        )
        stages: dict[str, Any] = {}
        backend.add_stages(stages, options, source.language)
        metadata: dict[str, Any] = {"target": target, **options.__dict__}
        for stage in ("ttir", "ttgir", "llir"):
            made = stages[stage](made, metadata)
    except Exception as fault:
        said = " ".join(str(fault).split())
        raise Unsupported(f"triton does not compile {kernel.__name__} for sm_{arch} in {fmt}: {said[:400]}") from fault
    return str(made)
