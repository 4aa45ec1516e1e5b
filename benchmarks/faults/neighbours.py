"""The corpus of faults under the tools beside gradproof: which of them flags what, and for how many seconds.

    python -m benchmarks.faults.neighbours [--only WORD]... [--document]

Each file of ``corpus/`` is one process; what hangs or crashes there costs its own row, and another process goes on
behind it.
``--document`` keeps the rows in docs/evidence/detection.json and writes docs/detection.md from it. Needs torch and jax.

A tool sees an implementation only where it takes one (``applies``); all else is ``n/a``. Inputs are of a fixed seed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.faults.expected import FAULTS, ORDERS, RIGHT
from benchmarks.faults.record import HERE, chosen, record
from gradproof.backends import get_backend
from gradproof.backends.base import Implementation
from gradproof.engine.declared.userfiles import load
from gradproof.functions.function import exact

PATIENCE: Final = 20.0
"""Seconds that one implementation may take under all tools, on the average of those that a process has to do."""
LIMIT: Final = 4
"""Ulp beyond which the comparison with mpmath flags a value."""
FLOATS: Final = ("float32", "float64", "float16", "bfloat16")
SEED: Final = 0


class Flagged(Exception):
    """What a tool without an exception of its own holds against an implementation."""


def numbers(size: int, seed: int = SEED) -> np.ndarray[Any, Any]:
    """Standard normal numbers in float64."""
    return np.random.default_rng(seed).standard_normal(size)


# -- each tool: raises if it flags ---------------------------------------------------------------------


def torch_gradcheck(made: Implementation) -> None:
    """In float64 on 20 normal numbers, every mode switched on that the implementation offers."""
    import torch

    x = torch.from_numpy(numbers(20)).requires_grad_(True)
    try:
        torch.autograd.gradcheck(
            made.call, (x,), check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True
        )
    except NotImplementedError:  # an autograd.Function without jvp, which says so
        torch.autograd.gradcheck(made.call, (x,), check_batched_grad=True)


def torch_gradgradcheck(made: Implementation) -> None:
    """Likewise, reverse over reverse and forward over reverse."""
    import torch

    x = torch.from_numpy(numbers(20)).requires_grad_(True)
    torch.autograd.gradgradcheck(made.call, (x,), check_fwd_over_rev=True, check_batched_grad=True)


def jax_check_grads(made: Implementation) -> None:
    """Orders 1 and 2 in float32, wide enough for its differences, on 20 normal numbers, in the modes offered."""
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads

    x = jnp.asarray(numbers(20), dtype="float32")
    try:
        jax.jvp(made.call, (x,), (x,))
        modes = ("fwd", "rev")
    except TypeError:  # a custom_vjp offers no forward mode, and says so
        modes = ("rev",)
    check_grads(made.call, (x,), order=2, modes=modes)


def torch_assert_close(made: Implementation) -> None:
    """Values and derivatives against the framework's own, default tolerances, 1000 normal numbers."""
    import torch

    for ours, theirs in compared(made):
        torch.testing.assert_close(ours, theirs)


def numpy_assert_allclose(made: Implementation) -> None:
    """Likewise, by NumPy's default: seven digits in every format."""
    for ours, theirs in compared(made):
        np.testing.assert_allclose(array(ours), array(theirs))


def mpmath_ulp(made: Implementation) -> None:
    """Values within 4 ulp of mpmath on 200 numbers from -20 to 20 and 100 normal ones, in each declared format."""
    from benchmarks.second_judge import Binary, derivatives

    shapes = {
        "float64": Binary(64, 53),
        "float32": Binary(32, 24),
        "float16": Binary(16, 11),
        "bfloat16": Binary(16, 8),
    }
    points = np.concatenate([np.linspace(-20, 20, 200), numbers(100)])
    for fmt in made.formats or ():
        given = cast(made.backend, points, fmt)
        results = array(made.call(given)).reshape(-1)
        inputs = array(cast(made.backend, points, fmt))
        if results.shape != inputs.shape:
            raise Flagged(f"expected the shape {inputs.shape}, got {results.shape}")
        for x, got in zip(inputs.tolist(), results.tolist(), strict=True):
            try:
                due = derivatives(made.function, {k: exact(v) for k, v in made.params.items()}, Fraction(x))
            except ArithmeticError:  # a root of a higher derivative, of which the judge beside us is not sure
                continue
            if due is None:
                continue
            shape = shapes[fmt]
            nearest = shape.rounded(due[0])
            if not np.isfinite(got) or isinstance(nearest, str):
                if float(nearest) != got:
                    raise Flagged(f"f({x!r}) = {got!r}, {float(nearest)!r} is due")
            elif abs(Fraction(got) - due[0]) > LIMIT * shape.quantum(due[0]):
                raise Flagged(f"f({x!r}) = {got!r}, {float(due[0])!r} is due")


# -- what they compare ---------------------------------------------------------------------------------


def cast(backend: str, x: np.ndarray[Any, Any], fmt: str) -> Any:
    """``x`` as the framework's array of a format."""
    if backend == "torch":
        import torch

        return torch.from_numpy(x.copy()).to(getattr(torch, fmt))
    if backend == "jax":
        import jax.numpy as jnp

        return jnp.asarray(x, dtype=fmt)
    import ml_dtypes

    return x.astype(ml_dtypes.bfloat16 if fmt == "bfloat16" else fmt)


def array(y: Any) -> np.ndarray[Any, Any]:
    """A framework's array in float64, which holds every format's numbers."""
    if hasattr(y, "detach"):
        return y.detach().double().numpy()  # type: ignore[no-any-return]
    return np.asarray(y).astype(np.float64)


def own(made: Implementation) -> Implementation | None:
    """The framework's own function with the same parameters; PyTorch's for NumPy, which has none."""
    offered = get_backend("torch" if made.backend == "numpy" else made.backend).catalogue()
    same = (o for o in offered if o.function == made.function and dict(o.params) == dict(made.params))
    return next(same, None)


def compared(made: Implementation) -> Iterator[tuple[Any, Any]]:
    """(Theirs, the framework's own) values and derivatives in each declared format, in one format and framework."""
    reference = own(made)
    assert reference is not None
    for fmt in made.formats or ():
        x = cast(made.backend, numbers(1000), fmt)
        for order in (0, 1):
            ours = result(made, x, order)
            theirs = result(reference, cast(reference.backend, numbers(1000), fmt), order)
            if made.backend == "numpy":
                theirs = theirs.float().numpy().astype(x.dtype) if fmt == "bfloat16" else theirs.numpy()
                if fmt == "bfloat16":  # which PyTorch does not read from NumPy's arrays
                    import torch

                    ours, theirs = (torch.from_numpy(np.asarray(y, np.float32)).bfloat16() for y in (ours, theirs))
            yield ours, theirs


def result(made: Implementation, x: Any, order: int) -> Any:
    """f(x), or f'(x) by the declared derivative or by reverse mode."""
    if order == 0:
        y = made.call(x)
        return y.detach() if hasattr(y, "detach") else y
    if made.derivatives:
        return made.derivatives[0](x)
    if made.backend == "jax":
        import jax

        y, pull = jax.vjp(made.call, x)
        return pull(jax.numpy.ones_like(y))[0]
    leaf = x.detach().requires_grad_(True)
    made.call(leaf).sum().backward()
    return leaf.grad


@dataclass(frozen=True)
class Tool:
    """One column of the matrix."""

    name: str
    run: Callable[[Implementation], None]
    applies: Callable[[Implementation, Sequence[int]], bool]


def has_own(made: Implementation) -> bool:
    """Whether there is a function of the framework's to compare with, in formats it takes."""
    return set(made.formats or ()) <= set(FLOATS) and not made.function.startswith("to_") and own(made) is not None


TOOLS: Final = (
    Tool("torch gradcheck", torch_gradcheck, lambda made, _: made.backend == "torch"),
    Tool("torch gradgradcheck", torch_gradgradcheck, lambda made, orders: made.backend == "torch" and 2 in orders),
    Tool("jax check_grads", jax_check_grads, lambda made, _: made.backend == "jax"),
    Tool("torch assert_close", torch_assert_close, lambda made, _: made.backend != "jax" and has_own(made)),
    Tool("numpy assert_allclose", numpy_assert_allclose, lambda made, _: has_own(made)),
    Tool(
        "mpmath, 4 ulp",
        mpmath_ulp,
        lambda made, _: set(made.formats or ()) <= set(FLOATS) and not made.function.startswith("to_"),
    ),
)


# -- running -------------------------------------------------------------------------------------------


def answers(made: Implementation, orders: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Tool -> whether it flags the implementation, with its first line, and its CPU seconds; only where it applies."""
    row: dict[str, dict[str, Any]] = {}
    for tool in TOOLS:
        if tool.applies(made, orders):
            began, said = time.process_time(), ""
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # PyTorch's own about torch.jit, under gradcheck, are no answer
                    tool.run(made)
            except Exception as error:  # a tool's, and whatever an implementation raises under it
                said = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
            row[tool.name] = {"flags": bool(said), "said": said, "seconds": round(time.process_time() - began, 3)}
    return row


def work(file: str, names: Sequence[str], target: Path) -> None:
    """In a process of its own: a line for each of the named implementations, before (empty) and after."""
    made = {each.name: each for each in load(str(HERE / "corpus" / f"{file}.py"))}
    with target.open("a", encoding="utf-8") as out:
        for name in names or made:
            out.write(json.dumps([name, None]) + "\n")
            out.flush()
            out.write(json.dumps([name, answers(made[name], ORDERS.get(file, (0, 1)))]) + "\n")
            out.flush()


def rows(file: str, words: Sequence[str]) -> dict[str, dict[str, dict[str, Any]] | None]:
    """Implementation -> ``answers``, None where the process hung or crashed on it; of one file of the corpus."""
    named = [made.name for made in load(str(HERE / "corpus" / f"{file}.py")) if chosen(words, made.name)]
    found: dict[str, dict[str, dict[str, Any]] | None] = {}
    while left := [name for name in named if name not in found]:
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / "rows"
            command = [sys.executable, "-m", "benchmarks.faults.neighbours", "--work", file, str(target), *left]
            error = ""
            try:
                done = subprocess.run(
                    command, timeout=60 + PATIENCE * len(left), capture_output=True, text=True, check=False
                )
                error = done.stderr
            except subprocess.TimeoutExpired:
                pass
            lines = target.read_text(encoding="utf-8").splitlines() if target.exists() else []
        if not lines:
            raise RuntimeError(f"expected rows of {' '.join(command)}, got:\n{error}")
        found |= dict(map(json.loads, lines))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tools over what was asked for, and print what each of them flags."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--work"]:
        work(given[1], given[3:], Path(given[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="WORD")
    parser.add_argument("--document", action="store_true")
    asked = parser.parse_args(given)
    if asked.document and asked.only:
        parser.error("--document keeps the whole corpus; expected it without --only")
    found: dict[str, Any] = {}
    for file in (*FAULTS, *RIGHT):
        found |= rows(file, asked.only)
        print(f"{file}: {len(found)}", file=sys.stderr, flush=True)
    for name, row in found.items():
        print(name, "no answer" if row is None else ", ".join(t for t, a in row.items() if a["flags"]) or "-")
    if asked.document:
        record("neighbours", {"rows": found})


if __name__ == "__main__":
    main()
