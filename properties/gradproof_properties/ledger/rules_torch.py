"""What is known to be wrong in PyTorch: see ``reasons``."""

from __future__ import annotations

from gradproof_properties.ledger.rule import POINTWISE, Rule

COMPILED: tuple[Rule, ...] = (
    Rule(
        "torch-compiled-expm1",
        "torch",
        ("elu", "selu", "celu", "expm1"),
        "compiled elu, selu, celu and expm1 lose the neighbourhood of 0",
        "Inductor's C++ backend vectorises expm1(x) as exp(x) - 1 (torch/_inductor/codegen/cpp.py, CppVecOverrides), "
        "which cancels: compiled elu(-1e-8) is 0 in float32, where -1e-8 is due, and so are subnormal results. Single "
        "inputs go to std::expm1 and keep them, as does eager.",
        ("pytorch/pytorch#189801", "pytorch/pytorch#189803", "pytorch/pytorch#190533"),
        (0,),
        (),
        ("compiled",),
    ),
    Rule(
        "torch-compiled-softshrink-nan",
        "torch",
        ("softshrink",),
        "compiled softshrink turns NaN into 0",
        "The decomposition returns x * 0 within lambd, so that a NaN stays one and a zero keeps its sign. Inductor's "
        "constant folding replaces that product by 0 (torch/_inductor/fx_passes/joint_graph.py): NaN and -0 become 0.",
        ("pytorch/pytorch#186281", "pytorch/pytorch#187580"),
        (0,),
        ("special-values", "consistency"),
        ("compiled",),
    ),
    Rule(
        "torch-compiled-erf",
        "torch",
        ("erf",),
        "compiled erf has no relative accuracy near 0, in float32 neither",
        "Inductor calls Vectorized::erf, in float32 the approximation 7.1.26 of Abramowitz and Stegun, whose error of "
        "1.5e-7 is absolute: erf(1.4e-27) is 0, 1.6e-27 is due. Eager float32 goes through another library, single "
        "inputs to std::erf. The 16-bit formats are computed in float32.",
        ("pytorch/pytorch#198183",),
        (0,),
        (),
        ("compiled",),
        ("float32", "float16", "bfloat16"),
    ),
    Rule(
        "torch-compiled-conversion-dropped",
        "torch",
        ("to_float16", "to_bfloat16"),
        "compiled, x.to(torch.bfloat16).to(torch.float32) returns x",
        "Inductor's C++ code takes the number it had before the conversion for the conversion back, so that nothing is "
        "rounded: 1 + 2^-10 stays what it is. TORCHINDUCTOR_EMULATE_PRECISION_CASTS=1 keeps the rounding.",
        ("pytorch/pytorch#185337", "pytorch/pytorch#185847"),
        (0,),
        ("conversion",),
        ("compiled",),
        ("float32",),
    ),
)
"""What torch.compile does wrong and eager does not, or not in the same way."""

RULES: tuple[Rule, ...] = (
    *COMPILED,
    Rule(
        "torch-elu-in-place",
        "torch",
        ("elu", "selu", "celu"),
        "the in-place forms of elu, selu and celu have derivatives of their own, which are lost in the tail",
        "In place the backward pass has the result only, and forms the derivative as result + alpha, which cancels: "
        "elu'(-20) in float32 is 0 in place and 2.06e-9, as is due, otherwise; selu'(-inf) in float16 is 2.9e-4. Where "
        "the result has underflowed to -0 the other branch is taken: celu''(-5e-324) is 0 in place, due is 1/2.",
        (),
        (1, 2),
        ("consistency",),
    ),
    Rule(
        "torch-gelu-layouts",
        "torch",
        ("gelu", "gelu_tanh"),
        "contiguous, strided and single inputs of gelu meet different kernels, which disagree",
        "Contiguous float32 and bfloat16 arrays go to another library than strided ones, and vectors to other erf and "
        "tanh approximations than scalars. Where 1 + erf or 1 + tanh cancels the answers are grossly apart: in float32 "
        "gelu_tanh(-5.13) is -0 contiguous and -1.5e-7 strided (-9.2e-8 is due), gelu(inf) NaN contiguous and inf "
        "strided. In bfloat16 the gradient flushes subnormal results on one of the two ways.",
        ("pytorch/pytorch#185770", "pytorch/pytorch#188382", "pytorch/pytorch#187806"),
        (),
        ("consistency",),
    ),
    Rule(
        "torch-softshrink-zero-layout",
        "torch",
        ("softshrink",),
        "softshrink keeps the sign of zero for strided inputs only",
        "The vector kernel selects +0 where |x| <= lambd; the scalar one returns x * 0, which is -0 at -0. The "
        "function is odd.",
        (),
        (0,),
        ("consistency",),
    ),
    Rule(
        "torch-autocast-prelu",
        "torch",
        ("prelu",),
        "under autocast prelu rounds its input to bfloat16",
        "Autocast lists prelu among the operations that run in the lower precision, beside matrix products "
        "(ATen/autocast_mode.h, AT_FORALL_LOWER_PRECISION_FP). A float32 input is rounded to bfloat16 first: the "
        "largest numbers become inf, the smallest 0, at which the derivative is the convention's.",
        (),
        (),
        (*POINTWISE, "special-values", "consistency"),
        ("autocast",),
        ("float32",),
    ),
    Rule(
        "torch-kink-formulations",
        "torch",
        ("relu", "relu6", "hardtanh", "maximum0", "clamp", "hardsigmoid", "abs"),
        "equal formulations have different derivatives at the kink",
        "At the kink relu, hardtanh and hardsigmoid return 0, maximum splits the gradient (1/2) and clamp passes it (1 "
        "up to torch 2.14); abs and maximum(x, -x) return 0, abs by where 1. Each is an element of the Clarke "
        "interval; a model's gradient depends on how the same function is written.",
        ("pytorch/pytorch#184572", "pytorch/pytorch#184574"),
        (1,),
        ("kink-convention",),
    ),
    Rule(
        "torch-prelu-forward-mode",
        "torch",
        ("prelu",),
        "prelu: reverse mode returns the slope at 0, forward mode returns 1",
        "The backward formula tests x > 0, the forward-mode formula x >= 0, so the two modes choose different elements "
        "of the Clarke interval.",
        (),
        (1,),
        ("kink-convention",),
    ),
    Rule(
        "torch-gelu-infinity",
        "torch",
        ("gelu", "gelu_tanh"),
        "gelu and its derivatives are NaN at the infinities",
        "x * Phi(x) is evaluated as inf * 0 at -inf; in float32 and bfloat16 the vector kernel gives NaN at +inf too. "
        "Second derivatives already overflow at finite inputs, where x^2 does.",
        ("pytorch/pytorch#185770",),
        (),
        ("special-values",),
    ),
    Rule(
        "torch-gelu-tail",
        "torch",
        ("gelu",),
        "gelu (erf form) loses its negative tail",
        "The value is computed as x/2 (1 + erf(x / sqrt 2)), which cancels for negative x: in float32 it is wrong from "
        "about -2, 57 % off at -5.5 and 0 at -6, in float64 0 at -10. Vectors and scalars use different erf "
        "approximations and disagree (11 % at -4.9963). At 1.7e38 the float32 kernel overflows. The derivative cancels "
        "the same way; the second one overflows where x^2 does. Processors with bfloat16 instructions flush subnormal "
        "bfloat16 results.",
        ("pytorch/pytorch#187806", "pytorch/pytorch#188382"),
        (),
        POINTWISE,
    ),
    Rule(
        "torch-gelu-tanh-tail",
        "torch",
        ("gelu_tanh",),
        "gelu (tanh form) loses its negative tail and overflows in its derivatives",
        "x/2 (1 + tanh z) cancels for negative x, where tanh z rounds to -1; in the derivatives x^2 overflows and "
        "meets a zero (inf * 0 = NaN) long before the limit is due.",
        ("pytorch/pytorch#187806",),
        (),
        POINTWISE,
    ),
    Rule(
        "torch-silu-infinity",
        "torch",
        ("silu",),
        "silu and its derivatives are NaN at the infinities",
        "The value at -inf is -inf / (1 + inf); the derivative multiplies an infinite x by a sigmoid factor of 0.",
        ("pytorch/pytorch#160876",),
        (),
        ("special-values",),
    ),
    Rule(
        "torch-silu-tail",
        "torch",
        ("silu",),
        "silu is flushed to 0 where exp(-x) overflows; its second derivative saturates early",
        "x / (1 + exp(-x)) is -0 as soon as exp(-x) is infinite (x < -88.7 in float32, -709.8 in float64), although "
        "the exact value is still a normal number. The second derivative is built from 1 - sigmoid(x), which is 0 from "
        "x = 16.6 (float32) on.",
        (),
        (),
        POINTWISE,
    ),
    Rule(
        "torch-sigmoid-tail",
        "torch",
        ("sigmoid",),
        "sigmoid' is 0 in the positive tail; sigmoid'' loses the neighbourhood of 0",
        "AD uses s (1 - s) with the rounded s: 0 from x = 16.64 on in float32 (4.14e-8 is due at 17). The value is "
        "flushed where exp(-x) overflows, at the end of the subnormals. The second derivative multiplies by 1 - 2 s, "
        "which cancels near x = 0.",
        ("pytorch/pytorch#195527", "pytorch/pytorch#195681"),
    ),
    Rule(
        "torch-tanh-tail",
        "torch",
        ("tanh",),
        "tanh' is 0 in both tails",
        "AD uses 1 - y^2 with the rounded y: it cancels from |x| = 2.5 or so and is 0 from |x| = 9 or so on in "
        "float32, where 5.96e-8 is due (at 9.01). The chain product of tanh derivatives inherits the error.",
        ("pytorch/pytorch#195685", "pytorch/pytorch#195681"),
    ),
    Rule(
        "torch-softplus-threshold",
        "torch",
        ("softplus",),
        "softplus switches to the identity at threshold 20, which float64 can see",
        "torch's softplus returns x for x > 20. At 20 the exact value is 2.06e-9 larger: nothing in float32, 580,000 "
        "ulps in float64; the derivatives jump there as well. The second derivative is built from 1 - sigmoid(x) and "
        "saturates early in every format.",
    ),
    Rule(
        "torch-logsigmoid-second",
        "torch",
        ("logsigmoid",),
        "logsigmoid'' saturates early in the positive tail",
        "The double backward forms s (1 - s) from a rounded sigmoid: it is 0 where exp(-x) is still a normal number.",
        (),
        (2,),
    ),
    Rule(
        "torch-softplus-second",
        "torch",
        ("softplus_threshold",),
        "softplus'' saturates early in the positive tail",
        "The double backward forms s (1 - s) from a rounded sigmoid: in float32 it is 0 from 16.64 on, where 5.96e-8 "
        "is due.",
        (),
        (2,),
    ),
    Rule(
        "torch-hardsigmoid-constant",
        "torch",
        ("hardsigmoid",),
        "hardsigmoid' is 1/6 rounded to float32, in float64 too",
        "The backward kernel multiplies by a constant that is 1/6 in float32: 0.16666667163, in float64 1.8e8 ulps "
        "from what is due.",
    ),
    Rule(
        "torch-hardswish-overflow",
        "torch",
        ("hardswish",),
        "hardswish overflows from a sixth of the largest number on and is NaN at -inf",
        "x * relu6(x + 3) is formed before it is divided by 6: inf from 5.68e37 on in float32 and bfloat16, and "
        "-inf * 0 at -inf.",
        (),
        (0,),
    ),
    Rule(
        "torch-shrink-zero-sign",
        "torch",
        ("hardshrink", "softshrink", "tanhshrink"),
        "the shrinking functions turn -0 into +0",
        "hardshrink and softshrink return a masked or selected +0; tanhshrink subtracts tanh(-0) from -0. The "
        "functions are odd.",
        (),
        (0,),
        ("special-values",),
    ),
    Rule(
        "torch-tanhshrink-cancellation",
        "torch",
        ("tanhshrink",),
        "tanhshrink and its derivatives cancel",
        "x - tanh(x) cancels for small x: in float32 36 % off at 4e-4 and 0 at 3e-4, where 9e-12 is due. The first "
        "derivative is 1 - (1 - tanh^2), which is 0 at 1e-4; the second ends in the tails where 1 - tanh^2 does.",
    ),
    Rule(
        "torch-softsign-infinity",
        "torch",
        ("softsign",),
        "softsign and its derivatives are NaN at the infinities",
        "x / (1 + |x|) is inf / inf there, and AD uses that quotient.",
        (),
        (),
        ("special-values",),
    ),
    Rule(
        "torch-softsign-tail",
        "torch",
        ("softsign",),
        "the derivatives of softsign cancel in the tails",
        "AD differentiates the quotient: 1 / (1 + |x|) - |x| / (1 + |x|)^2 instead of 1 / (1 + |x|)^2. In float32 the "
        "first derivative is 2 % off at 1e6 and 0 at 1e8, where 1e-16 is due; the second loses its sign.",
        (),
        (1, 2),
        POINTWISE,
    ),
    Rule(
        "torch-mish-infinity",
        "torch",
        ("mish",),
        "mish and its derivatives are NaN at the infinities",
        "x tanh(softplus(x)) is -inf * 0 at -inf; in the derivatives an infinite x meets a factor of 0.",
        (),
        (),
        ("special-values",),
    ),
    Rule(
        "torch-mish-tail",
        "torch",
        ("mish",),
        "mish loses its last negative numbers, its derivative the sign there; the second derivative overflows",
        "The value multiplies x by tanh(log1p(exp(x))), whose last bits x magnifies where exp(x) is subnormal. The "
        "derivative's sigmoid 1 / (1 + exp(-x)) is 0 from -88.7 on (float32), which leaves tanh(softplus(x)) alone: "
        "2.2e-39 instead of -2e-37 at -89. The second derivative is NaN where exp(x) overflows, from 88.7 on.",
        (),
        (),
        POINTWISE,
    ),
    Rule(
        "torch-expm1-tail",
        "torch",
        ("expm1",),
        "expm1' is 0 in the negative tail",
        "AD uses expm1(x) + 1 instead of exp(x), which cancels: 0 from -16.64 on in float32, where 5.96e-8 is due, "
        "and from -36.74 on in float64.",
        ("pytorch/pytorch#192406", "pytorch/pytorch#192544"),
        (1, 2),
    ),
    Rule(
        "torch-erf-second",
        "torch",
        ("erf", "erfc"),
        "erf'' and erfc'' are NaN from half the largest number on",
        "The derivative of exp(-x^2) multiplies 2 x, which is infinite there, by an exponential that is 0.",
        (),
        (2,),
    ),
    Rule(
        "torch-erf-16-bit",
        "torch",
        ("erf",),
        "erf in 16-bit formats has no relative accuracy near 0",
        "The 16-bit CPU kernels use the approximation 7.1.26 of Abramowitz and Stegun, whose error of 1.5e-7 is "
        "absolute: erf(1.05e-7) is 0. float32 and float64 go through another library. The report below is of the "
        "same routine, met by torch.compile in float32.",
        ("pytorch/pytorch#198183",),
        (0, 1),
    ),
    Rule(
        "torch-conversion-twice",
        "torch",
        ("to_float16", "to_bfloat16", "to_float8_e4m3fn", "to_float8_e5m2"),
        "float64 is rounded twice on its way to 16 and 8 bits",
        "The conversion goes through float32. A number within half a float32 ulp of the middle between two numbers of "
        "the target becomes that middle, and then goes to the even one: 1 + 2^-8 + 2^-40 becomes 1 in bfloat16, where "
        "1.0078125 is nearest. The result is next to the right one and off by hardly more than half an ulp. From "
        "float32 every conversion rounds once.",
        (),
        (0,),
        ("conversion",),
    ),
)
