"""`info`: everything about an episode, in words and Python numbers for one row, as arrays for a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv.elements import MODIFIED_PETTIFOR, SYMBOLS
from matenv.envs.state import State
from matenv.oracle import unique_potentials
from matenv.thermo import ConvexHull

TermValues = Mapping[str, NDArray[np.float64]]
"""Unweighted reward terms of the last step, (N,) each."""

_FARTHEST = float(max(MODIFIED_PETTIFOR))  # places; further than any two formulas are apart


def describe_row(
    state: State, row: int, terms: TermValues, details: Mapping[str, Any], hull: ConvexHull
) -> dict[str, Any]:
    """The `info` of a single environment; undefined values are left out.

    Args:
        state: Where the episodes stand.
        row: Row number.
        terms: Reward terms.
        details: What this row's info says beside what all environments say.
        hull: The hull that the formula was decomposed with.

    Returns:
        The dictionary.
    """
    facts = state.facts
    info: dict[str, Any] = {
        "formula": state.compositions[row : row + 1].formulas()[0],
        "score": float(facts.score[row]),
        "terms": {name: float(values[row]) for name, values in {**terms, **facts.terms}.items()},
        "success": bool(facts.success[row]),
        "valid": bool(facts.valid[row]),
        "evaluated": bool(facts.evaluated[row]),
        "known": bool(facts.known[row]),
        "rediscovered": bool(facts.rediscovered[row]),
        "novel": bool(facts.novel[row]),
        "p_stable": float(facts.p_stable[row]),
        "p_found": float(facts.p_found[row]),
        "start_formula": state.start[row : row + 1].formulas()[0],
        "start_round_trip": bool(state.round_trip[row]),
        "step": int(state.step[row]),
        **details,
    }
    if math.isfinite(facts.decomposition_energy[row]):
        info["decomposition_energy"] = float(facts.decomposition_energy[row])
        info["hull_energy"] = float(facts.hull_energy[row])
        info["products"] = hull.products(facts.members[row], facts.weights[row])
        elements, potentials = state.compositions.elements[row].tolist(), facts.potentials[row].tolist()
        info["potentials"] = {SYMBOLS[e]: mu for e, mu in zip(elements, potentials, strict=True) if e >= 0}
        info["potentials_unique"] = len(info["products"]) == len(info["potentials"])
        info["predicted"] = {name: (float(mean[row]), float(facts.std[name][row])) for name, mean in facts.mean.items()}
    else:
        info["products"], info["predicted"] = [], {}
    if facts.guards:
        info["guards"] = {name: float(values[row]) for name, values in facts.guards.items()}
    if state.visits is not None:
        info["visits"] = int(state.visits.count[row])
    if state.wishes is not None:
        info["wish"] = str(state.wishes.wish(row))
    if state.origin is not None:
        info["start_worth"] = float(state.origin.worth[row])
        info["start_distance"] = min(float(state.origin.distance[row]), _FARTHEST)
        info["edits"] = int(state.origin.edits[row])
    if state.best is not None:
        info["campaign"] = float(state.best.mean[row])
    return info


def describe_batch(state: State, terms: TermValues, potentials: bool) -> dict[str, Any]:
    """The `info` of a vector environment, in new arrays (N,).

    Args:
        state: Where the episodes stand.
        terms: Reward terms.
        potentials: Whether to say the chemical potentials too.

    Returns:
        The dictionary. A value undefined for a row is 0 there, and ``_name`` tells where it is defined.
    """
    facts = state.facts
    told = ("score", "success", "valid", "evaluated", "known", "rediscovered", "novel", "p_stable", "p_found")
    info: dict[str, Any] = {name: facts[name].copy() for name in told}
    for name in ("decomposition_energy", "hull_energy"):
        info[f"_{name}"] = np.isfinite(facts[name])
        info[name] = np.where(info[f"_{name}"], facts[name], 0.0)
    info["terms"] = {name: values.copy() for name, values in {**terms, **facts.terms}.items()}
    if potentials:  # (N, 89) [eV/atom], 0 for elements not in the formula
        info["potentials"] = state.compositions.scatter(np.nan_to_num(facts.potentials))
        info["_potentials"] = np.isfinite(facts.potentials).any(axis=1)
        info["potentials_unique"] = unique_potentials(facts.potentials, facts.weights)
    if facts.guards:
        info["guards"] = {name: values.copy() for name, values in facts.guards.items()}
    if state.visits is not None:
        info["visits"] = state.visits.count.copy()
    if state.origin is not None:
        info["start_worth"], info["edits"] = state.origin.worth.copy(), state.origin.edits.copy()
        info["start_distance"] = np.minimum(state.origin.distance, _FARTHEST)
    if state.best is not None:
        info["campaign"] = state.best.mean
    return info


def numbers_of(state: State, told: Mapping[str, Any]) -> dict[str, NDArray]:
    """The `info` of a vector environment as numbers only, flat, with the same keys and shapes at every step.

    Args:
        state: Where the episodes stand.
        told: What the vector environment would say, as `describe_batch`.

    Returns:
        Arrays (N, ...) by name, such as ``"terms.score"``; besides ``"mean.band_gap_pbe"``, ``"std.band_gap_pbe"`` and
        so on, 0 where nothing was predicted, and ``"step"``.
    """
    predicted = {"mean": state.facts.mean, "std": state.facts.std}
    flat = {f"{part}.{name}": np.nan_to_num(values) for part, by in predicted.items() for name, values in by.items()}
    for name, values in told.items():
        flat |= {f"{name}.{key}": v for key, v in values.items()} if isinstance(values, Mapping) else {name: values}
    return {**flat, "step": state.step.copy()}


def describe_ends(state: State, rows: NDArray[np.int64]) -> dict[str, Any]:
    """What ``final_info`` says besides about the rows whose episode ended, with None for all others."""
    ended = np.zeros(len(state.step), np.bool_)
    ended[rows] = True
    info: dict[str, Any] = {}
    for key, batch in (("formula", state.compositions), ("start_formula", state.start)):
        names = np.full(len(ended), None, dtype=object)
        names[rows] = batch[rows].formulas()
        info[key], info[f"_{key}"] = names, ended.copy()
    return {**info, "step": state.step.copy()}
