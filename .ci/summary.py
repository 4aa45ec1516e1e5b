"""Print what the pytest runs of the tox environments came to, one line each and a last line for all.

    python .ci/summary.py FOLDER

FOLDER holds NAME-pytest.xml files in JUnit's format.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

KINDS = ("failed", "passed", "skipped", "errors")


def counts(file: Path) -> tuple[dict[str, int], float]:
    """Number of tests by outcome, and seconds, of one JUnit file."""
    suites = list(ElementTree.parse(file).iter("testsuite"))
    total = dict.fromkeys(KINDS, 0)
    for suite in suites:
        number = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
        total["failed"] += number["failures"]
        total["skipped"] += number["skipped"]
        total["errors"] += number["errors"]
        total["passed"] += number["tests"] - number["failures"] - number["errors"] - number["skipped"]
    return total, sum(float(suite.get("time", 0)) for suite in suites)


def line(total: dict[str, int], seconds: float) -> str:
    """Pytest's own wording: ``1 failed, 41 passed, 2 skipped in 3.10s``."""
    parts = [f"{total[kind]} {kind}" for kind in KINDS if total[kind]]
    return f"{', '.join(parts) or 'no tests ran'} in {seconds:.2f}s"


def main(folder: Path) -> None:
    """Print the summary of every file in ``folder``."""
    everything, all_seconds = dict.fromkeys(KINDS, 0), 0.0
    for file in sorted(folder.glob("*-pytest.xml")):
        total, seconds = counts(file)
        print(f"{file.name.removesuffix('-pytest.xml')}: {line(total, seconds)}")
        for kind in KINDS:
            everything[kind] += total[kind]
        all_seconds += seconds
    print(f"===== {line(everything, all_seconds)} =====")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
