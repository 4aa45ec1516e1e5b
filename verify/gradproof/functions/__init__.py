"""Mathematical functions: what they are, the catalogue, and defining your own."""

from gradproof.functions.catalogue import CATALOGUE
from gradproof.functions.function import Function, exact, piecewise
from gradproof.functions.registry import all_functions, function, get_function

__all__ = ["CATALOGUE", "Function", "all_functions", "exact", "function", "get_function", "piecewise"]
