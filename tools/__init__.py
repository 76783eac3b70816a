"""Makers of the files that the package ships: run by ``python -m``, not installed."""
