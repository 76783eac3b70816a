"""Searches by ask and tell, a file each. Importing this package registers them."""

from matenv.agents.searches import genetic, genetic_table, prior, random

__all__ = ["genetic", "genetic_table", "prior", "random"]
