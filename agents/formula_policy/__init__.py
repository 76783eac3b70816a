"""An autoregressive policy over formulas with exact probabilities, masked by a task's rules; its prior ships."""

from matenv.agents.formula_policy.network import FormulaPolicy
from matenv.agents.formula_policy.prior import load_prior, pretrain
from matenv.agents.formula_policy.rules import FormulaRules
from matenv.agents.formula_policy.sequences import MOST_COUNT, MOST_ELEMENTS, Sequences
from matenv.agents.formula_policy.unrolled import Unrolled

__all__ = [
    "MOST_COUNT",
    "MOST_ELEMENTS",
    "FormulaPolicy",
    "FormulaRules",
    "Sequences",
    "Unrolled",
    "load_prior",
    "pretrain",
]
