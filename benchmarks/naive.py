"""The same environment step as a materials scientist would first write it, to compare speed with.

One formula at a time, from parts that everybody has: pymatgen's `Composition` and `PhaseDiagram` for the competing
phases, SMACT for validity, a scikit-learn random forest per property on element fractions and Magpie-like statistics.
The score has the form of `matenv.tasks`: utility x viability x validity. It is written to be clear, and none of it is
slower than it needs to be: entries are parsed once, trees skip input checks, and phase diagrams can be kept.

What differs from matenv: forests instead of networks (fitted on 10,000 rows), the spread of the trees as the
uncertainty of the formation energy and no calibration, and SMACT's rules beside the task's own in the validity.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element
from scipy.stats import norm

from matenv import Dataset, load_dataset, load_latent
from matenv.elements import SYMBOLS
from matenv.tasks import TAPER_WIDTH, TASKS, TOO_GOOD, Task

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

    from matenv.latent import LatentSpace

MAGPIE = ("X", "atomic_mass", "atomic_radius", "group", "row", "mendeleev_no", "melting_point", "molar_volume")
"""Elemental properties, as pymatgen names them, whose statistics are features."""


class CompetingPhases:
    """Energy of the phases that compete with a formula, from pymatgen phase diagrams of its chemical system.

    Args:
        data: Reference phases.
        keep: Whether to keep each phase diagram once built.
    """

    def __init__(self, data: Dataset, keep: bool = True) -> None:
        self.keep = keep
        self._diagrams: dict[tuple[str, str | None], PhaseDiagram] = {}
        self._entries: dict[str, list[PDEntry]] = {}
        self._known = set(data.formulas.tolist())
        for formula, energy, system in zip(data.formulas, data.formation_energy, data.systems, strict=True):
            composition = Composition(str(formula))
            entry = PDEntry(composition, energy * composition.num_atoms, name=str(formula))
            self._entries.setdefault(str(system), []).append(entry)

    def decompose(self, formula: str) -> tuple[float, list[tuple[str, float]]]:
        """The cheapest mixture of other phases.

        Args:
            formula: Reduced formula.

        Returns:
            Energy (eV/atom), and products as (formula, atom fraction).
        """
        composition = Composition(formula)
        symbols = sorted(element.symbol for element in composition.elements)
        own = formula if formula in self._known else None
        key = ("-".join(symbols), own)
        diagram = self._diagrams.get(key)
        if diagram is None:
            diagram = PhaseDiagram(self._candidates(symbols, own))
            if self.keep:
                self._diagrams[key] = diagram
        parts = diagram.get_decomposition(composition)
        energy = sum(amount * entry.energy_per_atom for entry, amount in parts.items())
        return float(energy), [(entry.composition.reduced_formula, amount) for entry, amount in parts.items()]

    def _candidates(self, symbols: list[str], own: str | None) -> list[PDEntry]:
        """Pure elements, and entries of the chemical system and all its subsystems but the formula's own."""
        entries = [PDEntry(Composition(symbol), 0.0) for symbol in symbols]
        for size in range(2, len(symbols) + 1):
            for subsystem in combinations(symbols, size):
                entries += [e for e in self._entries.get("-".join(subsystem), []) if e.name != own]
        return entries


class Predicts(Protocol):
    """What tells properties, as `Forests` do."""

    def predict(self, fractions: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
        """Mean and spread by name of the property, of fractions (89,)."""


class Forests:
    """Random forests of formation energy and log10 bulk modulus.

    Args:
        data: Rows to learn from.
        rows: Most rows to fit each forest on, chosen at random.
        trees: Trees per forest.
        seed: Seed of rows and forests.
    """

    TARGETS = ("formation_energy", "log10_bulk_modulus")

    def __init__(self, data: Dataset, rows: int = 10_000, trees: int = 100, seed: int = 0) -> None:
        from sklearn.ensemble import RandomForestRegressor

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pymatgen says that noble gases have no electronegativity
            self._table = np.array([[_value(symbol, name) for name in MAGPIE] for symbol in SYMBOLS])
        random = np.random.default_rng(seed)
        self._forests: dict[str, RandomForestRegressor] = {}
        for target in self.TARGETS:
            values = data.formation_energy if target == "formation_energy" else data.labels[target]
            listed = random.permutation(np.flatnonzero(np.isfinite(values)))[:rows]
            features = np.array([self.features(fractions) for fractions in data.fractions[listed]])
            forest = RandomForestRegressor(trees, max_features=1 / 3, min_samples_leaf=2, n_jobs=-1, random_state=seed)
            self._forests[target] = forest.fit(features, values[listed])
            forest.n_jobs = 1  # for one row at a time, threads cost more than they save

    def features(self, fractions: NDArray[np.float64]) -> NDArray[np.float32]:
        """Element fractions, and mean, mean deviation, minimum, maximum and range of 8 elemental properties (129,)."""
        present = np.flatnonzero(fractions)
        weights, values = fractions[present], self._table[present]
        mean = weights @ values
        deviation = weights @ np.abs(values - mean)
        low, high = values.min(axis=0), values.max(axis=0)
        return np.concatenate([fractions, mean, deviation, low, high, high - low]).astype(np.float32)

    def predict(self, fractions: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation over the trees, by property."""
        row = self.features(fractions)[None]
        predicted = {}
        for target, forest in self._forests.items():
            each = np.array([tree.predict(row, check_input=False)[0] for tree in forest.estimators_])
            predicted[target] = float(each.mean()), float(each.std())
        return predicted


@dataclass(frozen=True)
class Verdict:
    """What the straightforward reward says about one formula; names and units as in `matenv.oracle.Assessment`."""

    score: float
    utility: float
    viability: float
    validity: float
    predicted: dict[str, tuple[float, float]]
    hull_energy: float
    decomposition_energy: float
    p_stable: float
    products: list[tuple[str, float]]


class NaiveReward:
    """Scores one formula at a time for the task ``"stiff-stable"``.

    Args:
        data: Reference phases and training rows.
        competing: The competing phases; None to read them from `data`, phase diagrams kept.
        forests: The forests; None to fit them.
        smact: Whether SMACT's rules take part in the validity.
    """

    def __init__(
        self,
        data: Dataset,
        competing: CompetingPhases | None = None,
        forests: Predicts | None = None,
        smact: bool = True,
    ) -> None:
        self.task: Task = TASKS["stiff-stable"]
        self.competing = competing or CompetingPhases(data)
        self.forests: Predicts = forests or Forests(data)
        self.smact = smact

    def __call__(self, formula: str, fractions: NDArray[np.float64]) -> Verdict:
        """Score a formula with its atom fractions (89,)."""
        composition = Composition(formula)
        predicted = self.forests.predict(fractions)
        energy, spread = predicted["formation_energy"]
        hull_energy, products = self.competing.decompose(formula)
        decomposition_energy = energy - hull_energy
        p_stable = float(norm.cdf(-decomposition_energy / max(spread, 1e-3)))
        floor = TOO_GOOD.get(min(len(composition), max(TOO_GOOD)))
        taper = 1.0 if floor is None else float(norm.cdf((decomposition_energy - floor) / TAPER_WIDTH))
        low, high = 1.2, 2.6  # log10 GPa: the task's ramp
        utility = min(max((predicted["log10_bulk_modulus"][0] - low) / (high - low), 0.0), 1.0)
        validity = float(self.is_valid(composition))
        score = utility * p_stable * taper * validity
        return Verdict(
            score, utility, p_stable * taper, validity, predicted, hull_energy, decomposition_energy, p_stable, products
        )

    def is_valid(self, composition: Composition) -> bool:
        """The task's rules on elements and counts, then SMACT's on charges."""
        task, counts = self.task, composition.get_el_amt_dict()
        if not (
            task.min_elements <= len(counts) <= task.max_elements
            and sum(counts.values()) <= task.max_atoms
            and max(counts.values()) <= task.max_count
            and not set(counts) & set(task.exclude)
        ):
            return False
        if not self.smact:
            return True
        from smact.screening import smact_validity

        return bool(smact_validity(composition))


class NaiveEnv:
    """`MaterialLatent-v0` with the straightforward reward: the same moves, the same decoder, one row.

    Args:
        reward: The reward.
        horizon: Steps per episode.
        seed: Seed of the starts.
    """

    def __init__(self, reward: NaiveReward, horizon: int = 16, seed: int = 0) -> None:
        self.reward = reward
        self.space: LatentSpace = load_latent("vae")
        self.horizon = horizon
        data = load_dataset("mp-ground-states")
        self._starts = data.compositions[data.split("system").train]
        self._random = np.random.default_rng(seed)

    def reset(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin at a random training formula."""
        row = int(self._random.integers(len(self._starts)))
        self._z = self._project(self.space.encode(self._starts[row : row + 1])[0])
        self._steps = 0
        self._formula = ""
        observation, _, info = self._look()
        return observation, info

    def step(self, action: NDArray) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move by one standard deviation times the action (n,), decode, score."""
        self._z = self._project(self._z + np.clip(action, -1.0, 1.0))
        self._steps += 1
        observation, reward, info = self._look()
        return observation, reward, False, self._steps >= self.horizon, info

    def _look(self) -> tuple[NDArray[np.float32], float, dict[str, Any]]:
        batch = self.space.decode_batch(self._z)
        formula, fractions = batch.formulas()[0], batch.fractions()[0]
        changed = formula != self._formula
        self._formula = formula
        observation = np.concatenate([self._z / self.space.radius, fractions]).astype(np.float32)
        if not formula or len(Composition(formula)) < 2:
            return observation, 0.0, {"formula": formula, "score": 0.0}
        verdict = self.reward(formula, fractions)
        info = {"formula": formula, **vars(verdict)}
        return observation, verdict.score if changed else 0.0, info

    def _project(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        return z / max(float(np.linalg.norm(z)) / self.space.radius, 1.0)


def _value(symbol: str, name: str) -> float:
    """An elemental property; 0 where pymatgen has none."""
    value = getattr(Element(symbol), name)
    return 0.0 if value is None or value != value else float(value)
