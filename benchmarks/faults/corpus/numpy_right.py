"""NumPy: right implementations, each with another excuse to be suspected."""

import closed_forms as forms
import numpy as np
from closed_forms import on_numpy

import gradproof as gp

SLOPES = {
    name: (on_numpy(getattr(forms, f"d_{name}")),) for name in ("silu", "sigmoid", "tanh", "elu", "softsign", "mish")
}


def rounded_once(name, fmt):
    """Computed in float64 and rounded once."""
    gp.implements(name, backend="numpy", derivative=SLOPES[name], formats=[fmt], name=f"{name}_once_{fmt}")(
        on_numpy(getattr(forms, name))
    )


for each in ("silu", "sigmoid", "tanh", "elu", "softsign", "mish"):
    rounded_once(each, "float32")
    rounded_once(each, "float16")
    rounded_once(each, "bfloat16")


def nudged(y, x):
    """Y one ulp off wherever the bits of x say so."""
    odd = (np.ascontiguousarray(x).view(np.uint32) * np.uint32(2654435761) >> np.uint32(31)).reshape(x.shape)
    return np.where((odd == 1) & (y != 0) & np.isfinite(y), np.nextafter(y, np.float32(0)), y).astype(y.dtype)


@gp.implements("silu", backend="numpy", derivative=SLOPES["silu"], formats=["float32"])
def silu_last_bit(x):
    """Half of the results are one ulp off."""
    return nudged(on_numpy(forms.silu)(x), x)


@gp.implements("exp", backend="numpy", derivative=(lambda x: nudged(on_numpy(forms.exp)(x), x),), formats=["float32"])
def exp_derivative_last_bit(x):
    """Half of the derivatives are one ulp off."""
    return on_numpy(forms.exp)(x)


@gp.implements("exp", backend="numpy", derivative=(on_numpy(forms.exp),), formats=["float32"])
def exp_by_powers_of_two(x):
    """2^(x log2 e), the product in float64."""
    with np.errstate(all="ignore"):
        return np.exp2(x.astype(np.float64) * 1.4426950408889634).astype(x.dtype)


@gp.implements("sigmoid", backend="numpy", derivative=SLOPES["sigmoid"], formats=["float32"])
def sigmoid_by_branches(x):
    """1 / (1 + e^-x) on the right, e^x / (1 + e^x) on the left, in float32."""
    with np.errstate(all="ignore"):
        z = np.exp(-np.abs(x))
        return np.where(x >= 0, 1 / (1 + z), z / (1 + z)).astype(x.dtype)


@gp.implements("softplus", backend="numpy", derivative=(on_numpy(forms.sigmoid),), formats=["float32"])
def softplus_logaddexp(x):
    """logaddexp(0, x) in float32."""
    return np.logaddexp(np.float32(0), x)


@gp.implements("softplus", backend="numpy", derivative=(on_numpy(forms.sigmoid),), formats=["bfloat16"])
def softplus_threshold_unseen(x):
    """x itself above 20, which bfloat16 cannot tell from the value."""
    wide = x.astype(np.float32)
    with np.errstate(all="ignore"):
        return np.where(wide > 20, wide, np.logaddexp(np.float32(0), wide)).astype(x.dtype)


@gp.implements(
    "abs", backend="numpy", derivative=(lambda x: np.where(x >= 0, 1, -1).astype(x.dtype),), formats=["float32"]
)
def abs_slope_one_at_zero(x):
    """f'(0) = 1, within [-1, 1]."""
    return np.abs(x)


@gp.implements("relu", backend="numpy", derivative=(lambda x: (x >= 0).astype(x.dtype),), formats=["float32"])
def relu_slope_one_at_zero(x):
    """f'(0) = 1."""
    return np.maximum(x, np.float32(0))


@gp.implements("relu", backend="numpy", derivative=(lambda x: np.heaviside(x, np.float32(0.5)),), formats=["float64"])
def relu_slope_half_at_zero(x):
    """f'(0) = 1/2."""
    return np.maximum(x, 0.0)


@gp.implements(
    "relu6", backend="numpy", derivative=(lambda x: ((x > 0) & (x <= 6)).astype(x.dtype),), formats=["float16"]
)
def relu6_slope_one_at_six(x):
    """f'(6) = 1."""
    return np.clip(x, 0, 6).astype(x.dtype)


@gp.implements(
    "hardtanh", backend="numpy", derivative=(lambda x: (np.abs(x) <= 1).astype(x.dtype),), formats=["float32"]
)
def hardtanh_closed(x):
    """f'(1) = f'(-1) = 1."""
    return np.clip(x, -1, 1).astype(x.dtype)


@gp.implements("relu", backend="numpy", derivative=(lambda x: (x > 0).astype(x.dtype),), formats=["float32"])
def relu_keeps_minus_zero(x):
    """max(0, -0) is -0."""
    return np.where(x < 0, np.float32(0), x)


@gp.implements("tanh", backend="numpy", derivative=SLOPES["tanh"], formats=["float64"])
def tanh_of_numpy(x):
    """NumPy's own."""
    return np.tanh(x)


@gp.implements("expm1", backend="numpy", derivative=(np.exp,), formats=["float64"])
def expm1_of_numpy(x):
    """NumPy's own."""
    return np.expm1(x)


@gp.implements("log1p", backend="numpy", derivative=(lambda x: 1 / (1 + x),), formats=["float64"])
def log1p_of_numpy(x):
    """NumPy's own, with a derivative of two operations."""
    return np.log1p(x)


@gp.implements(
    "leaky_relu",
    backend="numpy",
    params={"negative_slope": 0.2},
    formats=["float32"],
    derivative=(lambda x: np.where(x > 0, 1, np.float32(0.2)).astype(x.dtype),),
)
def leaky_relu_rounded_slope(x):
    """The slope rounded to float32."""
    return np.where(x > 0, x, x * np.float32(0.2)).astype(x.dtype)


@gp.implements("to_bfloat16", backend="numpy", formats=["float32"])
def bfloat16_by_integers(x):
    """Rounded to nearest even with integer arithmetic."""
    import ml_dtypes

    bits = np.ascontiguousarray(x).view(np.uint32)
    even = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    result = np.where(np.isnan(x), bits >> np.uint32(16) | np.uint32(0x40), even).astype(np.uint16)
    return result.view(ml_dtypes.bfloat16).reshape(x.shape)
