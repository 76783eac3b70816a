"""The protocol: methods from anywhere at an equal budget, what they find, and how far a score can be trusted."""

from matenv.benchmark.found import Found, best_by_system
from matenv.benchmark.method import METHODS, AskTell, Player, Search, find, register
from matenv.benchmark.play import play, search
from matenv.benchmark.policy import PolicyMethod
from matenv.benchmark.problem import Problem
from matenv.benchmark.references import References, references
from matenv.benchmark.results import PROTOCOL_VERSION, TRACKS, Plan, Result, read_results
from matenv.benchmark.sweep import sweep
from matenv.benchmark.tracks import plans, run
from matenv.benchmark.training import Training
from matenv.benchmark.validate import validate

__all__ = [
    "METHODS",
    "PROTOCOL_VERSION",
    "TRACKS",
    "AskTell",
    "Found",
    "Plan",
    "Player",
    "PolicyMethod",
    "Problem",
    "References",
    "Result",
    "Search",
    "Training",
    "best_by_system",
    "find",
    "play",
    "plans",
    "read_results",
    "references",
    "register",
    "run",
    "search",
    "sweep",
    "validate",
]
