"""One input, one answer, however it is called."""
