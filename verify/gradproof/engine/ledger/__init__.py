"""Known deviations: what they are (``deviation``, ``fence``), how they are written down (``files``; ``known`` for a
user's own code), which are about a cell and which no longer show (``ledger``), and which results they explain
(``explained``).
"""
