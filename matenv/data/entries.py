"""pymatgen entries as a table of formation energies: `ComputedEntry`, `ComputedStructureEntry` and `PDEntry`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_CLASSES = ("ComputedEntry", "ComputedStructureEntry", "PDEntry")


def is_entry(item: Any) -> bool:
    """Whether something is an entry: it has a composition and an energy."""
    return hasattr(item, "composition") and hasattr(item, "energy_per_atom")


def from_dicts(content: Sequence[dict[str, Any]]) -> list[Any]:
    """Entries from what pymatgen writes as JSON; classes other than the three are refused, none is imported by name.

    Raises:
        ValueError: Another class, or a damaged entry.
    """
    from pymatgen.analysis.phase_diagram import PDEntry
    from pymatgen.core.entries import ComputedEntry, ComputedStructureEntry

    kinds = {kind.__name__: kind for kind in (ComputedEntry, ComputedStructureEntry, PDEntry)}
    made = []
    for row, each in enumerate(content):
        if each.get("@class") not in kinds:
            raise ValueError(f"row {row} is a {each.get('@class')!r}; entries are one of {', '.join(_CLASSES)}")
        try:
            made.append(kinds[each["@class"]].from_dict(each))
        except Exception as error:
            raise ValueError(f"row {row} is a damaged {each['@class']}: {error}") from None
    return made


def frame_of(items: Iterable[Any]) -> tuple[pd.DataFrame, list[str], dict[int, str]]:
    """Formation energies against the lowest entry of each element among them.

    Args:
        items: Entries, those of the pure elements among them; total energies in eV, corrected as they are.

    Returns:
        A frame with ``formula``, ``formation_energy`` (eV/atom) and ``entry_id``; how it was read; and why an entry
        cannot be used, by row: one of its elements has no entry of its own.

    Raises:
        ValueError: Something that is no entry.
    """
    import pandas as pd

    listed = list(items)
    for row, item in enumerate(listed):
        if not is_entry(item):
            raise ValueError(f"entries[{row}] is a {type(item).__name__}; expected one of {', '.join(_CLASSES)}")
    lowest: dict[str, float] = {}
    for item in listed:
        if item.composition.is_element:
            symbol = item.composition.elements[0].symbol
            lowest[symbol] = min(lowest.get(symbol, np.inf), float(item.energy_per_atom))
    energies, unusable = [], dict[int, str]()
    for row, item in enumerate(listed):
        amounts = {element.symbol: amount for element, amount in item.composition.items()}
        lacking = amounts.keys() - lowest.keys()
        if lacking:
            unusable[row] = f"no formation energy: there is no entry of pure {', '.join(sorted(lacking))}; add one"
        reference = sum(amount * lowest.get(symbol, np.nan) for symbol, amount in amounts.items())
        energies.append((float(item.energy) - reference) / item.composition.num_atoms)
    said = ["formation_energy: total energies minus those of the lowest entry of each element, eV/atom"]
    runs = {str(run) for item in listed if (run := (getattr(item, "parameters", None) or {}).get("run_type"))}
    frame = pd.DataFrame(
        {
            "formula": [item.composition for item in listed],
            "formation_energy": energies,
            "entry_id": [str(getattr(item, "entry_id", None) or getattr(item, "name", None) or "") for item in listed],
        }
    )
    frame.attrs = {"units": {"formation_energy": "eV/atom"}}
    if runs:
        frame.attrs["energy_scheme"] = f"entries:{'/'.join(sorted(runs))}"
    return frame, said, unusable
