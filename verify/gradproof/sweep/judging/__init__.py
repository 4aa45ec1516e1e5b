"""The work on one shard: results called, judged and added up."""
