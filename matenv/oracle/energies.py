"""Whether the energies of a table of one's own may stand beside a predictor's."""

from __future__ import annotations

import warnings

import numpy as np

from matenv.data import Dataset, load_dataset
from matenv.data.schemes import SAME, difference, is_stated

COMPARED = 5
"""Shared formulas from which on the comparison with the embedded table decides."""


def check_energies(table: Dataset | str, scheme: str) -> None:
    """Refuse a table whose energies are not those of a scheme; of one that does not say, ask the formulas it shares.

    Args:
        table: The table, of another scheme or of none that is stated; the name of an embedded reference fits no other.
        scheme: The predictor's scheme.

    Raises:
        ValueError: Another scheme, stated or found by comparing. The message says how to convert.

    Warns:
        UserWarning: Nothing is stated and too little is shared to tell.
    """
    if isinstance(table, str):
        raise ValueError(f"the hull {table!r} holds other energies than the predictor's, {scheme!r}")
    convert = (
        "Convert them: matenv.data.fit_conversion(data, matenv.load_dataset()).apply(data), which shows its residual"
    )
    if is_stated(table.energy_scheme):
        raise ValueError(
            f"the predictor's energies are {scheme!r} and those of {table.name} {table.energy_scheme!r}; energies of "
            f"different schemes cannot be compared. {convert}"
        )
    number, apart = difference(table, load_dataset())
    if number >= COMPARED and apart > SAME:
        raise ValueError(
            f"{table.name} does not say which energies it holds; on the {number:,} formulas that it shares with the "
            f"embedded table ({scheme}) they differ by {apart:.3f} eV/atom. {convert}"
        )
    if number < COMPARED:
        shown = "" if np.isnan(apart) else f", which differ by {apart:.3f} eV/atom,"
        warnings.warn(
            f"{table.name} does not say which energies it holds, and shares {number} formulas{shown} with the embedded "
            f"table: too few to tell. They are taken as {scheme!r}; if they are, say so: energy_scheme={scheme!r}",
            UserWarning,
            stacklevel=4,
        )
