"""Known deviations: what they are (``deviation``), how they are written down (``files``), which are in force for a cell
(``ledger``), which failures they explain (``explained``), and which no longer show (``vanished``).
"""
