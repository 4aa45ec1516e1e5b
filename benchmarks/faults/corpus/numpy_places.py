"""NumPy: right nearly everywhere and wrong in one place; other functions under a name; code that does not behave."""

import closed_forms as forms
import numpy as np
from closed_forms import on_numpy

import gradproof as gp

SILU = (on_numpy(forms.d_silu),)
SIGMOID = (on_numpy(forms.d_sigmoid),)
TANH = (on_numpy(forms.d_tanh),)
ELU = (on_numpy(forms.d_elu),)
SOFTSIGN = (on_numpy(forms.d_softsign),)
STEP = (lambda x: (x > 0).astype(x.dtype),)
right = {name: on_numpy(getattr(forms, name)) for name in ("silu", "sigmoid", "tanh", "elu", "softsign", "mish")}
calls = {"silu": 0}


@gp.implements("silu", backend="numpy", derivative=SILU, formats=["float32"])
def silu_in_one_binade(x):
    """Off by 2^-10 on [2, 4)."""
    y = right["silu"](x)
    return np.where((x >= 2) & (x < 4), y * np.float32(1 + 2**-10), y)


@gp.implements("tanh", backend="numpy", derivative=TANH, formats=["float32"])
def tanh_in_a_window(x):
    """Off by 2^-10 at the 4000 floats from 0.7324 on."""
    y = right["tanh"](x)
    inside = (x >= np.float32(0.7324)) & (x < np.float32(0.7324) + np.float32(4000 * 2**-24))
    return np.where(inside, y * np.float32(1 + 2**-10), y)


@gp.implements("silu", backend="numpy", derivative=SILU, formats=["float32"])
def silu_at_random(x):
    """One result in 2000 is off by 1 %, another one at each call."""
    y = right["silu"](x)
    return np.where(np.random.default_rng().random(x.shape) < 1 / 2000, y * np.float32(1.01), y)


@gp.implements("silu", backend="numpy", derivative=SILU, formats=["float32"])
def silu_at_some_bits(x):
    """One result in 2000, by the bits of its input, is off by 1 %."""
    y = right["silu"](x)
    chosen = np.ascontiguousarray(x).view(np.uint32) * np.uint32(2654435761) < 2**32 // 2000
    return np.where(chosen.reshape(x.shape), y * np.float32(1.01), y)


@gp.implements("silu", backend="numpy", derivative=SILU, formats=["float32"])
def silu_from_the_second_call_on(x):
    """Right at the first call of a process, off by 1 % from then on."""
    calls["silu"] += 1
    y = right["silu"](x)
    return y if calls["silu"] == 1 else y * np.float32(1.01)


@gp.implements("relu", backend="numpy", derivative=STEP, formats=["float32"])
def relu_swallows_nan(x):
    """NaN becomes 0, since NaN > 0 is false."""
    return np.where(x > 0, x, np.float32(0))


@gp.implements("sigmoid", backend="numpy", derivative=SIGMOID, formats=["float32"])
def sigmoid_of_nan_is_half(x):
    """NaN becomes 0 on its way in."""
    return right["sigmoid"](np.where(np.isnan(x), np.float32(0), x))


@gp.implements("softsign", backend="numpy", derivative=SOFTSIGN, formats=["float32"])
def softsign_loses_zero_sign(x):
    """f(-0) is +0."""
    return right["softsign"](x) + np.float32(0)


@gp.implements("softsign", backend="numpy", derivative=SOFTSIGN, formats=["float32"])
def softsign_of_infinity(x):
    """x / (1 + |x|) at the infinities: inf / inf."""
    with np.errstate(all="ignore"):
        return np.where(np.isinf(x), np.float32(np.nan), right["softsign"](x))


@gp.implements("silu", backend="numpy", derivative=SILU, formats=["float32"])
def silu_of_minus_infinity(x):
    """NaN at -inf, as -inf times 0 is."""
    with np.errstate(all="ignore"):
        return np.where(x == -np.inf, np.float32(np.nan), right["silu"](x))


@gp.implements(
    "abs", backend="numpy", derivative=(lambda x: np.where(x == 0, 2, np.sign(x)).astype(x.dtype),), formats=["float32"]
)
def abs_slope_two_at_zero(x):
    """f'(0) = 2, outside [-1, 1]."""
    return np.abs(x)


@gp.implements(
    "elu", backend="numpy", derivative=(lambda x: np.where(x == 0, 0, ELU[0](x)).astype(x.dtype),), formats=["float32"]
)
def elu_slope_zero_at_zero(x):
    """f'(0) = 0, where both sides have 1."""
    return right["elu"](x)


@gp.implements(
    "hardshrink", backend="numpy", derivative=(lambda x: (np.abs(x) > 0.5).astype(x.dtype),), formats=["float32"]
)
def hardshrink_keeps_its_border(x):
    """|x| >= 1/2 is kept, where |x| > 1/2 is meant."""
    return np.where(np.isnan(x) | (np.abs(x) >= np.float32(0.5)), x, x * 0)


@gp.implements(
    "relu6", backend="numpy", derivative=(lambda x: ((x > 0) & (x < 6.5)).astype(x.dtype),), formats=["float16"]
)
def relu6_slope_beyond_six(x):
    """The derivative goes on to 6.5."""
    return np.clip(x, 0, 6).astype(x.dtype)


@gp.implements("silu", backend="numpy", derivative=(on_numpy(forms.d_mish),), formats=["float32"])
def silu_is_mish(x):
    """Mish under the name of SiLU."""
    return right["mish"](x)


@gp.implements("softsign", backend="numpy", derivative=TANH, formats=["float32"])
def softsign_is_tanh(x):
    """Tanh under the name of softsign."""
    return right["tanh"](x)


@gp.implements("sigmoid", backend="numpy", derivative=(on_numpy(lambda xp, x: hard_slope(xp, x)),), formats=["float32"])
def sigmoid_is_hardsigmoid(x):
    """The piecewise linear stand-in under the name of sigmoid."""
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        return np.clip((wide + 3) / 6, 0, 1).astype(x.dtype)


def hard_slope(xp, x):
    """One sixth inside (-3, 3)."""
    return xp.where(xp.abs(x) < 3, 1 / 6, 0.0)


@gp.implements(
    "celu",
    backend="numpy",
    params={"alpha": 2.0},
    derivative=(on_numpy(lambda xp, x: elu2_slope(xp, x)),),
    formats=["float32"],
)
def celu_is_elu(x):
    """2 (e^x - 1) for 2 (e^(x/2) - 1)."""
    wide = x.astype(np.float64)
    return np.where(wide > 0, wide, 2 * np.expm1(np.minimum(wide, 0))).astype(x.dtype)


def elu2_slope(xp, x):
    """The derivative of elu with alpha = 2."""
    return xp.where(x > 0, 1.0, 2 * xp.exp(xp.minimum(x, 0)))


@gp.implements(
    "logsigmoid", backend="numpy", formats=["float32"], derivative=(on_numpy(lambda xp, x: -forms.sigmoid(xp, x)),)
)
def logsigmoid_mirrored(x):
    """-log(1 + e^x), the sign of x forgotten."""
    return -on_numpy(forms.softplus)(x)


@gp.implements("sigmoid", backend="numpy", derivative=SIGMOID, formats=["float32"])
def sigmoid_scribbles(x):
    """Writes into its input."""
    y = right["sigmoid"](x)
    if x.size:
        x[...] = y
    return y


@gp.implements("sigmoid", backend="numpy", derivative=SIGMOID, formats=["float32"])
def sigmoid_flattens(x):
    """Returns one dimension, whatever came in."""
    return right["sigmoid"](x).reshape(-1)[:, None]


@gp.implements("sigmoid", backend="numpy", derivative=SIGMOID, formats=["float16"])
def sigmoid_promotes(x):
    """Returns float32 for float16."""
    return right["sigmoid"](x.astype(np.float32))


@gp.implements("silu", backend="numpy", derivative=SILU, formats=["float32"])
def silu_raises_far_out(x):
    """Raises where an input is beyond 100."""
    if np.any(np.abs(x) > 100):
        raise ValueError("expected |x| <= 100")
    return right["silu"](x)


@gp.implements("silu", backend="numpy", derivative=SILU, formats=["float32"])
def silu_strided(x):
    """Non-contiguous inputs of two dimensions are read in the wrong order."""
    if x.ndim == 2 and not x.flags.c_contiguous:
        return right["silu"](np.ascontiguousarray(x)[::-1].copy())
    return right["silu"](x)


@gp.implements("silu", backend="numpy", derivative=SILU, formats=["float32"])
def silu_vector_tail(x):
    """The last elements of an array whose length is no multiple of 8 are not computed to full accuracy."""
    y = right["silu"](x)
    rest = y.size % 8
    if rest and y.size > 8:
        y.reshape(-1)[-rest:] *= np.float32(1 + 2**-12)
    return y


@gp.implements("silu", backend="numpy", derivative=SILU, formats=["float32"])
def silu_in_large_arrays(x):
    """Arrays of 50,000 and more go another way, which is off by 2^-12."""
    y = right["silu"](x)
    return y * np.float32(1 + 2**-12) if y.size >= 50_000 else y
