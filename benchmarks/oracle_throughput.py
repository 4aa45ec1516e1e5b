"""How many certified values a second, against a plain mpmath loop that computes the value alone.

    python benchmarks/oracle_throughput.py [--float32 N] [--float64 N] [--loop N] [--bulk N] [--threads T]

Function: GELU in its erf form; inputs are random bit patterns (finite ones). The oracle certifies f, f' and f'' at
each input. First table: inputs a second against the loop that evaluates x/2 erfc(-x/sqrt 2) at 85 bits, uncertified
(goal: 5 times as many inputs, each with all three orders). Second table: float32 in bulk, in blocks on T threads,
against loops over single inputs through arb: the certifying loop of the oracle itself (enclose, round both ends,
double the precision; goal: 100 times), the enclosures alone, and FLINT's power series alone. All figures come from
one process and one run, so that the ratios mean something on a shared machine; the threads of one Python process
share its lock, so two of them are worth less than two.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import mpmath
import numpy as np
from flint import arb_series

from gradproof.formats import FLOAT32, FLOAT64, Format
from gradproof.formats import arrays as fa
from gradproof.functions import get_function
from gradproof.oracle import Oracle, arb_route
from gradproof.oracle.certify import GUARD_BITS, certified_piece
from gradproof.oracle.reference import BY_ARB, BY_EXACT, BY_FILTER, UNDECIDED

ORDERS = 3
BLOCK = 1 << 18
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
    """Certified inputs a second, and which route decided how many inputs."""
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
    return (count - 64) / taken, f"{count - 64:,} inputs ({routes}; undecided {undecided})"


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


def bulk_rate(count: int, threads: int) -> float:
    """Inputs a second of the ladder in float32, in blocks that stay in the caches; the results are thrown away."""
    oracle = Oracle(get_function("gelu"))
    generator = np.random.default_rng(3)
    blocks = [
        generator.integers(0, 1 << 32, BLOCK, dtype=np.uint64).astype(np.uint32) for _ in range(-(-count // BLOCK))
    ]
    oracle.references(blocks[0], FLOAT32)
    with ThreadPoolExecutor(threads) as pool:
        taken = seconds(lambda: list(pool.map(lambda block: len(oracle.references(block, FLOAT32)), blocks)))
    return BLOCK * len(blocks) / taken


def arb_rates(count: int) -> dict[str, float]:
    """Inputs a second of three loops through arb, in float32."""
    function = get_function("gelu")
    xs = [FLOAT32.value(bits) for bits in random_bits(FLOAT32, count, seed=4).tolist()]
    bits = FLOAT32.precision + GUARD_BITS

    def certifying() -> None:
        for x in xs:
            certified_piece(function, 0, x, FLOAT32, ORDERS, rational=False)

    def enclosing() -> None:
        for x in xs:
            arb_route.enclosures(function, 0, x, bits)

    def bare() -> None:
        context = arb_route.CONTEXT
        for x in map(float, xs):
            function.pieces[0](context, arb_series([x, 1], prec=ORDERS))

    loops: dict[str, Callable[[], None]] = {
        "certified by arb, one by one": certifying,
        "enclosures of f to f''' alone": enclosing,
        "FLINT's series alone": bare,
    }
    with arb_route.working(bits, ORDERS):
        return {name: count / seconds(loop) for name, loop in loops.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--float32", type=int, default=1 << 20, help="inputs in float32")
    parser.add_argument("--float64", type=int, default=1 << 17, help="inputs in float64")
    parser.add_argument("--loop", type=int, default=1 << 13, help="inputs of the mpmath loop")
    parser.add_argument("--bulk", type=int, default=10_000_000, help="bit patterns of the bulk run")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    print("| format | certified inputs/s, orders 0-2 | mpmath values/s | ratio | inputs |")
    print("|---|---:|---:|---:|---|")
    for fmt, count in ((FLOAT32, arguments.float32), (FLOAT64, arguments.float64)):
        rate, inputs = certified_rate(fmt, count)
        plain = loop_rate(fmt, arguments.loop)
        print(f"| {fmt.name} | {rate:,.0f} | {plain:,.0f} | {rate / plain:.1f} | {inputs} |", flush=True)
    print()
    bulk = bulk_rate(arguments.bulk, arguments.threads)
    print(f"float32 in bulk, {arguments.bulk:,} patterns, {arguments.threads} threads: {bulk:,.0f} inputs/s")
    print("\n| loop | inputs/s | ratio |\n|---|---:|---:|")
    for name, rate in arb_rates(arguments.loop // 4).items():
        print(f"| {name} | {rate:,.0f} | {bulk / rate:.0f} |")


if __name__ == "__main__":
    main()
