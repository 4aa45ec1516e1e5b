"""Which deviation explains a failing cell: titles, reasons and upstream threads, written by hand.

The first rule that matches names the deviation. Whatever no rule matches gets a deviation of its own, named after
function, order and cause, with the generic reason of that cause: a maintainer replaces it once understood.
"""

from __future__ import annotations

from dataclasses import dataclass

from gradproof.engine.ledger import Deviation
from gradproof.engine.plan import Task


@dataclass(frozen=True)
class Rule:
    """A deviation and the cells it explains; empty tuples match everything."""

    id: str
    backend: str
    functions: tuple[str, ...]
    title: str
    reason: str
    upstream: tuple[str, ...] = ()
    orders: tuple[int, ...] = ()
    properties: tuple[str, ...] = ()

    def matches(self, task: Task) -> bool:
        """Whether the task's cell is one of those this deviation explains."""
        return (
            task.backend.partition(":")[0] == self.backend
            and task.function.name in self.functions
            and (not self.orders or task.order in self.orders)
            and (not self.properties or task.property in self.properties)
        )

    def deviation(self) -> Deviation:
        """The deviation as the ledger holds it."""
        return Deviation(self.id, self.title, self.reason, self.upstream)


POINTWISE = ("accuracy", "saturation", "taylor", "fd-jump", "underflow-noise")

RULES: tuple[Rule, ...] = (
    Rule(
        "torch-kink-formulations", "torch", ("relu", "relu6", "hardtanh"),
        "equal formulations have different derivatives at the kink",
        "At the kink relu and hardtanh return 0, maximum splits the gradient (1/2) and clamp passes it (1 up to torch "
        "2.14). Each is an element of the Clarke interval; a model's gradient depends on how the same function is "
        "written.",
        ("pytorch/pytorch#184572", "pytorch/pytorch#184574"), (1,), ("kink-convention",),
    ),
    Rule(
        "torch-prelu-forward-mode", "torch", ("prelu",),
        "prelu: reverse mode returns the slope at 0, forward mode returns 1",
        "The backward formula tests x > 0, the forward-mode formula x >= 0, so the two modes choose different elements "
        "of the Clarke interval.",
        (), (1,), ("kink-convention",),
    ),
    Rule(
        "torch-gelu-infinity", "torch", ("gelu", "gelu_tanh"),
        "gelu and its derivatives are NaN at the infinities",
        "x * Phi(x) is evaluated as inf * 0 at -inf; in float32 and bfloat16 the vector kernel gives NaN at +inf too. "
        "Second derivatives already overflow at finite inputs, where x^2 does.",
        ("pytorch/pytorch#185770",), (), ("special-values",),
    ),
    Rule(
        "torch-gelu-tail", "torch", ("gelu",),
        "gelu (erf form) loses its negative tail",
        "The value is computed as x/2 (1 + erf(x / sqrt 2)), which cancels for negative x: in float32 it is wrong from "
        "about -2, 57 % off at -5.5 and 0 at -6, in float64 0 at -10. Vectors and scalars use different erf "
        "approximations and disagree (11 % at -4.9963). At 1.7e38 the float32 kernel overflows. The derivative cancels "
        "the same way; the second one overflows where x^2 does.",
        ("pytorch/pytorch#187806", "pytorch/pytorch#188382"), (), POINTWISE,
    ),
    Rule(
        "torch-gelu-tanh-tail", "torch", ("gelu_tanh",),
        "gelu (tanh form) loses its negative tail and overflows in its derivatives",
        "x/2 (1 + tanh z) cancels for negative x, where tanh z rounds to -1; in the derivatives x^2 overflows and "
        "meets a zero (inf * 0 = NaN) long before the limit is due.",
        ("pytorch/pytorch#187806",), (), POINTWISE,
    ),
    Rule(
        "torch-silu-infinity", "torch", ("silu",),
        "silu and its derivatives are NaN at the infinities",
        "The value at -inf is -inf / (1 + inf); the derivative multiplies an infinite x by a sigmoid factor of 0.",
        ("pytorch/pytorch#160876",), (), ("special-values",),
    ),
    Rule(
        "torch-silu-tail", "torch", ("silu",),
        "silu is flushed to 0 where exp(-x) overflows; its second derivative saturates early",
        "x / (1 + exp(-x)) is -0 as soon as exp(-x) is infinite (x < -88.7 in float32, -709.8 in float64), although "
        "the exact value is still a normal number. The second derivative is built from 1 - sigmoid(x), which is 0 from "
        "x = 16.6 (float32) on.",
        (), (), POINTWISE,
    ),
    Rule(
        "torch-sigmoid-tail", "torch", ("sigmoid",),
        "sigmoid' is 0 in the positive tail; sigmoid'' loses the neighbourhood of 0",
        "AD uses s (1 - s) with the rounded s: 0 from x = 16.64 on in float32 (4.14e-8 is due at 17). The value is "
        "flushed where exp(-x) overflows, at the end of the subnormals. The second derivative multiplies by 1 - 2 s, "
        "which cancels near x = 0.",
        ("pytorch/pytorch#195527", "pytorch/pytorch#195681"),
    ),
    Rule(
        "torch-tanh-tail", "torch", ("tanh",),
        "tanh' is 0 in both tails",
        "AD uses 1 - y^2 with the rounded y: it cancels from |x| = 2.5 or so and is 0 from |x| = 9 or so on in "
        "float32, where 5.96e-8 is due (at 9.01). The chain product of tanh derivatives inherits the error.",
        ("pytorch/pytorch#195685", "pytorch/pytorch#195681"),
    ),
    Rule(
        "torch-softplus-threshold", "torch", ("softplus",),
        "softplus switches to the identity at threshold 20, which float64 can see",
        "torch's softplus returns x for x > 20. At 20 the exact value is 2.06e-9 larger: nothing in float32, 580,000 "
        "ulps in float64; the derivatives jump there as well. The second derivative is built from 1 - sigmoid(x) and "
        "saturates early in every format.",
    ),
    Rule(
        "torch-logsigmoid-second", "torch", ("logsigmoid",),
        "logsigmoid'' saturates early in the positive tail",
        "The double backward forms s (1 - s) from a rounded sigmoid: it is 0 where exp(-x) is still a normal number.",
        (), (2,),
    ),
    Rule(
        "jax-kink-formulations", "jax", ("relu", "relu6", "hardtanh", "leaky_relu"),
        "equal formulations have different derivatives at the kink",
        "jax.nn.relu returns 0, jnp.maximum and jnp.clip split the gradient (1/2), hard_tanh returns 1 and leaky_relu "
        "the right slope. Each is an element of the Clarke interval.",
        (), (1,), ("kink-convention",),
    ),
    Rule(
        "jax-leaky-relu-subnormal", "jax", ("leaky_relu",),
        "leaky_relu returns negative subnormal inputs unscaled",
        "On x86 CPUs XLA reads subnormals as 0 in the comparison x >= 0, so the positive branch is taken, which "
        "returns x itself instead of the scaled (or a flushed) value.",
        ("jax-ml/jax#37762",), (0,),
    ),
    Rule(
        "jax-elu-tail", "jax", ("elu", "selu"),
        "the derivatives of elu and selu saturate early in the negative tail",
        "The derivative of expm1 is computed as expm1(x) + 1, which cancels: 5.96e-8 instead of 4.14e-8 at -17 in "
        "float32 and 0 at -20, where 2.06e-9 is due.",
        ("jax-ml/jax#39794", "jax-ml/jax#39795"), (1, 2),
    ),
    Rule(
        "jax-gelu-infinity", "jax", ("gelu", "gelu_tanh", "silu"),
        "gelu, silu and their derivatives are NaN at the infinities",
        "An infinite x meets a factor that has rounded to 0 (inf * 0); in float16 the cube of the tanh form overflows "
        "at ordinary inputs (NaN at 300 in the derivative).",
        ("facebookresearch/fairseq#2235",), (), ("special-values",),
    ),
    Rule(
        "jax-gelu-tail", "jax", ("gelu",),
        "gelu is flushed at the end of its negative tail and its second derivative overflows",
        "erfc returns subnormals as 0 on x86 CPUs, before the product with x that would be a normal number; in the "
        "second derivative x^2 overflows to inf and meets a factor of 0.",
        ("jax-ml/jax#37762",), (), POINTWISE,
    ),
    Rule(
        "jax-gelu-tanh", "jax", ("gelu_tanh",),
        "gelu (tanh form) loses its negative tail and overflows in its derivatives",
        "x/2 (1 + tanh z) cancels for negative x; in the derivatives x^2 and x^3 overflow and meet a factor of 0: NaN, "
        "in float16 already at 300.",
        ("facebookresearch/fairseq#2235",), (), POINTWISE,
    ),
    Rule(
        "jax-sigmoid-tail", "jax", ("sigmoid", "silu", "softplus", "logsigmoid"),
        "derivatives built from 1 - sigmoid(x) saturate early",
        "The derivative of the logistic function is s (1 - s) with the rounded s, which is 0 in the positive tail "
        "where exp(-x) is still a normal number; the functions built on it inherit that in their derivatives.",
    ),
    Rule(
        "jax-tanh-tail", "jax", ("tanh",),
        "the derivatives of tanh saturate early",
        "AD uses the rounded y in 1 - y^2, or (1 + y)(1 - y), which is 0 in the tails where the derivative is still a "
        "normal number.",
    ),
)  # fmt: skip

GENERIC = {
    "flush": "A result that is due below or next to the subnormal numbers comes back as 0.",
    "cancellation": "Quantities of size 1 are subtracted: the absolute error is theirs, the relative error all of it.",
    "intermediate-overflow": "An intermediate result overflows (or is 0 * inf) although the final one is finite.",
    "early-saturation": "A factor reaches its limit before the exact result does.",
    "wrong-branch": "The value is that of a neighbouring piece of the function.",
    "convention": "Several ways to ask for the derivative at the kink give several answers.",
    "class-mismatch": "NaN, infinity or a number where another class is due.",
    "rounding": "Several roundings add up beyond the contract.",
    "fault": "The implementation broke its contract.",
    "statistics": "A measured frequency contradicts its exact probability.",
}


def deviation_for(task: Task, cause: str, explanation: str) -> Deviation:
    """The deviation that explains the failing cell of ``task``."""
    for rule in RULES:
        if rule.matches(task):
            return rule.deviation()
    name = task.backend.partition(":")[0]
    key = f"{name}-{task.function.name}-order{task.order}-{cause}"
    return Deviation(key, f"{task.function.name}, order {task.order}: {cause}", explanation or GENERIC[cause])
