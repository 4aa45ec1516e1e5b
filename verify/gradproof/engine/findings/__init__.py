"""What the failing inputs tell: where they lie (``regions``, ``clusters``), what computes the like (``explaining``),
whether one fault accounts for another (``healing``), and what no number shows (``notes``).
"""
