"""From what was found to cells of a results file."""
