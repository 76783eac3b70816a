"""matenv: Gymnasium environments for sequential inverse design of inorganic materials.

Importing this package registers the environments and nothing else: heavy modules load when a name is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from matenv.envs.registration import register_envs

if TYPE_CHECKING:
    from matenv import elements
    from matenv.bundle import load_bundle
    from matenv.card import Card, explain
    from matenv.chemistry import is_charge_neutral, is_electronegativity_balanced
    from matenv.composition import CompositionBatch, formula, fractions
    from matenv.data import Dataset, load_dataset
    from matenv.latent import load_latent
    from matenv.oracle import Assessment, Oracle
    from matenv.properties import Property, load_predictor, load_property
    from matenv.tasks import Task, load_task
    from matenv.tasks.objectives import Ramp, Window, maximise, minimise, target
    from matenv.thermo import ConvexHull

__version__ = "0.1.0"

register_envs()

# Public name -> module that defines it, imported on first use so that `import matenv` stays light.
_HOMES = {
    "CompositionBatch": "matenv.composition",
    "formula": "matenv.composition",
    "fractions": "matenv.composition",
    "is_charge_neutral": "matenv.chemistry",
    "is_electronegativity_balanced": "matenv.chemistry",
    "load_bundle": "matenv.bundle",
    "Dataset": "matenv.data",
    "load_dataset": "matenv.data",
    "Card": "matenv.card",
    "explain": "matenv.card",
    "load_latent": "matenv.latent",
    "Assessment": "matenv.oracle",
    "Oracle": "matenv.oracle",
    "Property": "matenv.properties",
    "load_predictor": "matenv.properties",
    "load_property": "matenv.properties",
    "Task": "matenv.tasks",
    "load_task": "matenv.tasks",
    "ConvexHull": "matenv.thermo",
    "Ramp": "matenv.tasks.objectives",
    "Window": "matenv.tasks.objectives",
    "maximise": "matenv.tasks.objectives",
    "minimise": "matenv.tasks.objectives",
    "target": "matenv.tasks.objectives",
}

__all__ = [
    "Assessment",
    "Card",
    "CompositionBatch",
    "ConvexHull",
    "Dataset",
    "Oracle",
    "Property",
    "Ramp",
    "Task",
    "Window",
    "__version__",
    "elements",
    "explain",
    "formula",
    "fractions",
    "is_charge_neutral",
    "is_electronegativity_balanced",
    "load_bundle",
    "load_dataset",
    "load_latent",
    "load_predictor",
    "load_property",
    "load_task",
    "maximise",
    "minimise",
    "target",
]


def __getattr__(name: str) -> Any:
    if name == "elements":
        return importlib.import_module("matenv.elements")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'matenv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
