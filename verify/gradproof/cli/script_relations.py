"""What a stand-alone script says of ``consistency``: one input asked for in every way, each answer beside mpmath's.

The ways are those of the backends' layouts, for copies of the one input; what lies between them is NaN. In place and by
out= are left out: a script cannot tell which variant of a function does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from gradproof.backends.base import LANES
from gradproof.backends.jax.layouts import TAIL
from gradproof.backends.layouts import LARGE, WIDTH, tails
from gradproof.formats import Format

if TYPE_CHECKING:
    from gradproof.engine.request.task import Task

CLAIM: Final = "consistency"

ASKED: Final = """
answers = {}
for name, way in ways.items():
    try:
        answers[name] = list(dict.fromkeys(map(repr, way())))
    except Exception as fault:
        answers[name] = []
        print(f"{name:<12} {type(fault).__name__}: {fault}")
"""
"""Every distinct answer of each way, as text: two NaNs are the same."""

SHOWN: Final = """
for name, texts in answers.items():
    for text in texts:
        print(f"{name:<12} {text:<24} {error(float(text))}")
differ = len({text for texts in answers.values() for text in texts}) > 1
print("the answers differ" if differ else "the answers agree")
"""
"""The end of the script."""

_TAILS: Final = [cut.stop - cut.start for cut in tails(LANES)]


def torch(task: Task, fmt: Format, derivatives: Mapping[str, Sequence[str]]) -> list[str]:
    """``ways`` of f^(order): ``derivatives`` are the statements that make ``y`` of ``f`` and ``x``, by AD path."""
    lines = []
    for path, statements in derivatives.items():
        lines += [f"def {path}(f, x):", "    x = x.detach().clone()", *(f"    {s}" for s in statements)]
        lines += ["    return y.detach().reshape(-1).tolist()", "", ""]
    first, *others = derivatives
    contiguous = task.mode if task.mode != "eager" else "contiguous"
    called = "g" if task.mode == "autocast" else "f"
    ways = {contiguous: f"{first}({called}, x)", "again": f"{first}({called}, x)"}
    if task.mode != "eager":
        ways["eager"] = f"{first}({'eager' if task.mode == 'compiled' else 'f'}, x)"
        ways["scalar"] = f"{first}(lambda x: torch.stack([{called}(e) for e in x.unbind()]), x[:4])"
    elif fmt.width > 8:  # the 8-bit formats have no kernels to arrange them with
        offered = {name: arranged for name, arranged in _TORCH.items() if task.order == 0 or name != "broadcast"}
        ways |= {name: f"{first}({arranged}, x)" for name, arranged in offered.items()}
    ways |= {path: f"{path}({called}, x)" for path in others}
    return [*lines, *_listed(ways)]


_BETWEEN: Final = "torch.full_like(x, float('nan'))"
_TORCH: Final = {
    "strided": f"lambda x: f(torch.stack([x, {_BETWEEN}], dim=1)[:, 0])",
    "offset": f"lambda x: f(torch.cat([{_BETWEEN}[:1], x, {_BETWEEN}])[1:x.numel() + 1])",
    "transposed": f"lambda x: f(x.reshape(-1, {WIDTH}).t()).t().reshape(-1)",
    "batched": f"lambda x: f(x.reshape(-1, {WIDTH})).reshape(-1)",
    "broadcast": "lambda x: f(x.reshape(-1, 1).expand(-1, 2))[:, 0]",
    "scalar": "lambda x: torch.stack([f(e) for e in x.unbind()])",
    "tail": f"lambda x: torch.cat([f(part) for part in x.split({_TAILS})])",
    "vmap": "lambda x: torch.func.vmap(f)(x)",
}


def jax(task: Task, derivatives: Mapping[str, Sequence[str]]) -> list[str]:
    """``ways`` of f^(order): ``derivatives`` are the statements that make ``g``, by AD path; none for the value."""
    lines, names = [], {}
    for path, steps in derivatives.items():
        names[path] = path if steps else "f"
        lines += [*steps, f"{path} = g"] if steps else []
    first, *others = names.values()
    jit = f"jax.jit({first})"
    called = jit if task.mode == "compiled" else first
    ways = {"compiled" if task.mode == "compiled" else "contiguous": f"{called}(x)", "again": f"{called}(x)"}
    if task.mode == "compiled":
        ways["eager"] = f"{first}(x)"
    ways |= {
        "scalar": f"{called}(x[0])",
        "tail": f"{called}(x[:{TAIL}])",
        "batched": f"{called}(x.reshape(-1, {WIDTH}))",
        "vmap": f"jax.vmap({first})(x)",
        "large": f"{called}(jnp.repeat(x, {LARGE // LANES}))",
    }
    ways |= {name: f"{name}(x)" for name in others}
    return [*lines, *_listed({name: f"np.asarray({way}, np.float64).ravel().tolist()" for name, way in ways.items()})]


def numpy(fmt: Format, call: str) -> list[str]:
    """``ways`` of what ``call`` says of ``x``, an array of shape (n,)."""
    body = call.replace("(x", "(_", 1)
    arranged = {
        "contiguous": "x",
        "again": "x",
        "strided": "np.stack([x, np.full_like(x, np.nan)], axis=1)[:, 0]",
        "offset": "np.concatenate([np.full_like(x[:1], np.nan), x])[1:]",
        "transposed": f"x.reshape(-1, {WIDTH}).T",
        "batched": f"x.reshape(-1, {WIDTH})",
        "broadcast": "np.broadcast_to(x[:, None], (x.size, 2))",
        "scalar": "x[:1].reshape(())",
        **{f"tail {n}": f"x[:{n}]" for n in (1, 3, 7)},
    }
    ways = {name: f"answer({x})" for name, x in arranged.items()}
    return [
        "",
        "def answer(_):",
        f"    return np.asarray({body}, np.float64).ravel().tolist()",
        "",
        "",
        *_listed(ways),
    ]


def _listed(ways: Mapping[str, str]) -> list[str]:
    return ["ways = {", *(f'    "{name}": lambda: {way},' for name, way in ways.items()), "}", ASKED]
