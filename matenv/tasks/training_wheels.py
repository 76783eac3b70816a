"""Tasks to learn the toolkit with; they rank no method.

What a point, neighbours of the table and uniform formulas reach on them, without a trained policy, ships
(`matenv.benchmark.trivial`) and stands beside every result; docs/benchmark_tasks.md has a table. Comparisons use
`benchmark_tasks`.
"""

from __future__ import annotations

import numpy as np

from matenv.tasks.element_choices import ABUNDANT
from matenv.tasks.objectives import Ramp, Window
from matenv.tasks.single_phase import ALLOYING_ELEMENTS, SINGLE_PHASE
from matenv.tasks.task import Task

TRAINING_WHEEL_TASKS = (
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
        "stable-novel",
        "A new stable compound: viability alone, no near-copy of a known formula.",
        (),
        novel=True,
    ),
    # Five to 35 at.% of each element: the definition of Yeh et al. (Adv. Eng. Mater. 6, 299, 2004). No second model of
    # alloys stands by as gold.
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
    Task(
        "rediscovery-abundant",
        "Stable compounds of abundant, harmless elements in common oxidation states that the training part lacks: "
        "viability alone. Held-out rows of the table say how many of the answers are true.",
        (),
        unseen=True,
        regime="ionic",
        elements=ABUNDANT,
    ),
    # Pan et al., arXiv:2210.11931: five steps, an element and 0-9 atoms each, the last one oxygen; no stability.
    Task(
        "pan-oxides",
        "Oxides of at most five elements with counts of at most 9, as stiff as predicted and nothing else: the task of "
        "Pan et al. (2022), kept in their terms to compare with; what it finds mostly falls apart.",
        (Ramp("log10_bulk_modulus", 1.2, 2.6),),
        require=("O",),
        max_elements=5,
        max_atoms=45,
        max_count=9,
        viability="none",
        success_utility=float((np.log10(200.0) - 1.2) / 1.4),
    ),
)
"""By name in the registry; `matenv.tasks.TRAINING_WHEELS` has the names."""
