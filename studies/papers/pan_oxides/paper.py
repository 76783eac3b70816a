"""What the paper and its notebooks say, and its random policy and neutrality check, written anew.

Pan, Karpovich and Olivetti, arXiv:2210.11931; Karpovich, Pan and Olivetti, npj Comput. Mater. 10, 287 (2024);
notebooks of github.com/eltonpan/RL_materials_generation. Means over three runs of 1,000 compounds each.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.chemistry.reachable import neutral_rows
from matenv.chemistry.table import load_table
from matenv.composition import CompositionBatch

ELEMENTS = (
    "Ag Al Am As Au B Ba Be Bi Br C Ca Cd Ce Cl Co Cr Cs Cu Dy Er Eu F Fe Ga Gd Ge H Hf Hg Ho I In Ir K La Li Lu Mg Mn "
    "Mo N Na Nb Nd Ni O Os P Pb Pd Pr Pt Pu Rb Re Rh Ru S Sb Sc Se Si Sm Sn Sr Ta Tb Te Th Ti Tl Tm U V W Y Yb Zn Zr"
).split()
"""The 80 elements of its actions; Am is none of the alphabet here and is left out."""

RANDOM = {
    "neutral": 0.591, "balanced": 0.420, "unique": 1.0, "diversity": 19.9,
    "formation_energy": -1.40, "log10_bulk_modulus": 4.28, "log10_shear_modulus": 3.64, "band_gap_pbe": 0.63,
}  # fmt: skip
"""The random policy; moduli as natural logarithms, of GPa as the values suggest, though no unit is given."""

TRAINED = {
    "formation_energy": {"neutral": 0.648, "balanced": 0.502, "unique": 0.998, "diversity": 16.0, "value": -2.208},
    "log10_bulk_modulus": {"neutral": 0.862, "balanced": 0.672, "unique": 0.998, "diversity": 9.9, "value": 5.258},
    "log10_shear_modulus": {"neutral": 0.879, "balanced": 0.743, "unique": 1.0, "diversity": 10.8, "value": 4.497},
    "band_gap_pbe": {"neutral": 0.778, "balanced": 0.604, "unique": 1.0, "diversity": 13.4, "value": 1.69},
}
"""The deep Q-network, by the property it was rewarded for."""

UNREDUCED = "neutral_if_reduced", "balanced_if_reduced"
"""The two shares as the paper's check counts them: a formula that can be reduced fails."""


def random_counts(number: int, seed: int) -> NDArray[np.int64]:
    """Atoms (number, 89) by the paper's rules: four times an element and 0 to 9 atoms, then 1 to 9 of oxygen.

    An element that comes twice, oxygen among them, adds up.
    """
    random = np.random.default_rng(seed)
    places = np.array(alphabet.positions([each for each in ELEMENTS if each in alphabet.INDEX]))
    counts, rows = np.zeros((number, alphabet.NUM_ELEMENTS), np.int64), np.arange(number)
    for _ in range(4):
        counts[rows, random.choice(places, number)] += random.integers(10, size=number)
    counts[:, alphabet.INDEX["O"]] += random.integers(1, 10, size=number)
    return counts


def shares_as_checked(counts: NDArray[np.int64], states: Path | None = None) -> dict[str, float]:
    """Neutral and balanced shares, where formulas that can be reduced fail, as ratios of SMACT 2 are reduced ones.

    Args:
        counts: Atoms (B, 89).
        states: SMACT's ``oxidation_states.txt`` to take oxidation states from; None for the table that ships here.
    """
    batch, table = CompositionBatch.from_counts(counts), load_table()
    kept = table.states, table.number, table.negative
    if states is not None:
        kept = _read(states, int(table.states.shape[1]) * 2)
    reduced = np.gcd.reduce(counts, axis=1) == 1
    alone, none = batch.size == 1, np.zeros(alphabet.NUM_ELEMENTS, np.bool_)
    passed = (
        neutral_rows(batch.elements, batch.counts, batch.size, *kept, table.electronegativity, none, ordered)
        for ordered in (False, True)
    )
    return {name: float((each & reduced | alone).mean()) for name, each in zip(UNREDUCED, passed, strict=True)}


def _read(path: Path, most: int) -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.int8]]:
    """States (89, most), how many there are, and how many of these are negative, of lines such as ``O -2 -1``."""
    states = np.zeros((alphabet.NUM_ELEMENTS, most), np.int8)
    number, negative = (np.zeros(alphabet.NUM_ELEMENTS, np.int8) for _ in range(2))
    for line in path.read_text().splitlines():
        symbol, *rest = line.split() or ["#"]
        if symbol in alphabet.INDEX:
            place, values = alphabet.INDEX[symbol], sorted(map(int, rest))
            states[place, : len(values)] = values
            number[place], negative[place] = len(values), sum(value < 0 for value in values)
    return states, number, negative
