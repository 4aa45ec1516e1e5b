"""The HTML report: one file, no network, readable without scripts.

``rows`` is the first screen, with the usable range from ``ranges``; ``opened`` what a row shows when it is opened, with
the graphs of ``plots``; ``claims``, ``pictures`` and ``tabs`` stand beside it; ``data`` is what is embedded, and
``page`` puts it together.
"""

from gradproof_reports.html.page import render_html, write_html

__all__ = ["render_html", "write_html"]
