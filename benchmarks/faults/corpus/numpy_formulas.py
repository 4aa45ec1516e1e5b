"""NumPy: formulas as they are written down, in the arithmetic of the format; what is not the point is right."""

import closed_forms as forms
import ml_dtypes
import numpy as np
from closed_forms import on_numpy

import gradproof as gp

SILU = (on_numpy(forms.d_silu),)
SIGMOID = (on_numpy(forms.d_sigmoid),)
SOFTPLUS = (on_numpy(forms.sigmoid),)
TANH = (on_numpy(forms.d_tanh),)
ELU = (on_numpy(forms.d_elu),)
EXP = (on_numpy(forms.exp),)
right = {name: on_numpy(getattr(forms, name)) for name in ("silu", "sigmoid", "tanh", "softplus", "elu", "softsign")}


@gp.implements("silu", backend="numpy", derivative=SILU, formats=["float32"])
def silu_quotient(x):
    """x / (1 + e^-x): the exponential overflows before the result underflows."""
    with np.errstate(all="ignore"):
        return x / (1 + np.exp(-x))


@gp.implements("sigmoid", backend="numpy", derivative=SIGMOID, formats=["float32"])
def sigmoid_textbook(x):
    """1 / (1 + e^-x): 0 where subnormal numbers are due."""
    with np.errstate(all="ignore"):
        return 1 / (1 + np.exp(-x))


def s_one_minus_s(x):
    with np.errstate(all="ignore"):
        s = right["sigmoid"](x)
        return s * (1 - s)


@gp.implements("sigmoid", backend="numpy", derivative=(s_one_minus_s,), formats=["float32"])
def sigmoid_product_rule(x):
    """The derivative is s (1 - s) with the rounded s: 1 - s loses its digits, then everything."""
    return right["sigmoid"](x)


@gp.implements("tanh", backend="numpy", derivative=(lambda x: 1 - np.tanh(x) ** 2,), formats=["float16"])
def tanh_one_minus_square(x):
    """The derivative is 1 - y^2 with the rounded y, in float16."""
    return right["tanh"](x)


@gp.implements("softplus", backend="numpy", derivative=SOFTPLUS, formats=["float32"])
def softplus_textbook(x):
    """log(1 + e^x): inf from 88.8 on, and 0 on the left where 1 + e^x rounds to 1."""
    with np.errstate(all="ignore"):
        return np.log(1 + np.exp(x))


@gp.implements("elu", backend="numpy", derivative=ELU, formats=["float32"])
def elu_exp_minus_one(x):
    """e^x - 1 on the left: no digits are left near 0."""
    with np.errstate(all="ignore"):
        return np.where(x > 0, x, np.exp(x) - 1).astype(x.dtype)


@gp.implements("expm1", backend="numpy", derivative=EXP, formats=["float32"])
def expm1_by_exp(x):
    """e^x - 1 as two operations."""
    with np.errstate(all="ignore"):
        return np.exp(x) - 1


@gp.implements("log1p", backend="numpy", derivative=(lambda x: 1 / (1 + x),), formats=["float64"])
def log1p_by_log(x):
    """log(1 + x) as two operations: 0 where |x| < 2^-53."""
    with np.errstate(all="ignore"):
        return np.log(1 + x)


@gp.implements(
    "tanhshrink", backend="numpy", derivative=(on_numpy(lambda xp, x: xp.tanh(x) ** 2),), formats=["float32"]
)
def tanhshrink_difference(x):
    """x - tanh(x) near 0: the digits of x^3 / 3 are gone."""
    return x - np.tanh(x)


def square_overflows(x):
    with np.errstate(all="ignore"):
        return 1 / (1 + np.abs(x)) ** 2


@gp.implements("softsign", backend="numpy", derivative=(square_overflows,), formats=["float16"])
def softsign_square(x):
    """The derivative squares 1 + |x| in float16: beyond 255 that is inf, and the derivative 0."""
    return right["softsign"](x)


@gp.implements(
    "squareplus", backend="numpy", formats=["float32"], derivative=(on_numpy(lambda xp, x: squareplus_slope(xp, x)),)
)
def squareplus_textbook(x):
    """(x + sqrt(x^2 + 4)) / 2: cancels on the left, and x^2 overflows."""
    with np.errstate(all="ignore"):
        return (x + np.sqrt(x * x + np.float32(4))) / 2


def squareplus_slope(xp, x):
    """(1 + x / h) / 2, on the left 2 / (h (h - x)), with h = sqrt(x^2 + 4)."""
    x = xp.clip(x, -1e150, 1e150)
    h = xp.sqrt(x * x + 4)
    return xp.where(x > 0, (1 + x / h) / 2, 2 / (h * (h - x)))


@gp.implements(
    "logsigmoid", backend="numpy", derivative=(on_numpy(lambda xp, x: forms.sigmoid(xp, -x)),), formats=["float32"]
)
def logsigmoid_log_of_sigmoid(x):
    """log(1 / (1 + e^-x)): 0 on the right, -inf on the left."""
    with np.errstate(all="ignore"):
        return np.log(1 / (1 + np.exp(-x)))


@gp.implements(
    "logsigmoid", backend="numpy", derivative=(on_numpy(lambda xp, x: forms.sigmoid(xp, -x)),), formats=["float32"]
)
def logsigmoid_with_epsilon(x):
    """log(s + 1e-10), against log(0): no value below -23."""
    with np.errstate(all="ignore"):
        return np.log(right["sigmoid"](x) + np.float32(1e-10))


@gp.implements("abs", backend="numpy", derivative=(np.sign,), formats=["float32"])
def abs_root_of_square(x):
    """sqrt(x^2): the square underflows and overflows."""
    with np.errstate(all="ignore"):
        return np.sqrt(x * x)


@gp.implements("relu", backend="numpy", derivative=(lambda x: (x > 0).astype(x.dtype),), formats=["float32"])
def relu_masked(x):
    """x * (x > 0): -inf times 0 is NaN."""
    with np.errstate(all="ignore"):
        return x * (x > 0)


@gp.implements("relu", backend="numpy", formats=["float32"], derivative=(lambda x: (x > 0).astype(x.dtype),))
def relu_mean_of_x_and_abs(x):
    """(x + |x|) / 2: the sum overflows from half the greatest number on."""
    with np.errstate(all="ignore"):
        return (x + np.abs(x)) / 2


@gp.implements("tanh", backend="numpy", derivative=TANH, formats=["float32"])
def tanh_by_exponentials(x):
    """(e^x - e^-x) / (e^x + e^-x): inf / inf from 89 on, and cancellation near 0."""
    with np.errstate(all="ignore"):
        up, down = np.exp(x), np.exp(-x)
        return (up - down) / (up + down)


@gp.implements("tanh", backend="numpy", derivative=TANH, formats=["float32"])
def tanh_by_sigmoid(x):
    """2 s(2x) - 1 with the rounded s: cancels near 0."""
    with np.errstate(all="ignore"):
        return 2 * right["sigmoid"](2 * x) - 1


@gp.implements("mish", backend="numpy", derivative=(on_numpy(forms.d_mish),), formats=["float32"])
def mish_textbook(x):
    """x tanh(log(1 + e^x)): the logarithm is 0 on the left."""
    with np.errstate(all="ignore"):
        return x * np.tanh(np.log(1 + np.exp(x)))


@gp.implements("silu", backend="numpy", derivative=SILU, formats=["float32"])
def silu_in_float16(x):
    """Computed in float16 and stored in float32."""
    with np.errstate(all="ignore"):
        return forms.silu(np, x.astype(np.float16).astype(np.float64)).astype(np.float16).astype(x.dtype)


@gp.implements("sigmoid", backend="numpy", derivative=SIGMOID, formats=["float32"])
def sigmoid_in_bfloat16(x):
    """The result is stored in bfloat16 on its way."""
    return forms.sigmoid(np, x.astype(np.float64)).astype(ml_dtypes.bfloat16).astype(x.dtype)


@gp.implements("softplus", backend="numpy", derivative=SOFTPLUS, formats=["float64"])
def softplus_in_float32(x):
    """Computed in float32, as whoever forgot one dtype does."""
    with np.errstate(all="ignore"):
        return forms.softplus(np, x.astype(np.float32)).astype(x.dtype)


@gp.implements(
    "hardsigmoid",
    backend="numpy",
    formats=["float32"],
    derivative=(lambda x: np.where(np.abs(x) < 3, np.float32(1 / 6), np.float32(0)),),
)
def hardsigmoid_four_digits(x):
    """One sixth typed as 0.1667."""
    with np.errstate(all="ignore"):
        return np.clip(x * np.float32(0.1667) + np.float32(0.5), 0, 1).astype(x.dtype)


@gp.implements(
    "selu",
    backend="numpy",
    formats=["float64"],
    derivative=(lambda x: np.where(x > 0, 1.0507009873554805, 1.7580993408473766 * np.exp(np.minimum(x, 0))),),
)
def selu_constants_of_float32(x):
    """The two constants rounded to float32, in float64."""
    scale, alpha = float(np.float32(1.0507009873554805)), float(np.float32(1.6732632423543772))
    with np.errstate(all="ignore"):
        return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


@gp.implements(
    "quick_gelu", backend="numpy", formats=["float32"], derivative=(on_numpy(lambda xp, x: quick_gelu_slope(xp, x)),)
)
def quick_gelu_two_digits(x):
    """1.7 for 1.702."""
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        return (forms.silu(np, 1.7 * wide) / 1.7).astype(x.dtype)


def quick_gelu_slope(xp, x):
    """The derivative of x s(1.702 x)."""
    return forms.d_silu(xp, 1.702 * x)


@gp.implements("exp", backend="numpy", derivative=EXP, formats=["float32"])
def exp_flushed(x):
    """Subnormal results are 0."""
    y = on_numpy(forms.exp)(x)
    return np.where(y < np.finfo(np.float32).tiny, np.float32(0), y)


@gp.implements("exp", backend="numpy", derivative=EXP, formats=["float32"])
def exp_doubled_below_normal(x):
    """Subnormal results are twice what is due."""
    y = on_numpy(forms.exp)(x)
    with np.errstate(all="ignore"):
        return np.where(y < np.finfo(np.float32).tiny, 2 * y, y)


@gp.implements("sigmoid", backend="numpy", derivative=SIGMOID, formats=["float32"])
def sigmoid_clipped(x):
    """Held to [1e-7, 1 - 1e-7], against log(0) further on."""
    return np.clip(right["sigmoid"](x), np.float32(1e-7), np.float32(1 - 1e-7))


@gp.implements("sigmoid", backend="numpy", derivative=SIGMOID, formats=["float32"])
def sigmoid_of_clipped(x):
    """The argument is held to [-30, 30], against overflow."""
    return right["sigmoid"](np.clip(x, -30, 30).astype(x.dtype))


@gp.implements("to_bfloat16", backend="numpy", formats=["float32"])
def bfloat16_by_cutting(x):
    """The lower half of the bits is cut off instead of rounded."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    cut = ((bits >> 16) | np.where(np.isnan(x), 0x40, 0).astype(np.uint32)).astype(np.uint16)
    return cut.view(ml_dtypes.bfloat16).reshape(x.shape)


@gp.implements("to_float8_e4m3fn", backend="numpy", formats=["float32"])
def float8_by_way_of_float16(x):
    """Rounded to float16 first."""
    with np.errstate(all="ignore"):
        return x.astype(np.float16).astype(ml_dtypes.float8_e4m3fn)
