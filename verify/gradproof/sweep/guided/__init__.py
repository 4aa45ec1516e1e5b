"""Searching where not every input can be tried."""
