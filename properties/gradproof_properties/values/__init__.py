"""What an implementation returns, point by point."""
