"""Known deviations: what they are (``deviation``, ``fence``), how they are written down (``files``), which are about a
cell and which no longer show (``ledger``), and which results they explain (``explained``).
"""
