"""Tasks: what is asked of an assessment, as a score in [0, 1] with named parts and a success flag."""

from matenv.oracle.viability import TAPER_WIDTH, TOO_GOOD, viability_of
from matenv.tasks.band_edges import WaterSplitting
from matenv.tasks.battery import LithiumCathode, LithiumWindow
from matenv.tasks.hardness import Hardness
from matenv.tasks.objectives import Objective, Ramp, Window, maximise, minimise, target
from matenv.tasks.registry import BENCHMARK, DEFAULT_TASK, RESTRICTIONS, TASKS, TRAINING_WHEELS, load_task
from matenv.tasks.stable_against import StableAgainst
from matenv.tasks.task import PARTS, Task, TaskScore

__all__ = [
    "BENCHMARK",
    "DEFAULT_TASK",
    "PARTS",
    "RESTRICTIONS",
    "TAPER_WIDTH",
    "TASKS",
    "TOO_GOOD",
    "TRAINING_WHEELS",
    "Hardness",
    "LithiumCathode",
    "LithiumWindow",
    "Objective",
    "Ramp",
    "StableAgainst",
    "Task",
    "TaskScore",
    "WaterSplitting",
    "Window",
    "load_task",
    "maximise",
    "minimise",
    "target",
    "viability_of",
]
