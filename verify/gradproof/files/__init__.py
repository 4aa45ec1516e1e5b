"""Files of the user's: reading what may be anything, and writing so that nothing is lost."""
