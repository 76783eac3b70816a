"""Tasks: what is asked of an assessment, as a score in [0, 1] with named parts and a success flag."""

from matenv.oracle.viability import TAPER_WIDTH, TOO_GOOD, viability_of
from matenv.tasks.objectives import Objective, Ramp, Window, maximise, minimise, target
from matenv.tasks.registry import DEFAULT_TASK, RESTRICTIONS, TASKS, load_task
from matenv.tasks.stable_against import StableAgainst
from matenv.tasks.task import PARTS, Task, TaskScore

__all__ = [
    "DEFAULT_TASK",
    "PARTS",
    "RESTRICTIONS",
    "TAPER_WIDTH",
    "TASKS",
    "TOO_GOOD",
    "Objective",
    "Ramp",
    "StableAgainst",
    "Task",
    "TaskScore",
    "Window",
    "load_task",
    "maximise",
    "minimise",
    "target",
    "viability_of",
]
