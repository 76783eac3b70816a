"""High-entropy alloys (docs/alloys.md)."""
