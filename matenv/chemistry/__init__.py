"""Chemistry by rule: charge neutrality, electronegativity balance, and oxidation states that explain them."""

from matenv.chemistry.assignment import oxidation_states
from matenv.chemistry.validity import is_all_metal, is_charge_neutral, is_electronegativity_balanced

__all__ = ["is_all_metal", "is_charge_neutral", "is_electronegativity_balanced", "oxidation_states"]
