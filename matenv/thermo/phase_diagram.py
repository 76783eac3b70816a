"""Hulls from and to pymatgen's `PhaseDiagram`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.data import Dataset

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PhaseDiagram


def from_phase_diagram(diagram: PhaseDiagram, energy_scheme: str, name: str = "phase diagram") -> Dataset:
    """The compounds of a diagram as a table.

    Args:
        diagram: The diagram.
        energy_scheme: Which energies these are.
        name: Name of the table.

    Returns:
        Formation energies against the diagram's own elements, eV/atom.

    Raises:
        ValueError: It holds no compound.
    """
    if not hasattr(diagram, "all_entries"):
        raise ValueError(f"diagram={str(diagram)[:60]!r} must be a pymatgen PhaseDiagram")
    compounds = [entry for entry in diagram.all_entries if not entry.composition.is_element]
    if not compounds:
        raise ValueError("diagram holds no compound; give one with at least one")
    energies = [float(diagram.get_form_energy_per_atom(entry)) for entry in compounds]
    formulas = [entry.composition for entry in compounds]
    return Dataset.from_formulas(formulas, energies, name=name, energy_scheme=energy_scheme)


def to_phase_diagram(
    compositions: CompositionBatch, energy: NDArray[np.float64], elements: Iterable[str]
) -> PhaseDiagram:
    """The phases of one chemical system as a diagram.

    Args:
        compositions: Compounds (n).
        energy: Their formation energies (n,) eV/atom.
        elements: Symbols of the system.

    Returns:
        The diagram, pure elements at zero energy.

    Raises:
        ValueError: An unknown element, or none.
    """
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    symbols = elements.split("-") if isinstance(elements, str) else elements
    if not len(alphabet.positions(symbols)):  # type: ignore[arg-type]
        raise ValueError(f"elements={symbols!r} must be symbols such as ['Li', 'Fe', 'O']")
    symbols = list(symbols)
    inside = np.zeros(alphabet.NUM_ELEMENTS + 1, np.bool_)
    inside[[alphabet.INDEX[symbol] for symbol in symbols]] = inside[-1] = True  # the last stands for padding
    rows = np.flatnonzero(inside[compositions.elements].all(axis=1))
    entries = [PDEntry(Composition(symbol), 0.0) for symbol in symbols]
    for row in rows.tolist():
        size = int(compositions.size[row])
        amounts = {
            alphabet.SYMBOLS[element]: int(count)
            for element, count in zip(
                compositions.elements[row, :size].tolist(), compositions.counts[row, :size].tolist(), strict=True
            )
        }
        entries.append(PDEntry(Composition(amounts), float(energy[row]) * sum(amounts.values())))
    return PhaseDiagram(entries)
