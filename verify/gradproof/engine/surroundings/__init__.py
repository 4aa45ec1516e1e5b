"""What verdicts depend on besides the request: versions and hardware (``environment``), the source that judges."""
