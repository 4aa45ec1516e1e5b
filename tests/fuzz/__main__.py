"""Try many more examples on the surfaces than a run of the suite does.

    $ python -m tests.fuzz                                     # 100,000 examples on each
    $ python -m tests.fuzz results --examples 5000 --seed 3
    $ python -m tests.fuzz vectors --atheris -runs=1000000     # guided by coverage; pip install atheris

What fails is shrunk and printed, with the example. Exits 1 where anything did.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
import warnings
from typing import Any

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.surfaces import SURFACES, Surface


def main() -> None:
    """Try the surfaces that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("surface", nargs="*", choices=[*SURFACES, []], help="default: all")
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true", help="let atheris choose; its own options may follow")
    chosen, more = parser.parse_known_args()
    warnings.simplefilter("ignore")
    surfaces = [SURFACES[name] for name in chosen.surface or SURFACES]
    if chosen.atheris:
        _by_atheris(surfaces[0], more)
        return
    failed = [s.name for s in surfaces if not _holds(s, chosen.examples, chosen.seed)]
    sys.exit(1 if failed else 0)


def _test(surface: Surface, examples: int, number: int) -> Any:
    @seed(number)
    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck)
    )
    @given(surface.examples())
    def tried(example: Any) -> None:
        surface.survives(example)

    return tried


def _holds(surface: Surface, examples: int, number: int) -> bool:
    started = time.perf_counter()
    try:
        _test(surface, examples, number)()
    except BaseException as fault:
        if isinstance(fault, KeyboardInterrupt):
            raise
        print(f"{surface.name}: FAILED")
        traceback.print_exception(fault)
        return False
    print(f"{surface.name}: {examples:,} examples, {time.perf_counter() - started:.0f} s")
    return True


def _by_atheris(surface: Surface, more: list[str]) -> None:
    import atheris  # type: ignore[import-not-found]

    atheris.Setup([sys.argv[0], *more], _test(surface, 1, 0).hypothesis.fuzz_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
