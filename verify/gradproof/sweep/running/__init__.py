"""Getting all shards of all targets worked on: queue, executors, run folder."""
