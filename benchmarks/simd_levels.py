"""What a run says on lesser processors: one run for each vector width that this one has, as a Markdown table.

    python benchmarks/simd_levels.py [--backend jax]... [--level AVX2]... [--profile quick] [--function NAME]...
                                     [--property ID]... [--folder DIR] [-- options of `gradproof run`]

XLA is held to a level by ``--xla_cpu_max_isa`` in XLA_FLAGS, PyTorch by ATEN_CPU_CAPABILITY (its own kernels) and
ONEDNN_MAX_CPU_ISA (oneDNN's); each run is a process of its own, since both are read when a framework is loaded. ``as it
is`` holds nothing. Levels that the processor lacks are left out; where none is left, nothing runs, with exit status 0.

A row: the exit status, the cells by verdict, the ledger's entries that do not show there (stale), and CPU seconds of
the run with its workers. Below the table the cells that fail. Exits 1 unless every run exits 0: what is known about a
kernel must hold for every vector width (docs/architecture.md).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gradproof.backends.simd import LEVELS, lesser
from gradproof.engine.surroundings.environment import simd_level

AS_IT_IS: Final = "as it is"
HELD: Final = ("XLA_FLAGS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables that hold a framework to a level; none of them is inherited."""
TORCH: Final = {
    "SSE4_2": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "AVX512": {"ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
}
"""ATen has no kernels for AVX alone; its ``default`` is compiled for less than SSE4.2, oneDNN's least is SSE4.1."""
XLA: Final = {level: {"XLA_FLAGS": f"--xla_cpu_max_isa={level}"} for level in ("SSE4_2", "AVX", "AVX2", "AVX512")}
WAYS: Final[dict[str, dict[str, dict[str, str]]]] = {"torch": TORCH, "jax": XLA}
"""By backend and level the variables that hold it there."""
COLUMNS: Final = ("pass", "known", "fail", "error", "unsupported", "not-run")


@dataclass(frozen=True)
class Row:
    """One run. ``results`` is what it wrote, or nothing where it wrote nothing; ``seconds`` are of the CPU."""

    backend: str
    level: str
    variables: Mapping[str, str]
    status: int
    seconds: float
    results: dict[str, Any]

    def cells(self) -> list[str]:
        """The row of the table."""
        counts = Counter(cell["status"] for cell in self.results.get("cells", []))
        stale = sum(state["state"] == "stale" for state in self.results.get("ledger", []))
        held = " ".join(f"{name}={value}" for name, value in self.variables.items()) or AS_IT_IS
        numbers = [str(counts[name]) for name in COLUMNS] + [str(stale), f"{self.seconds:.0f}"]
        return [self.backend, f"`{held}`" if self.variables else held, str(self.status), *numbers]

    def failing(self) -> Iterator[str]:
        """What keeps it from exiting 0, a line each."""
        for cell in self.results.get("cells", []):
            if cell["status"] in ("fail", "error"):
                mode = "" if cell["mode"] == "eager" else f" {cell['mode']}"
                told = f"{cell['function']} {cell['format']} order {cell['order']}{mode} {cell['property']}"
                yield f"{self.backend} at {self.level}: {told}: {cell['status']}: {cell['reason']}"
        for state in self.results.get("ledger", []):
            if state["state"] in ("grown", "gone"):
                yield f"{self.backend} at {self.level}: {state['entry']}: {state['state']}: {state['detail']}"


def run(backend: str, level: str, variables: Mapping[str, str], options: Sequence[str], file: Path) -> Row:
    """One run of ``gradproof run`` with these variables, and none of HELD beside them."""
    environment = {k: v for k, v in os.environ.items() if k not in HELD} | dict(variables)
    command = [
        sys.executable, "-m", "gradproof", "run", "--backend", f"{backend}:cpu", "--quiet", "--html", "none",
        "--json", str(file), *options,
    ]  # fmt: skip
    with subprocess.Popen(command, env=environment, stdout=sys.stderr) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    results = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return Row(backend, level, variables, process.returncode, usage.ru_utime + usage.ru_stime, results)


def levels(backend: str, wanted: Sequence[str]) -> dict[str, dict[str, str]]:
    """The levels of a backend that this processor has, or those of them that are wanted, with their variables."""
    here = simd_level()
    had = {name: held for name, held in WAYS[backend].items() if here in LEVELS and lesser(here, name) == name}
    every = {AS_IT_IS: {}, **had}
    return {name: held for name, held in every.items() if not wanted or name in wanted}


def main() -> int:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", action="append", choices=tuple(WAYS), default=[])
    parser.add_argument("--level", action="append", choices=(AS_IT_IS, *LEVELS), default=[])
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--function", action="append", default=[])
    parser.add_argument("--property", action="append", default=[])
    parser.add_argument("--folder", type=Path, help="keep the results files here, as BACKEND-LEVEL.json")
    parser.add_argument("options", nargs="*", help="more options of `gradproof run`, after --")
    chosen = parser.parse_args()
    options = ["--profile", chosen.profile, *chosen.options]
    for name in ("function", "property"):
        options += [word for value in getattr(chosen, name) for word in (f"--{name}", value)]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = (chosen.folder or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        for backend in chosen.backend or WAYS:
            for level, variables in levels(backend, chosen.level).items():
                file = folder / f"{backend}-{level.replace(' ', '-')}.json"
                file.unlink(missing_ok=True)
                rows.append(run(backend, level, variables, options, file))
    if not rows:
        print(f"no level to run at: this processor is {simd_level()}")
    head = ["backend", "held to", "exit", *COLUMNS, "stale", "CPU s"]
    for line in (head, ["---"] * len(head), *(row.cells() for row in rows)):
        print(f"| {' | '.join(line)} |")
    for row in rows:
        for line in row.failing():
            print(f"- {line}")
    return 0 if all(row.status == 0 for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
