"""What is asked: the selection of a run, and one cell of it as a task."""
