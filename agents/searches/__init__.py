"""Searches by ask and tell, one file each; see `matenv.benchmark.method`."""
