"""How many certified values a second, against a plain mpmath loop that computes the value alone.

    python benchmarks/oracle_throughput.py [--float32 N] [--float64 N] [--loop N]

Function: GELU in its erf form. The oracle certifies f, f' and f'' at each input, so an input counts as three
values; the loop evaluates x/2 erfc(-x/sqrt 2) at 85 bits, uncertified. All figures come from one process and one
run, so that the ratios mean something on a shared machine. Inputs are random bit patterns (finite ones).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import mpmath
import numpy as np

from gradproof.formats import FLOAT32, FLOAT64, Format
from gradproof.formats import arrays as fa
from gradproof.functions import get_function
from gradproof.oracle import Oracle
from gradproof.oracle.reference import BY_ARB, BY_EXACT, BY_FILTER, UNDECIDED

ORDERS = 3
LOOP_BITS = 85
"""Working precision of the plain loop: float64's 53 bits and the 32 that the oracle starts with beyond them."""


def random_bits(fmt: Format, count: int, seed: int) -> fa.Bits:
    """``count`` random finite bit patterns."""
    bits = np.random.default_rng(seed).integers(0, 1 << fmt.width, 2 * count, dtype=np.uint64)
    bits = bits.astype(fa.storage(fmt))
    return bits[fa.is_finite(bits, fmt)][:count]


def seconds(action: Callable[[], object]) -> float:
    """Time of one call."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def certified_rate(fmt: Format, count: int) -> tuple[float, str]:
    """Certified values a second, and which route decided how many inputs."""
    oracle, bits = Oracle(get_function("gelu")), random_bits(fmt, count, seed=1)
    oracle.references(bits[:64], fmt)
    answers = []
    taken = seconds(lambda: answers.extend(oracle.references(bits[64:], fmt)))
    how = answers[-1].how
    routes = ", ".join(
        f"{name} {np.count_nonzero(how == code):,}"
        for name, code in (("filter", BY_FILTER), ("arb", BY_ARB), ("exact", BY_EXACT))
    )
    undecided = sum(int((a.kind == UNDECIDED).sum()) for a in answers)
    return ORDERS * (count - 64) / taken, f"{count - 64:,} inputs ({routes}; undecided {undecided})"


def loop_rate(fmt: Format, count: int) -> float:
    """Values a second of the plain loop."""
    mp = mpmath.mp.clone()
    mp.prec = LOOP_BITS
    points = [mp.mpf(x) for x in fa.values(random_bits(fmt, count, seed=2), fmt).tolist()]
    # Where erfc's argument passes 2^20, mpmath gives up with an error: the loop is asked for less there.
    points = [max(min(x, mp.mpf(2**20)), -mp.mpf(2**20)) for x in points]

    def loop() -> None:
        root = mp.sqrt(2)
        for x in points:
            x / 2 * mp.erfc(-x / root)

    return count / seconds(loop)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--float32", type=int, default=1 << 20, help="inputs in float32")
    parser.add_argument("--float64", type=int, default=1 << 13, help="inputs in float64")
    parser.add_argument("--loop", type=int, default=1 << 13, help="inputs of the mpmath loop")
    arguments = parser.parse_args()
    print("| format | certified values/s | mpmath values/s | ratio | inputs |")
    print("|---|---:|---:|---:|---|")
    for fmt, count in ((FLOAT32, arguments.float32), (FLOAT64, arguments.float64)):
        rate, inputs = certified_rate(fmt, count)
        plain = loop_rate(fmt, arguments.loop)
        print(f"| {fmt.name} | {rate:,.0f} | {plain:,.0f} | {rate / plain:.2f} | {inputs} |", flush=True)


if __name__ == "__main__":
    main()
