"""The HTML report: one file, no network, readable without scripts.

``states`` says what a cell shows, ``pages`` names the cells' pages, ``matrix``, ``failures`` and ``claims``
build the views, ``curves`` the axes and the small static pictures, ``data`` what is embedded, ``page`` puts
it together.
"""

from gradproof_reports.html.page import render_html, write_html

__all__ = ["render_html", "write_html"]
