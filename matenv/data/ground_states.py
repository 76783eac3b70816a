"""From documents of the Materials Project to one row per formula: what is left out, the lowest of polymorphs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import MAX_ELEMENTS, CompositionBatch, FormulaIndex, integer_counts
from matenv.data.download import Documents, Request
from matenv.data.materials_project import GNOME, NON_COMMERCIAL

LABELS: dict[str, str] = {
    "band_gap_pbe": "eV",
    "log10_bulk_modulus": "log10(GPa)",
    "log10_shear_modulus": "log10(GPa)",
    "density": "g/cm3",
    "magnetisation": "muB/atom",
    "energy_above_hull": "eV/atom",
    "theoretical": "1: no such structure is known from experiment",
}
"""Labels of the table and their units; of the ground state, as the Materials Project gives them."""

SOFTEST = 1.0
"""GPa; an elastic modulus up to this is a failed calculation."""

NAMED = 20
"""Material ids that are named with each reason to leave materials out."""


@dataclass(frozen=True)
class Materials:
    """Materials with energies of one type, every polymorph, and what was left out.

    Attributes:
        entries: One record per material, of plain values that JSON holds.
        compositions: Their compositions (M), a formula as often as it has polymorphs.
        ground_state: Which are the lowest of their formula (M,) bool; of equals the first by id.
        left_out: Reason -> material ids.
    """

    entries: list[dict[str, Any]]
    compositions: CompositionBatch
    ground_state: NDArray[np.bool_]
    left_out: dict[str, list[str]]

    def column(self, name: str) -> NDArray[np.float64]:
        """A column of numbers (M,), NaN where absent."""
        return np.array([np.nan if e[name] is None else e[name] for e in self.entries], np.float64)

    def table(self) -> dict[str, NDArray]:
        """The ground states of compounds, as columns: what `matenv.data.snapshot` stores.

        Returns:
            ``size``, ``elements``, ``counts``: packed compositions; ``formation_energy`` (N,) eV/atom; ``material_id``;
            ``polymorphs``: materials of the formula; ``label.*`` and ``spread.*`` (N,).
        """
        rows = np.flatnonzero(self.ground_state & (self.compositions.size > 1))
        batch = self.compositions[rows]
        members = FormulaIndex(batch).find(self.compositions)
        columns: dict[str, NDArray] = {
            "size": batch.size, "elements": batch.elements, "counts": batch.counts,
            "formation_energy": self.column("formation_energy")[rows],
            "material_id": np.array([self.entries[row]["material_id"] for row in rows], np.str_),
            "polymorphs": np.bincount(members[members >= 0], minlength=len(rows)),
        }  # fmt: skip
        for name in LABELS:
            columns[f"label.{name}"] = self.column(name)[rows]
        for name in ("formation_energy", *LABELS):
            columns[f"spread.{name}"] = _spread(self.column(name), members, len(rows))
        return columns


def gather(documents: Documents, request: Request) -> Materials:
    """Join summaries and thermodynamics, leave out what cannot serve, and find the ground states.

    Args:
        documents: As downloaded.
        request: What they were downloaded for.

    Returns:
        The materials.

    Raises:
        ValueError: Nothing is left; the reasons are named.
    """
    left_out: dict[str, list[str]] = {}
    thermo = _by_id(documents.thermo, left_out)
    entries: dict[str, dict[str, Any]] = {}
    for summary in documents.summary:
        name, energies = summary["material_id"], thermo.get(summary["material_id"])
        reason = _unfit(summary, energies, request)
        if reason is None and energies is not None:
            entries[name] = _entry(summary, energies)
        else:
            left_out.setdefault(str(reason), []).append(name)
    chosen, batch = _read(sorted(entries.values(), key=lambda entry: _order(entry["material_id"])), left_out)
    if not chosen:
        reasons = ", ".join(f"{reason}: {len(names)}" for reason, names in left_out.items())
        raise ValueError(f"none of {documents.expected:,} materials can serve as {request.thermo_type} ({reasons})")
    ground_state = np.zeros(len(chosen), np.bool_)
    energy = np.array([entry["formation_energy"] for entry in chosen])
    lowest = np.argsort(energy, kind="stable")
    ground_state[lowest[batch[lowest].distinct()]] = True
    for entry, formula, lowest_one in zip(chosen, batch.formulas(), ground_state.tolist(), strict=True):
        entry |= {"formula": formula, "ground_state": lowest_one}
    return Materials(chosen, batch, ground_state, left_out)


def _by_id(documents: Iterable[dict], left_out: dict[str, list[str]]) -> dict[str, dict]:
    """Thermodynamics by material; of two documents the one of lower energy."""
    found: dict[str, dict] = {}
    for document in documents:
        name = document["material_id"]
        if name in found:
            left_out.setdefault("a second document of its energies, the higher", []).append(name)
        before = _number(found.get(name, {}).get("formation_energy_per_atom"))
        now = _number(document.get("formation_energy_per_atom"))
        if name not in found or (now is not None and (before is None or now < before)):
            found[name] = document
    return found


def _unfit(summary: dict, energies: dict | None, request: Request) -> str | None:
    """Why a material is left out, if it is."""
    if energies is None:
        return f"no energies of type {request.thermo_type}"
    if str(energies.get("thermo_type")).upper() != request.thermo_type.upper():
        return "energies of another type than asked for"
    if summary.get("deprecated") or energies.get("deprecated"):
        return "deprecated"
    for document in (summary, energies):
        meta = document.get("builder_meta") or {}
        if not request.gnome and (meta.get("license") == NON_COMMERCIAL or meta.get("batch_id") == GNOME):
            return "licence for non-commercial use only"
    if _number(energies.get("formation_energy_per_atom")) is None:
        return "no formation energy"
    symbols = summary.get("elements")
    if not isinstance(symbols, list) or not isinstance(summary.get("formula_pretty"), str):
        return "no formula"
    if any(symbol not in alphabet.INDEX for symbol in symbols):
        return "an element outside the 89"
    return f"more than {MAX_ELEMENTS} elements" if len(symbols) > MAX_ELEMENTS else None


def _entry(summary: dict, thermo: dict) -> dict[str, Any]:
    moment, sites = _number(summary.get("total_magnetization")), _number(summary.get("nsites"))
    theoretical = summary.get("theoretical")
    return {
        "material_id": summary["material_id"],
        "formula": summary["formula_pretty"],
        "formation_energy": _number(thermo["formation_energy_per_atom"]),
        "energy_above_hull": _number(thermo.get("energy_above_hull")),
        "decomposes_to": _products(thermo.get("decomposes_to")),
        "decomposition_enthalpy": _number(thermo.get("decomposition_enthalpy")),
        "equilibrium_reaction_energy": _number(thermo.get("equilibrium_reaction_energy_per_atom")),
        "band_gap_pbe": _number(summary.get("band_gap")),
        "log10_bulk_modulus": _modulus(summary.get("bulk_modulus")),
        "log10_shear_modulus": _modulus(summary.get("shear_modulus")),
        "density": _number(summary.get("density")),
        "magnetisation": moment / sites if moment is not None and sites else None,
        "theoretical": int(theoretical) if isinstance(theoretical, bool) else None,
    }


def _read(
    entries: list[dict[str, Any]], left_out: dict[str, list[str]]
) -> tuple[list[dict[str, Any]], CompositionBatch]:
    """Formulas as compositions, those that cannot be read left out."""
    written = sorted({entry["formula"] for entry in entries})
    counts: dict[str, NDArray[np.int64]] = {}
    try:
        counts = dict(zip(written, integer_counts(written), strict=True)) if written else {}
    except ValueError:
        for formula in written:  # which is it?
            try:
                counts[formula] = integer_counts([formula])[0]
            except ValueError:
                continue
    chosen = [entry for entry in entries if entry["formula"] in counts]
    if unread := [entry["material_id"] for entry in entries if entry["formula"] not in counts]:
        left_out.setdefault("a formula that cannot be read", []).extend(unread)
    dense = np.array([counts[entry["formula"]] for entry in chosen]).reshape(-1, alphabet.NUM_ELEMENTS)
    return chosen, CompositionBatch.from_counts(dense)


def _number(value: Any) -> float | None:
    """A finite number, else None."""
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if real and math.isfinite(value) else None


def _modulus(value: Any) -> float | None:
    """log10 of the Voigt-Reuss-Hill average in GPa."""
    mean = _number(value.get("vrh")) if isinstance(value, dict) else _number(value)
    return math.log10(mean) if mean is not None and mean > SOFTEST else None


def _products(value: Any) -> list[list[Any]] | None:
    """Pairs of formula and atom fraction."""
    if not isinstance(value, list):
        return None
    pairs = [[p.get("formula"), _number(p.get("amount"))] for p in value if isinstance(p, dict)]
    return [pair for pair in pairs if isinstance(pair[0], str) and pair[1] is not None] or None


def _order(material_id: str) -> tuple[int, str]:
    """mp-2 before mp-10."""
    return len(material_id), material_id


def _spread(values: NDArray[np.float64], group: NDArray[np.int64], groups: int) -> NDArray[np.float64]:
    """Largest minus smallest finite value of each group; NaN for a group without."""
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    here = np.isfinite(values) & (group >= 0)
    np.minimum.at(low, group[here], values[here])
    np.maximum.at(high, group[here], values[here])
    return np.where(high >= low, high - low, np.nan)
