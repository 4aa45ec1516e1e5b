"""The operations of one call at one input, each with its exact and its computed result and the error it adds.

``recording`` is what a backend writes down, ``shadow`` the mathematics of the operations, ``analysis`` what follows.
"""
