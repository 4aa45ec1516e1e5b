"""Every bit pattern of a format, or of a range, judged: exhaustive sweeps, on one machine and on many.

``targets`` and ``plan`` say what is swept and cut it into shards; ``judging`` works on one shard, ``running`` gets all
of them worked on, ``guided`` searches where there are too many inputs, ``results`` makes cells of what was found.
``api`` is the whole from Python.
"""
