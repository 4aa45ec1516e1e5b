"""A stochastic rounding to bfloat16 and a quantizer of MXFP4 blocks, as they are declared to gradproof.

gradproof check quantizers.py
"""

import ml_dtypes
import numpy as np

import gradproof as gp


@gp.rounds_stochastically("bfloat16", backend="numpy", formats="float32")
def round_stochastically(x, seed):
    """Sixteen random bits are added below the last that is kept; what they carry decides."""
    noise = np.random.default_rng(seed).integers(0, 1 << 16, x.size, dtype=np.uint32)
    kept = (x.view(np.uint32) + noise) & np.uint32(0xFFFF0000)
    return np.where(np.isfinite(x), kept.view(np.float32), x)


@gp.quantizes_blocks("float4_e2m1fn", backend="numpy", formats="float32")
def mxfp4(x):
    """What the blocks stand for: numbers of float4_e2m1fn times one power of two for each 32."""
    blocks = x.reshape(-1, 32)
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    broken = ~np.isfinite(largest)
    exponent = np.frexp(np.where(broken | (largest == 0), 1, largest))[1] - 1 - 2  # 2^2 is the greatest power in 6
    exponent = np.maximum(exponent, -127)
    numbers = np.clip(np.ldexp(blocks, -exponent), -6, 6).astype(ml_dtypes.float4_e2m1fn)
    decoded = np.ldexp(numbers.astype(np.float32), exponent)
    return np.where(broken, np.float32(np.nan), decoded).reshape(x.shape)
