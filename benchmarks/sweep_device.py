"""How long all 2^32 float32 inputs take on a CUDA device, and what share of its memory's bandwidth that is.

    python benchmarks/sweep_device.py [--function NAME ...] [--backend ID ...] [--order N ...] [--patterns LOG2]

Every shard of silu, tanh, softplus and gelu (orders 0 and 1) on torch:cuda and jax:cuda, in this process, nothing
written: what a worker does, without the queue and the run folder. The clock starts after one shard, when kernels are
compiled and libraries are loaded. Per row: seconds for all patterns, nanoseconds per pattern, inputs that the oracle
decided, and two shares of the bandwidth that copies of a large array reach on the device in the same run. ``call``: the
implementation alone, made to read 4 bytes and write 4 bytes of each input, with the bit patterns made on the device.
``sweep``: 8 bytes for each input against the whole time; 100 % would be a sweep that costs no more than reading the
inputs and writing the results. ``--patterns 28`` takes every 16th shard of 2^24 and multiplies: seconds instead of
minutes. Where there is no CUDA device it says so and ends.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from typing import Any

from gradproof.backends import get_backend
from gradproof.backends.base import Backend, Call
from gradproof.errors import BackendUnavailable
from gradproof.formats import FLOAT32
from gradproof.sweep.judging.subject import subject
from gradproof.sweep.judging.work import work
from gradproof.sweep.plan import SHARD_BITS, Shard, Target, params, shards, whole

FUNCTIONS = ("silu", "tanh", "softplus", "gelu")
BACKENDS = ("torch:cuda", "jax:cuda")
COPIES = 20
LARGE = 1 << 28
"""Float32 elements of the array that is copied: 1 GiB, far beyond any cache."""


def found(backends: list[str]) -> dict[str, Backend]:
    """Those backends whose device is here; the others are named with their reason."""
    here = {}
    for name in backends:
        try:
            here[name] = get_backend(name)
        except BackendUnavailable as absent:
            print(f"{name}: not run ({absent})")
    return here


def seconds_of(action: Callable[[], Any], settle: Callable[[], Any], times: int = 1) -> float:
    """Seconds of one of so many calls; ``settle`` waits for the device."""
    action()
    settle()
    began = time.perf_counter()
    for _ in range(times):
        action()
    settle()
    return (time.perf_counter() - began) / times


def bandwidth(backend: Backend) -> float:
    """Bytes per second that copies on the device read and write."""
    if backend.name == "torch":
        import torch

        one = torch.ones(LARGE, device="cuda")
        other = torch.empty_like(one)
        taken = seconds_of(lambda: other.copy_(one), torch.cuda.synchronize, COPIES)
    else:
        import jax

        array = jax.device_put(jax.numpy.ones(LARGE, jax.numpy.float32), jax.devices("gpu")[0])
        copy = jax.jit(lambda x: -x)
        taken = seconds_of(lambda: copy(array).block_until_ready(), lambda: None, COPIES)
    return 2 * 4 * LARGE / taken


def target(backend: Backend, function: str, order: int) -> Target:
    """The framework's own implementation, eager."""
    offered = next(i for i in backend.catalogue() if i.function == function)
    return Target(function, params(offered.params), offered.name, backend.id, "eager", "float32", order, "stable")


def row(backend: Backend, function: str, order: int, every: int, copied: float) -> str:
    """One line of the table."""
    chosen = target(backend, function, order)
    todo: list[Shard] = shards(chosen, *whole(FLOAT32))[::every]
    work(todo[len(todo) // 4])
    began = time.perf_counter()
    tallies = [work(shard) for shard in todo]
    taken = (time.perf_counter() - began) * every
    implementation = subject(chosen).probe.implementation
    call = Call(order=order)
    shard = todo[len(todo) // 4]
    once = seconds_of(
        lambda: backend.on_device(implementation, shard.lo, shard.points, FLOAT32, call),
        lambda: backend.arrays().host(backend.on_device(implementation, shard.lo, 256, FLOAT32, call)),
        5,
    )
    asked = sum(tally["counts"]["asked"] for tally in tallies) * every
    inputs = 1 << FLOAT32.width
    shares = [8 * shard.points / once / copied, 8 * inputs / taken / copied]
    return (
        f"| {function} | {backend.id} | {order} | {taken:.1f} | {taken / inputs * 1e9:.2f} | {asked:,} "
        f"| {shares[0]:.1%} | {shares[1]:.2%} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--function", action="append", help="instead of silu, tanh, softplus and gelu")
    parser.add_argument("--backend", action="append", help="instead of torch:cuda and jax:cuda")
    parser.add_argument("--order", action="append", type=int, help="instead of 0 and 1")
    parser.add_argument("--patterns", type=int, default=32, help="log2 of the patterns to go through (32)")
    arguments = parser.parse_args()
    if not SHARD_BITS <= arguments.patterns <= FLOAT32.width:
        parser.error(f"expected --patterns from {SHARD_BITS} to {FLOAT32.width}, got {arguments.patterns}")
    here = found(arguments.backend or list(BACKENDS))
    if not here:
        print("no CUDA device: not run")
        return
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    )
    for backend in here.values():
        print(f"{backend.id}: " + ", ".join(f"{name} {text}" for name, text in backend.versions().items()))
    for backend in here.values():
        copied = bandwidth(backend)
        print(f"\n{backend.id}: copies at {copied / 1e9:.0f} GB/s")
        print("| function | backend | order | s for 2^32 | ns | asked | call | sweep |")
        print("|---|---|---:|---:|---:|---:|---:|---:|")
        for function in arguments.function or FUNCTIONS:
            for order in arguments.order or (0, 1):
                print(row(backend, function, order, 1 << FLOAT32.width - arguments.patterns, copied), flush=True)


if __name__ == "__main__":
    main()
