"""What can go wrong in a callable of JAX's, beyond what any callable can do wrong."""

from __future__ import annotations

from pathlib import Path

from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.results.model import Cell

HEAD = """
import functools
import numpy as np
import jax
import jax.numpy as jnp
import gradproof as gp

exp = jnp.exp


def it(name, call):
    gp.implements("exp", backend="jax:cpu", formats=["float32"], name=name)(call)


def setting(name, value):
    def call(x):
        jax.config.update(name, value)
        return exp(x)

    return call


@jax.custom_jvp
def wrong_jvp(x):
    return exp(x)


wrong_jvp.defjvp(lambda primals, tangents: (exp(primals[0]), tangents[0]))


@jax.custom_vjp
def wrong_vjp(x):
    return exp(x)


wrong_vjp.defvjp(lambda x: (exp(x), x), lambda x, g: (g.sum(),))


def branch(x):
    return exp(x) if x[0] > 0 else exp(x) + 0 * x


class Module:
    def apply(self, variables, x):
        return exp(x) * variables["params"]["scale"]


PARAMS = {"params": {"scale": np.float32(1)}}


"""


def cells(folder: Path, calls: dict[str, str], orders: tuple[int, ...], mode: str = "eager") -> dict[object, Cell]:
    """The accuracy of each callable, given as an expression, by (name, order)."""
    file = folder / "subject.py"
    lines = [*(f"it({name!r}, {call})" for name, call in calls.items()), "it('last', exp)"]
    file.write_text(HEAD + "\n".join(lines) + "\n")
    selection = Selection(
        files=(str(file),), properties=("accuracy",), orders=orders, profile="quick", jobs=1, modes=(mode,)
    )
    found: dict[object, Cell] = {(c.implementation, c.order): c for c in run(selection).cells}
    assert found["last", 0].status == "pass"  # the rest of the run goes on, and as if nothing had happened
    return found


FAULTS = {
    "numpy": ("lambda x: np.exp(np.asarray(x))", "wrong-type", "expected a jax.Array"),
    "narrow": ("lambda x: exp(x).astype(jnp.float16)", "wrong-format", "dtype float16, expected float32"),
    "shape": ("lambda x: exp(x)[:3]", "wrong-shape", "shape (3,), expected"),
    "donated": ("lambda x: jax.jit(exp, donate_argnums=0)(x)", "wrote-input", "donated its input's buffer"),
    "x64": ("setting('jax_enable_x64', True)", "changed-settings", "jax_enable_x64 from False to True"),
    "promotion": ("setting('jax_numpy_rank_promotion', 'raise')", "changed-settings", "from allow to raise"),
    "jit": ("setting('jax_disable_jit', True)", "changed-settings", "jax_disable_jit from False to True"),
}


def test_each_fault_is_a_verdict_of_its_own(tmp_path: Path) -> None:
    found = cells(tmp_path, {name: call for name, (call, _, _) in FAULTS.items()}, (0,))
    told = {name: (found[name, 0].measured.get("fault"), found[name, 0].reason) for name in FAULTS}
    assert {name: kind for name, (kind, _) in told.items()} == {name: kind for name, (_, kind, _) in FAULTS.items()}
    assert [name for name, (_, _, says) in FAULTS.items() if says not in told[name][1]] == []


def test_a_way_through_numpy_and_a_stopped_gradient_lose_the_derivative(tmp_path: Path) -> None:
    calls = {"numpy": "lambda x: jnp.asarray(np.exp(np.asarray(x)))", "stop": "lambda x: exp(jax.lax.stop_gradient(x))"}
    found = cells(tmp_path, calls, (0, 1))
    assert {found[name, 0].status for name in calls} == {"pass"}
    assert found["numpy", 1].measured["fault"] == "raised"
    assert "use jax.numpy" in found["numpy", 1].reason
    assert "cut off from its input" in found["stop", 1].reason


def test_a_wrong_rule_is_an_error_of_its_derivative(tmp_path: Path) -> None:
    found = cells(tmp_path, {"jvp": "wrong_jvp", "vjp": "wrong_vjp"}, (0, 1))
    assert {found[name, 0].status for name in ("jvp", "vjp")} == {"pass"}
    assert found["jvp", 1].status == "fail"
    assert "cut off" not in found["jvp", 1].reason
    assert found["vjp", 1].measured["fault"] == "raised"
    assert "bwd rule must produce" in found["vjp", 1].reason


def test_what_cannot_be_traced_is_unsupported_when_compiled_and_right_in_eager(tmp_path: Path) -> None:
    assert cells(tmp_path, {"branch": "branch"}, (0,))["branch", 0].status == "pass"
    compiled = cells(tmp_path, {"branch": "branch"}, (0,), "compiled")["branch", 0]
    assert compiled.status == "unsupported"
    assert "jax.jit cannot trace branch" in compiled.reason


def test_parameters_come_by_closure_or_partial(tmp_path: Path) -> None:
    calls = {
        "closure": "lambda x: Module().apply(PARAMS, x)",
        "partial": "functools.partial(Module().apply, PARAMS)",
        "jitted": "jax.jit(exp)",
    }
    for mode in ("eager", "compiled"):
        assert {c.status for c in cells(tmp_path, calls, (0, 1), mode).values()} == {"pass"}
