"""Speed, measured and compared (docs/speed.md): ``make bench``, or one file at a time; not installed.

`machine` and `measure` record, time and write, for studies too. `hull`, `hull_growth`, `environment` (with
`processes`), `edits`, `device`, `training` and `predictors` measure; `naive` is the straightforward implementation that
the environment is compared with. `run` runs all but the last and writes ``benchmarks/results/``; `quote` copies them
into the README.
"""
