"""What the failing inputs tell: where they lie (``regions``, ``clusters``), what computes the like (``explaining``:
``enclosing`` formulas, ``other_functions``, ``narrower`` formats), what would do instead (``advice``),
whether one fault accounts for another (``healing``), and what no number shows (``notes``).
"""
