"""Measured comparisons, with the commands that make them: ``make bench``, or one file at a time.

`machine` and `measure` record, time and write. `hull`, `hull_growth`, `environment` (with `processes`) and `training`
measure; `naive` is the straightforward implementation that the environment is compared with. `run` runs all and writes
``benchmarks/results/``. `integer_formulas` and `validity` print tables; `smact_reference` writes a test's reference.
"""
