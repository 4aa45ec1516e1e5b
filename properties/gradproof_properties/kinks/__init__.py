"""Where a derivative jumps, and where it must not."""
