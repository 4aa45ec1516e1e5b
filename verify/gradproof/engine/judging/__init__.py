"""From a task to its cell (``verdict``), and what a failure shows to be checked again (``certificates``)."""
