"""Chemistry by rule: charge neutrality, electronegativity balance, and oxidation states that explain them."""

from matenv.chemistry.assignment import MOST_ATOMS_EXPLAINED, States, is_ionic, oxidation_states, spelled
from matenv.chemistry.table import COMMON_SHARE
from matenv.chemistry.validity import is_all_metal, is_charge_neutral, is_electronegativity_balanced

__all__ = [
    "COMMON_SHARE",
    "MOST_ATOMS_EXPLAINED",
    "States",
    "is_all_metal",
    "is_charge_neutral",
    "is_electronegativity_balanced",
    "is_ionic",
    "oxidation_states",
    "spelled",
]
