"""The source papers repeated (docs/elawady.md, docs/dkl.md)."""
