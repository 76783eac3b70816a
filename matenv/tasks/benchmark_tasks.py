"""The tasks that methods are compared on. Each description says what a chemist would want the answer for.

What makes a task one of these: one has to search (neighbours of the table's formulas reach at most half of what the
best method gains over uniform formulas), no window is narrower than the predictor's own error, and methods come out
differently on it. `matenv.benchmark.references` has the measurements.
"""

from __future__ import annotations

import numpy as np

from matenv.tasks.band_edges import WaterSplitting
from matenv.tasks.battery import REDOX, LithiumCathode, LithiumWindow
from matenv.tasks.element_choices import ABUNDANT, PRECIOUS, RADIOACTIVE, TOXIC
from matenv.tasks.hardness import Hardness
from matenv.tasks.objectives import Ramp, Window
from matenv.tasks.task import Task

BENCHMARK_TASKS = (
    Task(
        "superhard",
        "A new superhard compound without precious metals and beryllium, for cutting tools: Vickers hardness from 5 to "
        "40 GPa by Chen's rule from both moduli, times viability.",
        (Hardness(5.0, 40.0),),
        novel=True,
        exclude=(*RADIOACTIVE, *PRECIOUS, "Be"),
    ),
    Task(
        "light-stiff",
        "A new light and stiff compound: mean atomic mass from 45 down to 12 u, times bulk modulus from 32 to 250 GPa, "
        "times viability.",
        (Ramp("mean_mass", 45.0, 12.0), Ramp("log10_bulk_modulus", 1.5, 2.4)),
        novel=True,
        success_utility=0.25,
    ),
    Task(
        "transparent-stiff",
        "A new transparent, stiff coating: P(PBE gap >= 3 eV) times bulk modulus from 63 to 316 GPa, times viability.",
        (Window("band_gap_pbe", low=3.0), Ramp("log10_bulk_modulus", 1.8, 2.5)),
        novel=True,
        success_utility=0.25,
    ),
    Task(
        "stiff-semiconductor-novel",
        "A new stiff semiconductor: P(PBE gap 1-2 eV) times bulk modulus from 32 to 250 GPa, times viability.",
        (Window("band_gap_pbe", 1.0, 2.0), Ramp("log10_bulk_modulus", 1.5, 2.4)),
        novel=True,
        success_utility=0.25,
    ),
    Task(
        "wide-gap-ionic-novel",
        "A new wide-gap insulator with common oxidation states, for optics or dielectrics: P(PBE gap >= 5 eV) times "
        "viability.",
        (Window("band_gap_pbe", low=5.0),),
        novel=True,
        regime="ionic",
    ),
    Task(
        "water-splitting",
        "A new photocatalyst that splits water under visible light: probability that the measured gap lies between "
        "what the band edges need (Butler and Ginley, 0.2 V beyond) and 2.8 eV, times viability.",
        (WaterSplitting(),),
        novel=True,
        regime="ionic",
        success_utility=0.4,
    ),
    Task(
        "absorber-abundant",
        "A new solar absorber of abundant, harmless elements: P(measured gap 0.9-1.9 eV) times viability. The window "
        "is as wide as the predictor needs; the ideal absorber has 1.34 eV.",
        (Window("band_gap_expt", 0.9, 1.9),),
        novel=True,
        regime="ionic",
        elements=ABUNDANT,
    ),
    Task(
        "li-electrolyte",
        "A new solid electrolyte for lithium batteries: its electrochemical window (reduction below 1.5 V down to 0, "
        "oxidation from 2 to 4.5 V against Li) times P(PBE gap >= 3 eV), times viability. How well it conducts is "
        "another question.",
        (LithiumWindow(), Window("band_gap_pbe", low=3.0)),
        novel=True,
        regime="ionic",
        require=("Li",),
        success_utility=0.25,
    ),
    Task(
        "li-cathode",
        "A new insertion cathode for lithium batteries without precious and toxic elements: P(mean voltage 3.0-4.5 V) "
        "times capacity from 80 to 250 mAh/g times the chance that the host without lithium lies within 0.1 eV/atom of "
        "the known phases, times P(stable). Whether such a formula would have been found is left out: many cathodes "
        "are made by detours.",
        (LithiumCathode(),),
        novel=True,
        regime="ionic",
        require=("Li", REDOX),
        exclude=(*RADIOACTIVE, *PRECIOUS, *TOXIC),
        viability="p_stable",
        success_utility=0.2,
    ),
    Task(
        "cheap-hard-ternary",
        "A new low-cost abrasive, a ternary of abundant, harmless elements in common oxidation states: price of its "
        "elements from 10 down to 0.3 USD/kg, times Vickers hardness from 5 to 30 GPa by Chen's rule, times viability.",
        (Ramp("log10_price", 1.0, -0.5), Hardness(5.0, 30.0)),
        novel=True,
        regime="ionic",
        elements=ABUNDANT,
        min_elements=3,
        max_elements=3,
        success_utility=0.1,  # with 0.25 nothing known succeeds: what is cheap and hard is seldom found stable
    ),
    Task(
        "beyond-training",
        "Stiffer than 99 % of the training data without precious metals: bulk modulus from 200 GPa to 450 GPa, beyond "
        "the stiffest training row (diamond), times viability. How a method fares where the predictor extrapolates.",
        (Ramp("log10_bulk_modulus", float(np.log10(200.0)), float(np.log10(450.0))),),
        novel=True,
        exclude=(*RADIOACTIVE, *PRECIOUS),
        success_utility=0.25,
    ),
    Task(
        "co-free-cathode",
        "LiCoO2 without cobalt: a new insertion cathode as li-cathode asks, within an element mover's distance of 8 of "
        "LiCoO2. The level ranks, as everywhere; a gain is the level minus what LiCoO2 is worth, 0.048 by gold and "
        "0.058 by proxy.",
        (LithiumCathode(),),
        novel=True,
        regime="ionic",
        require=("Li", tuple(symbol for symbol in REDOX if symbol != "Co")),
        exclude=(*RADIOACTIVE, *PRECIOUS, *TOXIC, "Co"),
        viability="p_stable",
        success_utility=0.2,
        start="LiCoO2",
        within=8.0,
    ),
    Task(
        "pb-free-absorber",
        "CsPbI3 without lead, other toxic elements and precious metals: P(measured gap 1.1-1.8 eV) times viability of "
        "a new compound within an element mover's distance of 8 of CsPbI3. The level ranks, as everywhere; a gain is "
        "the level minus what CsPbI3 is worth, 0.028 by gold and 0.045 by proxy.",
        (Window("band_gap_expt", 1.1, 1.8),),
        novel=True,
        regime="ionic",
        exclude=(*RADIOACTIVE, *PRECIOUS, *TOXIC),
        start="CsPbI3",
        within=8.0,
    ),
)
"""By name in the registry; `matenv.tasks.BENCHMARK` has the names."""
