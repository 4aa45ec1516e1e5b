"""Every bit pattern of a format, or of a range, judged: exhaustive sweeps, on one machine and on many.

``plan`` cuts a range into shards, ``work`` judges one shard, ``tally`` puts their results together. ``folder`` keeps
what is finished, ``executors`` has shards worked on, ``campaign`` does the whole.
"""
