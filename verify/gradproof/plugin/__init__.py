"""The pytest plugin. ``pytest_plugin`` is what every session loads; the rest waits for a gradproof item."""
