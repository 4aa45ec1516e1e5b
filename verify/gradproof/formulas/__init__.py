"""Formulas: how functions and their derivatives are written, and what that costs in rounded arithmetic."""
