"""JAX: right implementations, each with another excuse to be suspected."""

import jax
import jax.numpy as jnp

import gradproof as gp


@gp.implements("relu", backend="jax:cpu", formats=["float32"])
def relu_by_maximum(x):
    """f'(0) = 1/2."""
    return jnp.maximum(x, 0)


@gp.implements("relu", backend="jax:cpu", formats=["bfloat16"])
def relu_of_jax(x):
    """JAX's own."""
    return jax.nn.relu(x)


@gp.implements("abs", backend="jax:cpu", formats=["bfloat16"])
def abs_by_where(x):
    """x >= 0 ? x : -x, f'(0) = 1."""
    return jnp.where(x >= 0, x, -x)


@gp.implements("leaky_relu", backend="jax:cpu", formats=["float32"])
def leaky_relu_by_where(x):
    """Two branches."""
    return jnp.where(x > 0, x, 0.01 * x)


@gp.implements("relu6", backend="jax:cpu", formats=["bfloat16"])
def relu6_of_jax(x):
    """JAX's own."""
    return jax.nn.relu6(x)


@gp.implements("hardtanh", backend="jax:cpu", formats=["float32"])
def hardtanh_of_jax(x):
    """JAX's own."""
    return jax.nn.hard_tanh(x)
