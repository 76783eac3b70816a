"""One training kit for every network here: loop, checkpoints, schedules, optimizers, weight files."""
