"""Experiments behind a page of the documentation: run by ``python -m``, not installed."""
