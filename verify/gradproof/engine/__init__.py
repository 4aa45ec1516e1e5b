"""From what is asked to cells with verdicts: the one way that runs, and in large part sweeps and tests, go.

``request`` is what is asked, ``declared`` what users say of their own code; ``planning`` makes cells of it that are to
be judged. ``subject`` is what is called and what it is compared with, ``properties`` are the claims; ``judging`` makes
a verdict of an outcome, with what the ``ledger`` knows and what ``findings`` tell of the failing inputs.
``surroundings`` is what all of it runs on, ``running`` gets the cells of a whole run judged, here or elsewhere.
"""
