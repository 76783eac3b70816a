"""The registered tasks, and how a task is found by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from matenv import elements as alphabet
from matenv.tasks.objectives import Ramp, Window
from matenv.tasks.single_phase import ALLOYING_ELEMENTS, SINGLE_PHASE
from matenv.tasks.task import Task

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "stiff-stable",
            "Stiff and stable: predicted log10 bulk modulus from 1.2 (16 GPa) to 2.6 (398 GPa), times viability.",
            (Ramp("log10_bulk_modulus", 1.2, 2.6),),
            success_utility=(np.log10(200.0) - 1.2) / 1.4,  # 200 GPa
        ),
        Task(
            "wide-gap-novel",
            "A new wide-gap insulator: P(PBE gap >= 5 eV) times viability, no near-copy of a known formula.",
            (Window("band_gap_pbe", low=5.0),),
            novel=True,
        ),
        Task(
            "wide-gap-ionic-novel",
            "The same among ionic compounds: oxidation states must balance, cations less electronegative than anions.",
            (Window("band_gap_pbe", low=5.0),),
            novel=True,
            regime="ionic",
        ),
        Task(
            "stiff-semiconductor-novel",
            "A new stiff semiconductor: P(PBE gap 1-2 eV) times the bulk-modulus ramp 32-250 GPa, times viability.",
            (Window("band_gap_pbe", 1.0, 2.0), Ramp("log10_bulk_modulus", 1.5, 2.4)),
            novel=True,
            success_utility=0.25,
        ),
        Task(
            "stable-novel",
            "A new stable compound: viability alone, no near-copy of a known formula.",
            (),
            novel=True,
        ),
        # Five to 35 at.% of each element: the definition of Yeh et al. (Adv. Eng. Mater. 6, 299, 2004).
        Task(
            "single-phase-alloy",
            "A high-entropy alloy (4-6 elements, each 5-35 at.%) of one solid-solution phase: P(single phase) alone.",
            (Ramp("p_single_phase", 0.0, 1.0),),
            min_elements=4,
            max_atoms=60,
            max_count=21,
            elements=ALLOYING_ELEMENTS,
            success_utility=0.9,
            viability="none",
            min_fraction=0.05,
            max_fraction=0.35,
            properties=(SINGLE_PHASE,),
        ),
    )
}
"""Registered tasks by name."""

DEFAULT_TASK = "stiff-stable"


def load_task(
    task: str | Task = DEFAULT_TASK, elements: Sequence[str] | None = None, exclude: Sequence[str] | None = None
) -> Task:
    """A task by name, optionally restricted in its elements.

    Args:
        task: Name of a registered task, or a `Task`.
        elements: If given, the only elements allowed; one named here is allowed even if the task leaves it out.
        exclude: Elements never allowed, beside those the task leaves out.

    Returns:
        The task.

    Raises:
        ValueError: Unknown name or element, or an element both wanted and excluded.

    Examples:
        >>> load_task("stiff-stable", exclude=["Os", "Ir"]).exclude[-2:]
        ('Os', 'Ir')
    """
    if isinstance(task, str):
        if task not in TASKS:
            raise ValueError(f"task={task!r} is not registered; choose one of {', '.join(TASKS)} or pass a Task")
        task = TASKS[task]
    if not isinstance(task, Task):
        raise ValueError(f"task={task!r} must be the name of a task or a Task")
    for parameter, symbols in (("elements", elements), ("exclude", exclude)):
        if symbols is not None:
            alphabet.positions(symbols, parameter)
    both = sorted(set(elements or ()) & set(exclude or ()))
    if both:
        raise ValueError(f"elements and exclude both hold {both}; name each element in one of them")
    if elements is not None:
        task = replace(task, elements=tuple(elements), exclude=tuple(s for s in task.exclude if s not in elements))
    if exclude is not None:
        task = replace(task, exclude=tuple(dict.fromkeys((*task.exclude, *exclude))))
    return task
