"""Reports: results -> HTML, Markdown, JUnit. They read the results file and never run a check.

Each writer is a callable ``(RunResult, path) -> None``, found through the entry-point group
``gradproof.reports``; a third party's writer joins in the same way.
"""
