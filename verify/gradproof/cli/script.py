"""A stand-alone script of one input, for a bug report: the framework's result beside mpmath's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from gradproof._version import __version__
from gradproof.backends.base import LANES
from gradproof.cli import script_conversions as conversions
from gradproof.cli import script_relations as relations
from gradproof.cli.script_tables import CALLS, FORMULAS, LOGISTIC
from gradproof.errors import UsageError
from gradproof.formats import Format, get_format

if TYPE_CHECKING:
    from gradproof.engine.request.task import Task
    from gradproof.engine.subject.probe import Probe

ORDER_WORDS: Final = ("value", "first derivative", "second derivative")
PRECISION: Final = 1024
"""Working precision of the script in bits."""

CONVENTIONS: Final = {"undefined": "any value between the one-sided derivatives", "pole": "an infinity of either sign"}
_INTEGERS: Final = {8: "int8", 16: "int16", 32: "int32", 64: "int64"}


POINTWISE: Final = ("accuracy", "conversion", "special-values", "saturation")
"""Claims that one result at one input shows broken."""


def script(probe: Probe, task: Task, bits: int, path: str | None) -> str:
    """Python source that shows f^(order) at ``bits`` on the framework and in mpmath; of ``consistency`` in every way in
    which the claim asks for it, as far as one input shows it.

    Raises UsageError for what cannot stand alone: an implementation of the user's, a function that is not
    catalogued, a formulation, a claim that relates the results at several inputs.
    """
    if task.property not in (*POINTWISE, relations.CLAIM):
        raise UsageError(
            f"{task.property} relates several results, which no script of one input shows: it has none; the same "
            "command without --script checks the claim again"
        )
    function, framework = task.function, probe.backend.name
    if task.implementation.user or (function.name not in FORMULAS and probe.target is None):
        raise UsageError(
            "expected a framework's own function of the catalogue with --script, got "
            f"{task.implementation.name} of {function.name}: a script that stands alone cannot hold your "
            "code; leave --script out"
        )
    fmt = get_format(task.format)
    way = path or probe.paths[0]
    related = task.property == relations.CLAIM
    if framework == "numpy":
        parts = _numpy(task, fmt, bits, related=related)
    elif framework in CALLS and task.implementation in tuple(probe.backend.catalogue()):
        make = {"torch": _torch, "jax": _jax}[framework]
        ways = tuple(dict.fromkeys([way, *probe.paths])) if related and task.order else (way,)
        parts = make(task, fmt, bits, ways, probe.backend.device, related=related)
    else:
        raise UsageError(f"no script is known for {task.implementation.name} on {task.backend}; leave --script out")
    free = CONVENTIONS.get(probe.oracle.certified(bits, fmt, task.order).kind, "")
    exact = [f"expected = None  # a convention: {free} is right"]
    if probe.target is not None and task.order == 0:
        exact = conversions.rounding(bits, fmt, probe.target, probe.conventions)
    elif not free:
        exact = _mathematics(task, fmt, bits)
    return "\n".join(
        [
            *_head(probe, task, fmt, bits, way),
            *parts,
            f"mp.mp.prec = {PRECISION}",
            *exact,
            _comparison(probe.target or fmt),
            relations.SHOWN if related else _SHOWN,
        ]
    )


def _head(probe: Probe, task: Task, fmt: Format, bits: int, way: str) -> list[str]:
    versions = ", ".join(f"{k} {v}" for k, v in probe.backend.versions().items())
    how = f" by {way}-mode AD" if task.order and way != "given" else ""
    mode = "" if task.mode == "eager" else f", {task.mode}"
    what = f"{task.implementation.name}: {ORDER_WORDS[task.order]}{how}"
    needs = "gradproof" if probe.backend.name == "numpy" else probe.backend.name
    return [
        f'"""{what} in {fmt.name} at x = {fmt.decimal(bits)} ({fmt.bits_text(bits)}), {task.backend}{mode}.',
        "",
        f"Needs {needs} and mpmath. Written by gradproof {__version__}; seen with {_plain(versions)}.",
        '"""',
        "",
        "import mpmath as mp",
    ]


def _plain(text: str) -> str:
    """Text that cannot end a docstring or escape from it."""
    return " ".join(text.replace("\\", "/").replace('"', "'").split())


def _torch(task: Task, fmt: Format, bits: int, ways: Sequence[str], device: str, *, related: bool) -> list[str]:
    integer = _INTEGERS[fmt.width]
    signed = bits - (1 << fmt.width) if bits & fmt.sign_bit else bits
    lines = ["import torch", *_called(task, "torch")]
    if task.mode == "compiled":
        lines += [*(["eager = f"] if related else []), "f = torch.compile(f, dynamic=False)", ""]
    if task.mode == "autocast":
        lowered = "float16" if fmt.name == "float16" else "bfloat16"
        lines += [
            "def g(x):",
            f'    with torch.autocast("{device}", dtype=torch.{lowered}):',
            "        y = f(x)",
            "    return y.to(x.dtype)",
            "",
            "",
        ]
    x = [
        f"# {LANES} copies of the input, so that it goes through the vectorised kernel.",
        f'x = torch.full(({LANES},), {signed}, dtype=torch.{integer}, device="{device}")',
        f"x = x.view(torch.{fmt.name})",
    ]
    if related:
        derivatives = {way: torch_derivative(task.order, way, "f") for way in ways}
        return [*lines, *x, "", "", *relations.torch(task, fmt, derivatives)]
    called = "g" if task.mode == "autocast" else "f"
    return [*lines, *x, *torch_derivative(task.order, ways[0], called), "got = y[0].item()", ""]


def torch_derivative(order: int, way: str, called: str) -> list[str]:
    """Statements that make ``y``, f^(order) at ``x`` by an AD path, of the function called ``called``."""
    return {
        (0, way): [f"y = {called}(x)"],
        (1, "reverse"): [
            "x.requires_grad_(True)",
            f"(y,) = torch.autograd.grad({called}(x), x, torch.ones_like(x))",
        ],
        (2, "reverse"): [
            "x.requires_grad_(True)",
            f"(d,) = torch.autograd.grad({called}(x), x, torch.ones_like(x), create_graph=True)",
            "y = torch.zeros_like(x)",
            "if d.requires_grad:",
            "    (y,) = torch.autograd.grad(d, x, torch.ones_like(x))",
        ],
        (1, "forward"): [
            "with torch.autograd.forward_ad.dual_level():",
            "    dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))",
            f"    y = torch.autograd.forward_ad.unpack_dual({called}(dual)).tangent",
        ],
        (2, "forward"): [
            "x.requires_grad_(True)",
            "with torch.autograd.forward_ad.dual_level():",
            "    dual = torch.autograd.forward_ad.make_dual(x.clone(), torch.ones_like(x))",
            f"    (d,) = torch.autograd.grad({called}(dual), dual, torch.ones_like(x), create_graph=True)",
            "    y = torch.autograd.forward_ad.unpack_dual(d).tangent",
            "y = torch.zeros_like(x) if y is None else y",
        ],
    }[order, way]


def _jax(task: Task, fmt: Format, bits: int, ways: Sequence[str], device: str, *, related: bool) -> list[str]:
    lines = ["import jax", "import jax.numpy as jnp", "import numpy as np"]
    if fmt.name == "float64":
        lines += ["", 'jax.config.update("jax_enable_x64", True)']
    lines += _called(task, "jax")
    platform = "gpu" if device == "cuda" else device
    x = [
        f"x = np.full({LANES}, {fmt.bits_text(bits)}, np.uint{fmt.width}).view(jnp.{fmt.name})",
        f'x = jax.device_put(x, jax.devices("{platform}")[0])',
    ]
    if related:
        derivatives = {way: jax_derivative(task.order, way) for way in ways}
        return [*lines, *x, "", "", *relations.jax(task, derivatives), ""]
    steps = jax_derivative(task.order, ways[0])
    name = "g" if steps else "f"
    call = f"jax.jit({name})(x)" if task.mode == "compiled" else f"{name}(x)"
    return [*lines, *steps, *x, f"got = float({call}[0])", ""]


def jax_derivative(order: int, way: str) -> list[str]:
    """Statements that make ``g``, f^(order) by an AD path; none for the value."""
    one_reverse = "lambda x: jax.vjp(f, x)[1](jnp.ones_like(x))[0]"
    return {
        (0, way): [],
        (1, "reverse"): [f"g = {one_reverse}"],
        (2, "reverse"): [f"d = {one_reverse}", "g = lambda x: jax.vjp(d, x)[1](jnp.ones_like(x))[0]"],
        (1, "forward"): ["g = lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1]"],
        (2, "forward"): [f"d = {one_reverse}", "g = lambda x: jax.jvp(d, (x,), (jnp.ones_like(x),))[1]"],
    }[order, way]


def _numpy(task: Task, fmt: Format, bits: int, *, related: bool) -> list[str]:
    call = ("reference", "reference.first", "reference.second")[task.order]
    params = "".join(f", {k}={_number(v)}" for k, v in task.function.params.items())
    dtype = conversions.numpy_dtype(fmt)
    target = task.function.rounds_to
    if target is not None:
        x = f"x = np.full({LANES}, {fmt.bits_text(bits)}, np.uint{fmt.width}).view({dtype})"
        converted = conversions.call("numpy", get_format(target))
        return [
            *(["import ml_dtypes"] if "ml_dtypes" in x + converted else []),
            "import numpy as np",
            "",
            x,
            f"got = float({converted}[0])",
            "",
        ]
    imports = ["import ml_dtypes"] if dtype.startswith("ml_dtypes") else []
    return [
        *imports,
        "import numpy as np",
        "",
        "# NumPy has no activation functions: this one is gradproof's own.",
        f"from gradproof.backends.reference_numpy import {task.function.name} as reference",
        "",
        f"x = np.full({LANES}, {fmt.bits_text(bits)}, np.uint{fmt.width}).view({dtype})",
        *(relations.numpy(fmt, f"{call}(x{params})") if related else [f"got = float({call}(x{params})[0])"]),
        "",
    ]


def _called(task: Task, framework: str) -> list[str]:
    params = {k: _number(v) for k, v in task.function.params.items()}
    target = task.function.rounds_to
    call = CALLS[framework][task.function.name] if target is None else conversions.call(framework, get_format(target))
    return [
        "",
        "",
        "def f(x):",
        f"    return {call.format(**params)}",
        "",
        "",
    ]


def _number(value: Any) -> str:
    """A parameter as a framework takes it."""
    return repr(float(Fraction(value)))


def _mathematics(task: Task, fmt: Format, bits: int) -> list[str]:
    """The part that computes ``expected`` from ``x``."""
    low, high = task.function.ends
    if not fmt.is_finite(bits) or not low < fmt.value(bits) < high:
        return _special(task, fmt, bits)
    before, formulas = FORMULAS[task.function.name]
    logistic = ["", "", "def s(x):", f"    return {LOGISTIC}", "", ""] if any("s(" in b for b in before) else []
    return [
        *logistic,
        *(f"{name} = {value}" for name, value in parameters(task.function.params).items()),
        # Exact: the literal is the number that the bits stand for.
        f'x = mp.mpf(float.fromhex("{fmt.hexfloat(bits)}"))',
        *(statement for line in before for statement in line.split("; ")),
        f"expected = {formulas[task.order]}",
    ]


def _special(task: Task, fmt: Format, bits: int) -> list[str]:
    """What is due at the ends of the domain and the infinities, or of the value at a NaN and beyond the domain."""
    special = math.nan if fmt.is_nan(bits) else -math.inf if bits & fmt.sign_bit else math.inf
    at = fmt.value(bits) if fmt.is_finite(bits) else special
    low, high = task.function.ends
    if at not in (low, high):
        return ["expected = mp.nan"]
    limit = task.function.limit("left" if at == low else "right", task.order)
    if limit is None:
        return ["expected = None  # no limit was declared"]
    due = _exact(limit) if isinstance(limit, Fraction) else "mp.inf" if limit > 0 else "-mp.inf"
    return [f"expected = {due}  # the limit"]


def _safe(name: str) -> str:
    """A parameter's name that hides no builtin."""
    return f"{name}_" if name in ("min", "max") else name


def _exact(value: Any) -> str:
    """A parameter as the real number it stands for."""
    real = Fraction(value)
    return f"mp.mpf({real.numerator})" if real.denominator == 1 else f"mp.mpf({real.numerator}) / {real.denominator}"


def _comparison(fmt: Format) -> str:
    beyond = f">= mp.ldexp({(1 << (fmt.precision + 1)) - 1}, {fmt.e_max - fmt.precision})"
    lost = "mp.isinf(got) and mp.sign(got) == mp.sign(expected)"
    if not fmt.has_infinity:
        beyond, lost = f"> {float(fmt.overflow_threshold)}", "mp.isnan(got)"
    return f"""

def ulps(got, exact):
    \"\"\"The distance in units of the exact value's last place in {fmt.name}.\"\"\"
    exponent = mp.frexp(exact)[1] - 1 if exact else {fmt.e_min}
    return abs(mp.mpf(got) - exact) / mp.ldexp(1, max(int(exponent), {fmt.e_min}) - {fmt.precision - 1})


def overflows(exact):
    \"\"\"Whether the exact value lies beyond {fmt.name}.\"\"\"
    return abs(exact) {beyond}


def error(got):
    \"\"\"How far a result is from what is due, in words.\"\"\"
    if expected is None:
        return "a convention"
    if mp.isfinite(expected) and mp.isfinite(got):
        return mp.nstr(ulps(got, expected), 6) + " ulp"
    agree = expected == got or (mp.isnan(expected) and mp.isnan(got))
    overflow = {lost}
    agree = agree or (overflow and overflows(expected))
    return "none" if agree else "a NaN or an infinity on one side only"


print("expected", "a convention" if expected is None else mp.nstr(expected, 20))"""


_SHOWN: Final = """print("got     ", repr(got))
if expected is not None:
    print("error   ", error(got))
"""


def parameters(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as the script names and writes them: ``min_`` -> ``mp.mpf(-1)``."""
    return {_safe(k): _exact(v) for k, v in params.items()}
