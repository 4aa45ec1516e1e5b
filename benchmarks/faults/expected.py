"""What is wrong with each file of the corpus: the kind, the order, the inputs and the mechanism, from mathematics.

Intervals follow from the formulas: where e^-x overflows, where 1 - s rounds to 0, where the true value is still several
quanta away from what comes out. About ten were put right after gradproof had contradicted them, each by doing the
arithmetic again. ``on`` are intervals on which
nearly every input fails; the first finding must cover at least one of them. ``within`` are the intervals outside of
which none does: a finding that reaches beyond names the wrong inputs. Between the two rounding decides.

``explained`` names the mechanisms that account for it (``MECHANISMS``); empty where no formula does, so that any
explanation is a wrong one; ``unexplained_too``: a mechanism fits, and saying nothing is no mistake.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from mpmath import mp

Spans = tuple[tuple[float, float], ...]

INF: Final = math.inf
LARGEST: Final = 3.4028e38
"""A little less than the greatest float32."""
EXP_OVERFLOWS: Final = float(mp.log(mp.mpf(2) ** 128))
"""e^x is inf in float32 and bfloat16 from here on, 88.72."""
ONE_PLUS: Final = float(25 * mp.log(2))
"""1 + e^-x rounds to 1 in float32 from here on, 17.33."""
VANISHES: Final = float(146 * mp.log(2))
"""e^-x is at least 8 quanta of float32 up to here, 101.2."""
SUBNORMAL: Final = float(126 * mp.log(2))
"""e^-x is subnormal in float32 from here on, 87.34."""
EVERYWHERE: Final = ((-INF, INF),)


@dataclass(frozen=True)
class Case:
    """What the first finding of one implementation should say."""

    kinds: tuple[str, ...]
    order: int = 0
    on: Spans = ()
    within: Spans = EVERYWHERE
    explained: tuple[str, ...] = ()
    unexplained_too: bool = False


def case(
    kinds: str, order: int = 0, on: Spans = (), within: Spans = EVERYWHERE, by: str = "", *, open_: bool = False
) -> Case:
    """Shorthand: kinds and mechanisms separated by blanks."""
    return Case(tuple(kinds.split()), order, on, within, tuple(by.split()), open_)


def both(low: float, high: float) -> Spans:
    """An interval and its mirror image."""
    return ((-high, -low), (low, high))


PATH: Final = case("path")
BEHAVIOUR: Final = case("behaviour")
BULK_OR_PATH: Final = case("bulk path")
"""Wrong in some calls, and in those by which single results are judged as well: either is right."""
AT_ZERO: Final = case("kink", 1, ((0, 0),), ((0, 0),))
QUOTIENT: Final = case("tail", 0, ((-VANISHES, -EXP_OVERFLOWS - 0.01),), ((-INF, -40),), "silu/quotient")
SOFTPLUS: Final = case(
    "bulk tail", 0, ((-85, -ONE_PLUS), (EXP_OVERFLOWS + 0.1, LARGEST)), ((-INF, -2), (88.7, INF)), "softplus/textbook"
)
NEAR_ZERO: Final = both(2.0**-60, 2.0**-27)

NUMPY_FORMULAS: Final = {
    "silu_quotient": QUOTIENT,
    "sigmoid_textbook": case("tail", 0, ((-VANISHES, -EXP_OVERFLOWS - 0.01),), ((-INF, -88.7),), "sigmoid/textbook"),
    "sigmoid_product_rule": case("bulk", 1, ((ONE_PLUS, 85),), ((2.5, INF),), "sigmoid/s(1-s)"),
    "tanh_one_minus_square": case("bulk", 1, both(4.6, 7.5), ((-INF, -1.5), (1.5, INF)), "tanh/1-y2"),
    "softplus_textbook": SOFTPLUS,
    "elu_exp_minus_one": case("bulk root", 0, NEAR_ZERO[:1], ((-0.25, 0),), "elu/exp-1"),
    "expm1_by_exp": case("bulk root", 0, NEAR_ZERO, ((-0.25, 0.3),), "expm1/exp-1"),
    "log1p_by_log": case("bulk root", 0, both(2.0**-1000, 2.0**-54), ((-0.3, 0.3),), "log1p/log"),
    "tanhshrink_difference": case("bulk root", 0, both(2.0**-48, 2.0**-13), ((-0.9, 0.9),), "tanhshrink/difference"),
    "softsign_square": case("tail", 1, both(256, 1800), ((-INF, -200), (200, INF)), "softsign/square"),
    "squareplus_textbook": case(
        "bulk", 0, ((-1e19, -1e4), (1.9e19, LARGEST)), ((-INF, -1), (1.8e19, INF)), "squareplus/textbook"
    ),
    "logsigmoid_log_of_sigmoid": case(
        "bulk tail", 0, ((ONE_PLUS, VANISHES), (-LARGEST, -89)), ((-INF, -80), (2, INF)), "logsigmoid/log-sigmoid"
    ),
    # Where s + 1e-10 is 1 it is the formula without the epsilon that loses everything.
    "logsigmoid_with_epsilon": case(
        "bulk", 0, ((-LARGEST, -13), (ONE_PLUS, VANISHES)), ((-INF, -9), (2, INF)), "logsigmoid/log-sigmoid", open_=True
    ),
    "abs_root_of_square": case(
        "tail",
        0,
        (*both(2.0**-145, 2.0**-76), *both(1.9e19, LARGEST)),
        ((-INF, -1.8e19), (-(2.0**-58), 2.0**-58), (1.8e19, INF)),
        "abs/root-of-square",
    ),
    "relu_masked": case("special", 0, ((-INF, -INF),), ((-INF, -INF),), "relu/mask", open_=True),
    "relu_mean_of_x_and_abs": case(
        "special", 0, ((2.0**127, LARGEST),), ((-INF, -LARGEST), (1.7e38, INF)), "relu/mean", open_=True
    ),
    "tanh_by_exponentials": case(
        "bulk", 0, (*NEAR_ZERO, *both(89, LARGEST)), ((-INF, -88), (-1, 1), (88, INF)), "tanh/exponentials"
    ),
    "tanh_by_sigmoid": case("bulk", 0, NEAR_ZERO, ((-1, 1),), "tanh/sigmoid"),
    "mish_textbook": case("bulk", 0, ((-VANISHES, -ONE_PLUS),), ((-INF, -1),), "mish/textbook"),
    "silu_in_float16": case("bulk", 0, ((0.1, 60000),), by="in/float16"),
    "sigmoid_in_bfloat16": case("bulk", 0, ((-80, -1e-5),), by="in/bfloat16"),
    "softplus_in_float32": case("bulk", 0, ((-80, 1e38),), by="in/float32"),
    "hardsigmoid_four_digits": case("bulk", 0, both(0.02, 2.9), ((-3, 3),)),
    "selu_constants_of_float32": case("bulk", 0, both(1e-300, 1e300), by="selu/float32-constants"),
    "quick_gelu_two_digits": case("bulk", 0, ((-80, -0.1), (0.1, 4)), ((-INF, 16),)),
    "exp_flushed": case("tail", 0, ((-VANISHES, -SUBNORMAL - 0.01),), ((-INF, -87.33),), "flushed"),
    "exp_doubled_below_normal": case("tail", 0, ((-VANISHES, -SUBNORMAL - 0.01),), ((-INF, -87.33),)),
    "sigmoid_clipped": case("tail", 0, ((-LARGEST, -16.2),), ((-INF, -16), (15, INF))),
    "sigmoid_of_clipped": case("tail", 0, ((-LARGEST, -30.5),), ((-INF, -30),)),
    "bfloat16_by_cutting": case("bulk", 0, both(2.0**-8, 32)),
    "float8_by_way_of_float16": case("bulk", 0, (), ((-480, 480),), "through/float16"),
}

NUMPY_PLACES: Final = {
    "silu_in_one_binade": case("bulk", 0, ((2, 3.9999),), ((2, 4),)),
    "tanh_in_a_window": case("bulk", 0, ((0.73241, 0.73263),), ((0.7323, 0.7327),)),
    "silu_at_random": BULK_OR_PATH,
    "silu_at_some_bits": case("bulk"),
    "silu_from_the_second_call_on": BULK_OR_PATH,
    "relu_swallows_nan": case("special", by="relu/nan", open_=True),
    "sigmoid_of_nan_is_half": case("special"),
    "softsign_loses_zero_sign": case("special", 0, ((0, 0),), ((0, 0),)),
    "softsign_of_infinity": case(
        "special", 0, ((INF, INF),), ((-INF, -LARGEST), (LARGEST, INF)), "softsign/quotient", open_=True
    ),
    "silu_of_minus_infinity": case("special", 0, ((-INF, -INF),), ((-INF, -INF),), "silu/product", open_=True),
    "abs_slope_two_at_zero": AT_ZERO,
    "elu_slope_zero_at_zero": case("kink special", 1, ((0, 0),), ((0, 0),)),
    "hardshrink_keeps_its_border": case("kink", 0, ((0.5, 0.5),), both(0.4999, 0.5001)),
    "relu6_slope_beyond_six": case("bulk", 1, ((6.01, 6.49),), ((6, 6.5),)),
    "silu_is_mish": case("bulk", 0, ((-10, -0.1),), by="mish"),
    "softsign_is_tanh": case("bulk", 0, both(0.1, 100), by="tanh"),
    "sigmoid_is_hardsigmoid": case("bulk", 0, both(0.5, 3), by="hardsigmoid"),
    "celu_is_elu": case("bulk", 0, ((-25, -0.1),), ((-INF, 0),), "elu"),
    "logsigmoid_mirrored": case("bulk", 0, both(0.1, 1e38)),
    "sigmoid_scribbles": BEHAVIOUR,
    "sigmoid_flattens": BEHAVIOUR,
    "sigmoid_promotes": BEHAVIOUR,
    "silu_raises_far_out": BEHAVIOUR,
    "silu_strided": PATH,
    "silu_vector_tail": BULK_OR_PATH,
    "silu_in_large_arrays": BULK_OR_PATH,
}

TORCH_FORMULAS: Final = {
    "silu_quotient": Case(("tail",), 0, ((-90, -89),), ((-INF, -40),), ("silu/quotient",)),
    "gelu_one_plus_erf": case("bulk tail", 0, ((-13, -5.6),), ((-INF, -1.5),), "gelu/1+erf"),
    "gelu_tanh_one_plus_tanh": case("bulk tail", 0, ((-9.9, -5.6),), ((-INF, -1.5), (1e12, INF)), "gelu_tanh/1+tanh"),
    "erfc_one_minus_erf": case("bulk tail", 0, ((4, 9),), ((1, INF),), "erfc/1-erf"),
    "softplus_textbook": SOFTPLUS,
    "softplus_with_threshold": case("bulk", 0, ((20.001, 31),), ((15, 40),), "softplus_threshold"),
    # f' by the quotient rule cancels from some 4 on, f is inf / inf further out.
    "sigmoid_by_quotient": case("bulk", 1, ((ONE_PLUS + 1, 85),), ((1, INF),), "sigmoid/quotient", open_=True),
    # Two faults: 0 times inf on the right, and e^x as (e^x - 1) + 1 on the left.
    "elu_of_all_inputs": case(
        "bulk tail",
        1,
        ((-85, -ONE_PLUS), (EXP_OVERFLOWS + 0.1, LARGEST)),
        ((-INF, -2), (88.7, INF)),
        "elu/y+1 elu/where",
    ),
    "abs_root_with_epsilon": case(
        "tail root", 0, (*both(1e-37, 1e-7), *both(1.9e19, LARGEST)), ((-INF, -1.8e19), (-2e-3, 2e-3), (1.8e19, INF))
    ),
    "tanh_by_exponential": case("bulk", 0, NEAR_ZERO, ((-2, 2), (300, INF)), "tanh/exponential", open_=True),
    "gelu_is_gelu_tanh": case("bulk", 0, both(0.5, 2), by="gelu_tanh"),
    "gelu_is_quick_gelu": case("bulk", 0, both(0.5, 1.5), by="quick_gelu"),
    "elu_is_selu": case("bulk", 0, ((0.01, 1e38),), by="selu"),
    "hardswish_is_silu": case("bulk", 0, both(0.01, 2), by="silu"),
    "leaky_relu_default_slope": case("bulk", 0, ((-1e38, -1e-30),), ((-INF, 0),), "leaky_relu", open_=True),
    "mish_is_silu": case("bulk", 0, ((-3, -0.1),), by="silu"),
    "tanh_in_default_dtype": case("bulk", 0, both(1e-30, 5), by="in/float32"),
    "gelu_in_bfloat16": case("bulk", 0, ((0.1, 1e38),), by="in/bfloat16"),
    "silu_detached": case("bulk", 1, both(0.1, 3), by="softplus", open_=True),
    "silu_cut_off": case("bulk", 1, ((-0.9, 1e38),)),
    "silu_with_dropout": BULK_OR_PATH,
    "leaky_relu_by_two_parts": AT_ZERO,
}

TORCH_CUSTOM: Final = {
    "silu_one_percent": case("bulk", 1, ((-80, -2), (-1, 1e30))),
    "gelu_five_percent": case("bulk", 1, ((-0.5, 1e30),)),
    "tanh_one_percent": case("bulk", 1, ((-300, 300),)),
    "silu_sigmoid_for_derivative": case("bulk", 1, both(0.1, 3), by="softplus", open_=True),
    "gelu_sign": case("bulk", 1, ((-0.5, 1e30),)),
    "sigmoid_half": case("bulk", 1, ((-80, 80),)),
    "elu_slope_one": case("bulk", 1, ((-80, -0.01),), ((-INF, 0),)),
    "silu_without_density": case("bulk", 1, ((-10, 0.9),), ((-INF, 20),)),
    "gelu_derivative_of_gelu_tanh": case("bulk", 1, both(0.5, 2), by="gelu_tanh"),
    "silu_zero_at_root": case("root", 1, ((-1.2794, -1.2775),), ((-1.2796, -1.2773),)),
    "gelu_derivative_cut_at_ten": case("tail", 1, ((-12.8, -6.01),), ((-INF, -6),)),
    "sigmoid_derivative_in_one_binade": case("bulk", 1, ((-0.999, -0.501),), ((-1, -0.5),)),
    "relu_slope_two_at_zero": AT_ZERO,
    "relu_slope_nan_at_zero": AT_ZERO,
    "hardtanh_slope_outside": case("bulk", 1, ((1.01, 1.99),), ((1, 2),)),
    "silu_without_grad": BULK_OR_PATH,
    "silu_negative_cotangent": PATH,
    "silu_huge_cotangent": PATH,
    "silu_unequal_cotangents": PATH,
    "silu_forward_mode": PATH,
    "silu_under_vmap": PATH,
    "silu_not_contiguous": PATH,
    "silu_zero_dimensional": PATH,
    "silu_gradient_in_large_arrays": BULK_OR_PATH,
    "silu_accumulates": BULK_OR_PATH,
    "silu_refuses_bfloat16": BEHAVIOUR,
    "silu_backward_raises": BEHAVIOUR,
}

TORCH_SECOND: Final = {
    "tanh_half": case("bulk", 2, both(0.01, 40)),
    "silu_one_percent": case("bulk", 2, both(0.01, 2)),
    "sigmoid_detached": case("bulk", 2, both(0.01, 80)),
    "gelu_sign": case("bulk", 2, ((-1.2, 1.2),)),
    "sigmoid_by_difference": case(
        "bulk root", 2, both(2.0**-50, 2.0**-20), ((-0.5, 0.5),), "sigmoid/(1-2s)", open_=True
    ),
    "elu_second_on_both_sides": case("bulk", 2, ((0.01, 80),), ((0, INF),), "exp", open_=True),
}

JAX_FORMULAS: Final = {
    "silu_quotient": case("tail", 0, ((-90, -89),), ((-INF, -40),), "silu/quotient"),
    "softplus_textbook": SOFTPLUS,
    "elu_of_all_inputs": TORCH_FORMULAS["elu_of_all_inputs"],
    "gelu_by_default": TORCH_FORMULAS["gelu_is_gelu_tanh"],
    "abs_root_of_square": case(
        "tail",
        0,
        (*both(2.0**-120, 2.0**-76), *both(1.9e19, LARGEST)),
        ((-INF, -1.8e19), (-(2.0**-58), 2.0**-58), (1.8e19, INF)),
        "abs/root-of-square",
    ),
    "tanh_by_exponentials": case("bulk", 0, NEAR_ZERO, ((-INF, -88), (-1, 1), (88, INF)), "tanh/exponentials"),
    "silu_stopped": case("bulk", 1, both(0.1, 3), by="softplus", open_=True),
    "hardsigmoid_of_keras": case("bulk", 0, both(0.01, 2.9), ((-3, 3),)),
    "leaky_relu_is_relu": case("bulk", 0, ((-1e38, -1e-30),), ((-INF, 0),), "relu", open_=True),
    "sigmoid_in_bfloat16": case("bulk", 0, ((-80, -1e-5),), by="in/bfloat16"),
    "silu_differs_when_traced": BULK_OR_PATH,
    "silu_five_percent": case("bulk", 1, ((-80, -2), (-1, 1e30))),
    "tanh_one_percent": case("bulk", 1, ((-40, 40),)),
    "tanh_without_square": case("bulk", 1, ((-80, -0.1), (0.1, 5))),
    "silu_negative_cotangent": PATH,
    "relu_slope_two_at_zero": AT_ZERO,
    "relu_raises_under_jit": case("behaviour path"),
}

FAULTS: Final = {
    "numpy_formulas": NUMPY_FORMULAS,
    "numpy_places": NUMPY_PLACES,
    "torch_formulas": TORCH_FORMULAS,
    "torch_custom": TORCH_CUSTOM,
    "torch_second": TORCH_SECOND,
    "jax_formulas": JAX_FORMULAS,
}
"""File of the corpus -> callable -> what its first finding should say."""

RIGHT: Final = ("numpy_right", "torch_right", "jax_right")
"""Files in which nothing is wrong."""

ORDERS: Final = {"torch_second": (0, 1, 2)}
"""Orders that are checked; 0 and 1 for all others."""
