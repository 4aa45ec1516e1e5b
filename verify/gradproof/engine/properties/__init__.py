"""The claims: what a property is (``property``), those installed, and what they look for failing inputs with: point by
point (``pointwise``), by the million (``bulk``), by Hypothesis (``search``).
"""
