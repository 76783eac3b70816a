"""The source papers repeated."""
