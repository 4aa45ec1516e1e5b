"""What is known to be wrong in JAX and XLA: see ``reasons``."""

from __future__ import annotations

from gradproof_properties.ledger.rule import POINTWISE, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "jax-hardswish-minimum",
        "jax",
        ("hardswish",),
        "hard_silu falls below its minimum",
        "x * relu6(x + 3) is rounded before it is divided by 6: at -1.4999998 in float32 the result is "
        "-0.37500003, and -3/8 is the least value of the function.",
        (),
        (0,),
        ("shape",),
    ),
    Rule(
        "jax-kink-formulations",
        "jax",
        ("relu", "relu6", "hardtanh", "leaky_relu", "maximum0", "clamp", "hardsigmoid", "abs"),
        "equal formulations have different derivatives at the kink",
        "jax.nn.relu and hard_sigmoid return 0, jnp.maximum and jnp.clip split the gradient (1/2), hard_tanh returns 1 "
        "and leaky_relu the right slope; jnp.abs returns 1, maximum(x, -x) 0. Each is an element of the Clarke "
        "interval.",
        (),
        (1,),
        ("kink-convention",),
    ),
    Rule(
        "jax-elu-tail",
        "jax",
        ("elu", "selu", "celu", "expm1"),
        "the derivatives of expm1, elu, selu and celu saturate early in the negative tail",
        "The derivative of expm1 is computed as expm1(x) + 1, which cancels: 5.96e-8 instead of 4.14e-8 at -17 in "
        "float32 and 0 at -20, where 2.06e-9 is due.",
        ("jax-ml/jax#39794", "jax-ml/jax#39795", "jax-ml/jax#39796", "jax-ml/jax#40820"),
        (1, 2),
    ),
    Rule(
        "jax-gelu-infinity",
        "jax",
        ("gelu", "gelu_tanh", "silu"),
        "gelu, silu and their derivatives are NaN at the infinities",
        "An infinite x meets a factor that has rounded to 0 (inf * 0); in float16 the cube of the tanh form overflows "
        "at ordinary inputs (NaN at 300 in the derivative).",
        ("facebookresearch/fairseq#2235",),
        (),
        ("special-values",),
    ),
    Rule(
        "jax-gelu-tail",
        "jax",
        ("gelu",),
        "gelu is flushed at the end of its negative tail and its second derivative overflows",
        "erfc returns subnormals as 0 on x86 CPUs, before the product with x that would be a normal number; in the "
        "second derivative x^2 overflows to inf and meets a factor of 0.",
        ("jax-ml/jax#37762",),
        (),
        POINTWISE,
    ),
    Rule(
        "jax-gelu-tanh",
        "jax",
        ("gelu_tanh",),
        "gelu (tanh form) loses its negative tail and overflows in its derivatives",
        "x/2 (1 + tanh z) cancels for negative x; in the derivatives x^2 and x^3 overflow and meet a factor of 0: NaN, "
        "in float16 already at 300.",
        ("facebookresearch/fairseq#2235",),
        (),
        POINTWISE,
    ),
    Rule(
        "jax-sigmoid-tail",
        "jax",
        ("sigmoid", "silu", "softplus", "logsigmoid"),
        "derivatives built from 1 - sigmoid(x) saturate early",
        "The derivative of the logistic function is s (1 - s) with the rounded s, which is 0 in the positive tail "
        "where exp(-x) is still a normal number; the functions built on it inherit that in their derivatives.",
    ),
    Rule(
        "jax-tanh-rational",
        "jax",
        ("tanh",),
        "float32 tanh errs by up to 4.9 ulp",
        "XLA's CPU compiler evaluates tanh as a quotient of two polynomials; each is rounded, and near |x| = 5 the "
        "errors of both add up: 1,424 of all float32 inputs, from 4.2 to 7.8, lie beyond 4 ulp. A sweep found them; a "
        "sample of 65,536 inputs meets one of them in 46 times.",
        orders=(0,),
        properties=("accuracy",),
        formats=("float32",),
    ),
    Rule(
        "jax-erf-rational",
        "jax",
        ("erf",),
        "float32 erf errs by up to 6.7 ulp and exceeds 1",
        "XLA's CPU compiler evaluates erf as x times a quotient of two polynomials of x^2, each rounded, up to |x| = "
        "3.8325: 11,258 of all float32 inputs, from 2.19 on, lie beyond 4 ulp. At 3.646 the result is 1 where 1 - "
        "2.5e-7 is due, and at 3.7746 it is 1 + 2.4e-7. Sweeps found them; AVX, AVX2 and AVX-512 give the same bits.",
        orders=(0,),
        properties=("accuracy", "saturation", "shape", "consistency"),
        formats=("float32",),
    ),
    Rule(
        "jax-tanh-tail",
        "jax",
        ("tanh",),
        "the derivatives of tanh saturate early",
        "AD uses the rounded y in 1 - y^2, or (1 + y)(1 - y), which is 0 in the tails where the derivative is still a "
        "normal number.",
    ),
    Rule(
        "jax-celu-subnormal",
        "jax",
        ("celu",),
        "celu flushes the least normal numbers",
        "x / alpha is subnormal for the least negative normal x where alpha > 1; XLA on x86 CPUs reads it as 0, and "
        "alpha * expm1(x / alpha) with it.",
        ("jax-ml/jax#37762",),
        (0,),
    ),
    Rule(
        "jax-hardsigmoid-edge",
        "jax",
        ("hardsigmoid", "hardswish"),
        "the number just below 3 gets the derivative from beyond the kink",
        "x + 3 is rounded before it is compared with 6: the float32 number below 3 becomes 6 (a tie, to even), where "
        "relu6's derivative is 0.",
        (),
        (1, 2),
        POINTWISE,
    ),
    Rule(
        "jax-hardswish-infinity",
        "jax",
        ("hardswish",),
        "hardswish is NaN at -inf",
        "x * hard_sigmoid(x) is -inf * 0.",
        (),
        (),
        ("special-values", "consistency"),
    ),
    Rule(
        "jax-mish-infinity",
        "jax",
        ("mish",),
        "mish and its derivatives are NaN at the infinities",
        "x tanh(softplus(x)) is -inf * 0 at -inf; in the derivatives an infinite x meets a factor of 0.",
        (),
        (),
        ("special-values",),
    ),
    Rule(
        "jax-mish-tail",
        "jax",
        ("mish",),
        "mish is flushed at the end of its negative tail and its second derivative is NaN near the largest numbers",
        "softplus(x) is flushed to 0 where it is subnormal (from -87.4 on in float32), before the product with x that "
        "would be a normal number. The second derivative doubles x, and inf meets a factor of 0.",
        ("jax-ml/jax#37762",),
        (),
        POINTWISE,
    ),
    Rule(
        "jax-softsign-infinity",
        "jax",
        ("softsign",),
        "softsign and its derivatives are NaN at the infinities",
        "x / (|x| + 1) is inf / inf there, and AD uses that quotient.",
        (),
        (),
        ("special-values",),
    ),
    Rule(
        "jax-softsign-tail",
        "jax",
        ("softsign",),
        "the derivatives of softsign cancel in the tails",
        "AD differentiates the quotient: 1 / (1 + |x|) - |x| / (1 + |x|)^2 instead of 1 / (1 + |x|)^2. In float32 the "
        "first derivative is 2 % off at 1e6 and 0 at 1e8, where 1e-16 is due; the sign is lost as well.",
        (),
        (1, 2),
        POINTWISE,
    ),
    Rule(
        "jax-squareplus",
        "jax",
        ("squareplus",),
        "squareplus loses its negative tail and overflows in the square",
        "x + sqrt(x^2 + b) cancels for negative x, derivatives included: in float32 0 at -1e4, where 1e-4 is due. From "
        "1.8e19 on x^2 is infinite: inf at -1e20, with derivative 1/2; NaN at -inf.",
    ),
    Rule(
        "jax-log1p-second",
        "jax",
        ("log1p",),
        "log1p'' is 0 in float16 from 255 on",
        "The derivative of the quotient squares 1 + x, which overflows there although 1 / (1 + x)^2 is a subnormal "
        "number.",
        (),
        (2,),
        ("accuracy", "special-values", "saturation", "taylor"),
    ),
    Rule(
        "jax-log1p-value",
        "jax",
        ("log1p",),
        "log1p in float64 is up to some 130 ulps off on [-0.4142, -0.3687]",
        "On an interval that ends at 1 - sqrt(2) the float64 result loses seven bits: 128 ulps at -0.414189, under one "
        "on either side of the interval. Networks of log1p inherit it.",
        (),
        (),
        ("accuracy", "second-order"),
    ),
    Rule(
        "jax-erf-second",
        "jax",
        ("erf", "erfc"),
        "erf'' and erfc'' are NaN from half the largest number on",
        "The derivative of exp(-x^2) multiplies 2 x, which is infinite there, by an exponential that is 0.",
        (),
        (2,),
    ),
    Rule(
        "jax-erf-tail",
        "jax",
        ("erf", "erfc"),
        "erf' is flushed at the end of its tails",
        "exp(-x^2) is subnormal and flushed on x86 CPUs before 2 / sqrt(pi) would make it a normal number: 0 at "
        "-9.3509 in float32.",
        ("jax-ml/jax#37762",),
        (1,),
    ),
    Rule(
        "jax-conversion-twice",
        "jax",
        ("to_float16", "to_bfloat16"),
        "float64 is rounded twice on its way to 16 bits",
        "On CPUs XLA converts float64 to float16 and bfloat16 through float32: a number within half a float32 ulp of "
        "the middle between two numbers of the target becomes that middle, and then goes to the even one. Its "
        "conversions to the 8-bit formats round once.",
        (),
        (0,),
        ("conversion",),
    ),
)
