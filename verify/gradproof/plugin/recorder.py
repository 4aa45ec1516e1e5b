"""Hearing every verdict, in this process or from xdist's workers, and telling them at the end.

Part of what every session loads; what writes the results is imported when there are some.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from gradproof.plugin.options import Options

ATTRIBUTE = "gradproof"
"""Attribute of a test report that holds its verdicts as JSON text; xdist carries it to the controller."""
HEADER = "gradproof"
"""Key of a worker's output that holds what it knows about its surroundings."""


class Recorder:
    """Collects verdicts from test reports; writes them and sums them up, except on xdist's workers."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.options = Options(config)
        self.verdicts: list[dict[str, Any]] = []
        self.headers: list[dict[str, Any]] = []
        self.context: Any = None
        """What judges cells in this process; set by the first gradproof function that is collected."""
        self.corpus: Any = None
        """Where failing inputs are kept; opened by the first verdict."""
        self.kept: dict[str, int] = {}
        """Failing inputs that the corpus holds, by item of this session."""
        self.unkept = ""
        """Why the corpus could not be written."""
        self.crashed = False
        self.lines: list[str] = []
        self._started = time.time()

    @property
    def is_worker(self) -> bool:
        """Whether this process is one of xdist's workers."""
        return hasattr(self.config, "workerinput")

    @property
    def wants_file(self) -> bool:
        """Whether a results file or a report is asked for."""
        return bool(self.options.files)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdicts out of a report that carries some; what failed is kept for the next session at once."""
        text = getattr(report, ATTRIBUTE, None)
        if text is not None:
            found: list[dict[str, Any]] = json.loads(text)
            self.verdicts += found
            if not self.is_worker:
                self._keep(found)

    def _keep(self, verdicts: list[dict[str, Any]]) -> None:
        from gradproof.errors import GradproofError
        from gradproof.plugin.corpus import Corpus

        if self.corpus is None:
            self.corpus = Corpus(self.config)
        for verdict in verdicts:
            item, bits = verdict["item"], verdict["kept"]
            if bits is None:
                continue
            try:
                self.kept[item] = self.corpus.write(item, verdict["cell"]["format"], bits)
            except GradproofError as fault:
                self.unkept = str(fault)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take what a worker of xdist knows about its surroundings; one that crashed says nothing."""
        self.crashed |= bool(error)
        text = getattr(node, "workeroutput", {}).get(HEADER)
        if text:
            self.headers.append(json.loads(text))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Hand the headers to the controller, or write the files where this is the controller."""
        if not self.verdicts or not self.wants_file:
            return
        if self.context is not None:
            self.headers.append(self.context.header())
        if self.is_worker:
            output: dict[str, Any] = self.config.workeroutput  # type: ignore[attr-defined]
            output[HEADER] = json.dumps(self.headers[-1])
            return
        from gradproof.plugin.files import write_files

        broken_off = bool(session.shouldstop or session.shouldfail) or exitstatus in (2, 3) or self.crashed
        root = self.config.invocation_params.dir
        done, failed = write_files(
            self.verdicts, self.headers, self.options, root, complete=not broken_off, started=self._started
        )
        self.lines += done + failed
        if failed and exitstatus in (0, 1):
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What is new, counts by status, trouble with the ledger, and where the files are."""
        if self.verdicts:
            from gradproof.plugin.summary import summary

            lines = [*summary(self.verdicts, self.kept, self.unkept), *self.lines]
        elif self.wants_file and not self.config.getoption("collectonly"):
            lines = ["no gradproof item ran, so no results were written"]
        else:
            return
        terminalreporter.write_sep("=", "gradproof")
        for line in lines:
            terminalreporter.write_line(line)
