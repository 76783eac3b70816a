"""Documents as the Materials Project has them, made of embedded rows, with hulls by pymatgen, and oddities by hand."""

from functools import cache
from typing import Any

import numpy as np
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from matenv import load_dataset

SYSTEM = "Fe-Li-O-P"
ODDITIES = {
    "mp-900001": "deprecated",
    "mp-900002": "licence for non-commercial use only",
    "mp-900003": "no formation energy",
    "mp-900004": "no energies of type GGA_GGA+U",
    "mp-900005": "an element outside the 89",
    "mp-900006": "licence for non-commercial use only",
}
"""Materials to be left out, and why; the first is never sent, as the API filters deprecated ones."""


def summary_of(material_id, formula, **changes):
    composition = Composition(formula)
    return {
        "material_id": material_id,
        "formula_pretty": formula,
        "elements": sorted(str(element) for element in composition.elements),
        "chemsys": composition.chemical_system,
        "nsites": int(composition.num_atoms),
        "density": 3.5,
        "band_gap": 1.25,
        "bulk_modulus": {"voigt": 101.0, "reuss": 99.0, "vrh": 100.0},
        "shear_modulus": None,
        "total_magnetization": 2.0,
        "theoretical": False,
        "deprecated": False,
        "builder_meta": {"license": "BY-C", "batch_id": None},
    } | changes


def thermo_of(material_id, energy, above=0.0, products=None, thermo_type="GGA_GGA+U", **changes):
    return {
        "material_id": material_id,
        "thermo_type": thermo_type,
        "formation_energy_per_atom": energy,
        "energy_above_hull": above,
        "is_stable": bool(above == 0),
        "equilibrium_reaction_energy_per_atom": None,
        "decomposes_to": products,
        "decomposition_enthalpy": above,
        "deprecated": False,
        "builder_meta": {"license": "BY-C"},
    } | changes


@cache
def documents():
    """Summaries and thermodynamics of every subsystem of `SYSTEM`: ground states, polymorphs, oddities."""
    data = load_dataset("mp-ground-states")
    inside = np.array([set(system.split("-")) <= set(SYSTEM.split("-")) for system in data.systems])
    formulas, energies = data.formulas[inside].tolist(), data.formation_energy[inside].tolist()
    formulas += ["Fe", "Li", "O2", "P", *formulas[:9]]
    energies += [0.0] * 4 + [energy + 0.05 for energy in energies[:9]]
    entries = [
        PDEntry(Composition(formula), energy * Composition(formula).num_atoms)
        for formula, energy in zip(formulas, energies, strict=True)
    ]
    diagram: Any = PhaseDiagram(entries)
    summaries, thermos = [], []
    for k, (formula, entry) in enumerate(zip(formulas, entries, strict=True)):
        mixture, above = diagram.get_decomp_and_e_above_hull(entry)
        products = [
            {"material_id": "mp-0", "formula": e.composition.formula, "amount": share} for e, share in mixture.items()
        ]
        stable = above < 1e-9
        summaries.append(summary_of(f"mp-{k + 1}", formula))
        thermos.append(thermo_of(f"mp-{k + 1}", energies[k], 0.0 if stable else above, None if stable else products))
    odd = {
        "mp-900001": (summary_of("mp-900001", "Li2O", deprecated=True), thermo_of("mp-900001", -9.0)),
        "mp-900002": (
            summary_of("mp-900002", "LiFeO2", builder_meta={"license": "BY-NC", "batch_id": "gnome_r2scan_statics"}),
            thermo_of("mp-900002", -9.0),
        ),
        "mp-900003": (summary_of("mp-900003", "Li3P7O2"), thermo_of("mp-900003", None)),
        "mp-900004": (summary_of("mp-900004", "Li5P7O2"), thermo_of("mp-900004", -1.0, thermo_type="R2SCAN")),
        "mp-900005": (summary_of("mp-900005", "RnO3"), thermo_of("mp-900005", -0.1)),
        "mp-900006": (  # not marked in its summary's batch, but by its licence
            summary_of("mp-900006", "Li7FeO2", builder_meta={"license": "BY-NC"}),
            thermo_of("mp-900006", -9.0),
        ),
    }
    odd["mp-900005"][0]["chemsys"] = "O"  # so that this system's questions find it
    for summary, thermo in odd.values():
        summaries.append(summary)
        thermos.append(thermo)
    thermos.append(thermo_of("mp-1", energies[0] - 1.0, thermo_type="R2SCAN"))  # must not be taken for the other type
    return summaries, thermos
