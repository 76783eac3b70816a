"""Choices of elements that tasks share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matenv import elements as alphabet

PRECIOUS = ("Ru", "Rh", "Pd", "Ag", "Re", "Os", "Ir", "Pt", "Au")
"""Precious metals and rhenium."""

TOXIC = tuple(symbol for symbol, harm in zip(alphabet.SYMBOLS, alphabet.values("toxic"), strict=True) if harm > 0)
"""Elements whose compounds are classed as toxic as a group, `matenv.elements.SUPPLY` says where."""

RADIOACTIVE = alphabet.MASKED_BY_DEFAULT

_SCARCE, _HARMFUL = 10.0, ("toxic", "rohs", "radioactive")

ABUNDANT = tuple(
    symbol
    for symbol, amount, harm in zip(
        alphabet.SYMBOLS,
        alphabet.values("abundance"),
        np.max([alphabet.values(name) for name in _HARMFUL], axis=0),
        strict=True,
    )
    if amount >= _SCARCE and not harm and symbol not in alphabet.ABSENT
)
"""Elements of 10 mg/kg of the Earth's crust or more that no flag of `matenv.elements.SUPPLY` calls harmful."""

NAMED = 8
"""Elements of a list that an error names."""


def named(symbols: Sequence[str] | None) -> str:
    """Symbols as an error shows them: all of a short list, of a long one the first and how many there are."""
    if symbols is None or len(symbols) <= NAMED:
        return str(None if symbols is None else list(symbols))
    return f"[{', '.join(map(repr, symbols[:NAMED]))}, ...: {len(symbols)} elements]"
