"""The HTML report: one file, no network, readable without scripts.

The first screen shows the rows of ``gradproof.results.rows``, as the command line does; ``opened`` is what a row shows
when it is opened, ``plots`` its small picture; ``claims``, ``pictures`` and ``tabs`` stand beside it; ``data`` is what
is embedded, and ``page`` puts it together.
"""

from gradproof_reports.html.page import render_html, write_html

__all__ = ["render_html", "write_html"]
