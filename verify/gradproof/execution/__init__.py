"""Who works: worker processes that can be lost one by one, this process, a caller's executor, or a cluster.

Importing this room loads neither NumPy nor a framework: a worker's environment is set before it imports them.
"""
