"""Files that spare work: the oracle's tables, compiled programs, parsed ledgers. Imports no NumPy.

Nothing in them is needed: what is missing, damaged or made under another key is made anew.
"""
