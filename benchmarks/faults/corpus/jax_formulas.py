"""JAX: formulas as they are written down, differentiated by AD; other functions under a name; custom derivatives."""

import jax
import jax.numpy as jnp

import gradproof as gp


def custom(f, slope):
    """F with ``slope`` for its derivative."""
    g = jax.custom_jvp(f)
    g.defjvp(lambda primals, tangents: (f(*primals), slope(*primals) * tangents[0]))
    return g


def silu(x):
    """SiLU, in float32 where that is wider; on the left by halves, since XLA flushes e^x."""
    wide = x.astype(jnp.float32)
    left = jnp.clip(wide, -300, 0)
    half = jnp.exp(left / 2)
    y = jnp.where(wide < 0, left * half / (1 + half * half) * half, wide / (1 + jnp.exp(-jnp.maximum(wide, 0))))
    return y.astype(x.dtype)


def silu_slope(x):
    """f' of SiLU likewise."""
    wide = jnp.clip(x.astype(jnp.float32), -300, 300)
    half = jnp.exp(-jnp.abs(wide) / 2)
    s = jnp.where(wide < 0, half / (1 + half * half) * half, 1 / (1 + half * half))
    return (s + wide * half / (1 + half * half) / (1 + half * half) * half).astype(x.dtype)


right_silu = custom(silu, silu_slope)


@gp.implements("silu", backend="jax:cpu", formats=["float32"])
def silu_quotient(x):
    """x / (1 + e^-x), whose derivative divides twice."""
    return x / (1 + jnp.exp(-x))


@gp.implements("softplus", backend="jax:cpu", formats=["float32"])
def softplus_textbook(x):
    """log(1 + e^x): inf, and inf / inf in the derivative."""
    return jnp.log(1 + jnp.exp(x))


@gp.implements("elu", backend="jax:cpu", formats=["float32"])
def elu_of_all_inputs(x):
    """where(x > 0, x, expm1(x)): the branch not taken overflows, and 0 times inf is NaN in the derivative."""
    return jnp.where(x > 0, x, jnp.expm1(x))


@gp.implements("gelu", backend="jax:cpu", formats=["float32"])
def gelu_by_default(x):
    """jax.nn.gelu approximates unless it is told not to."""
    return jax.nn.gelu(x)


@gp.implements("abs", backend="jax:cpu", formats=["float32"])
def abs_root_of_square(x):
    """sqrt(x^2), whose derivative at 0 is NaN."""
    return jnp.sqrt(x * x)


@gp.implements("tanh", backend="jax:cpu", formats=["float32"])
def tanh_by_exponentials(x):
    """(e^x - e^-x) / (e^x + e^-x)."""
    up, down = jnp.exp(x), jnp.exp(-x)
    return (up - down) / (up + down)


@gp.implements("silu", backend="jax:cpu", formats=["bfloat16"])
def silu_stopped(x):
    """f' = s, as of a stopped sigmoid: x s' is missing."""
    return custom(silu, lambda x: jax.nn.sigmoid(x.astype(jnp.float32)).astype(x.dtype))(x)


@gp.implements("hardsigmoid", backend="jax:cpu", formats=["float32"])
def hardsigmoid_of_keras(x):
    """clip(x / 5 + 1 / 2): the slope of another library."""
    return jnp.clip(0.2 * x + 0.5, 0, 1)


@gp.implements("leaky_relu", backend="jax:cpu", formats=["float32"])
def leaky_relu_is_relu(x):
    """ReLU under the name of leaky ReLU."""
    return jax.nn.relu(x)


@gp.implements("sigmoid", backend="jax:cpu", formats=["float32"])
def sigmoid_in_bfloat16(x):
    """Computed in bfloat16."""
    return jax.nn.sigmoid(x.astype(jnp.bfloat16)).astype(x.dtype)


@gp.implements("silu", backend="jax:cpu", formats=["bfloat16"])
def silu_differs_when_traced(x):
    """Off by 5 % where it is traced."""
    return right_silu(x) * 1.05 if isinstance(x, jax.core.Tracer) else right_silu(x)


@gp.implements("silu", backend="jax:cpu", formats=["bfloat16"])
def silu_five_percent(x):
    """The derivative is 5 % too large everywhere."""
    return custom(silu, lambda x: (1.05 * silu_slope(x.astype(jnp.float32))).astype(x.dtype))(x)


@gp.implements("tanh", backend="jax:cpu", formats=["float32"])
def tanh_one_percent(x):
    """The derivative is 1 % too small everywhere."""
    return custom(jnp.tanh, lambda x: 0.99 / jnp.cosh(x) ** 2)(x)


@gp.implements("tanh", backend="jax:cpu", formats=["float32"])
def tanh_without_square(x):
    """The derivative is 1 - y."""
    return custom(jnp.tanh, lambda x: 1 - jnp.tanh(x))(x)


@jax.custom_vjp
def scaled_silu(x):
    """SiLU."""
    return silu(x)


def _forward(x):
    return silu(x), x


def _backward(x, g):
    return (jnp.abs(g) * silu_slope(x),)


scaled_silu.defvjp(_forward, _backward)


@gp.implements("silu", backend="jax:cpu", formats=["bfloat16"])
def silu_negative_cotangent(x):
    """The backward pass takes the cotangent's absolute value."""
    return scaled_silu(x)


@gp.implements("relu", backend="jax:cpu", formats=["float32"])
def relu_slope_two_at_zero(x):
    """f'(0) = 2."""
    return custom(jax.nn.relu, lambda x: jnp.where(x == 0, 2.0, x > 0).astype(x.dtype))(x)


@gp.implements("relu", backend="jax:cpu", formats=["float32"])
def relu_raises_under_jit(x):
    """Asks for a truth value, which a traced array does not have."""
    return x if x.ndim == 0 and x > 0 else jnp.maximum(x, 0)
