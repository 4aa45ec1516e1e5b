"""A made-up accelerator: bfloat16, no subnormal numbers, its own silu. Inputs come in one file, results go to another.

    gradproof vectors silu --format bfloat16 -o in.npy
    python accelerator.py in.npy out.npy
    gradproof judge silu in.npy out.npy --format bfloat16

`judge` sees from the results that subnormal numbers are flushed, says so, and holds nothing of that against silu. With
`--fault` a lookup table of the accelerator is wrong in one place, and with `--order 1` it is asked for the derivative.
"""

from __future__ import annotations

import argparse

import ml_dtypes
import numpy as np

LEAST = 2.0**-126


def flushed(values: np.ndarray) -> np.ndarray:
    """Subnormal numbers as zeros of their sign."""
    return np.where(np.abs(values) < LEAST, np.copysign(0.0, values), values)


def silu(x: np.ndarray, order: int) -> np.ndarray:
    """x sigmoid(x), or its derivative, in double precision; the sigmoid from the side on which nothing cancels."""
    s = np.where(x < 0, np.exp(np.minimum(x, 0)), 1.0) / (1 + np.exp(-np.abs(x)))
    beside = np.where(x < 0, 1.0, np.exp(-np.abs(x))) / (1 + np.exp(-np.abs(x)))
    finite = x * s if order == 0 else s + x * s * beside
    limits = {0: (-0.0, np.inf), 1: (0.0, 1.0)}[order]
    return np.select([x == -np.inf, x == np.inf], limits, finite)


def main() -> None:
    """Compute a file of results for a file of inputs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs")
    parser.add_argument("results")
    parser.add_argument("--order", type=int, default=0)
    parser.add_argument("--fault", action="store_true")
    options = parser.parse_args()
    with np.errstate(all="ignore"):
        x = np.load(options.inputs).view(ml_dtypes.bfloat16).astype(np.float64)
        y = silu(flushed(x), options.order)
        if options.fault:
            y = np.where((x >= 2) & (x < 2.5), y * 1.03, y)
        rounded = y.astype(np.float32).astype(ml_dtypes.bfloat16)
        result = flushed(rounded.astype(np.float64)).astype(ml_dtypes.bfloat16)
    np.save(options.results, result.view(np.uint16))


if __name__ == "__main__":
    main()
