"""Loaded by each Python that a test starts, by way of PYTHONPATH: a warning that our own code causes is an error there.

pytest's filters end at its own process. ``PYTHONWARNINGS`` would reach further, but it names whole modules only, and
users' and frameworks' code may warn.
"""

import warnings

OURS = r"gradproof(_properties|_reports)?(\.|$)"

warnings.filterwarnings("error", category=RuntimeWarning, module=OURS)
