"""Measured comparisons, with the commands that make them: ``make bench``, or one file at a time.

`measure` times and writes; `hull`, `hull_growth`, `environment` and `training` measure; `naive` is the straightforward
implementation that the environment is compared with; `run` runs all and writes ``benchmarks/results/``.
"""
