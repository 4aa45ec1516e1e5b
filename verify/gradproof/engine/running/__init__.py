"""A run from beginning to end (``run``; from Python ``api``): who judges (``pool``: ``worker`` processes or this one;
``executor_judge``: ``unit`` by ``unit`` elsewhere), and what outlives it (``judged``, ``store``, ``provenance``).
"""
