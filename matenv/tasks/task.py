"""Tasks: a `Task` turns an `Assessment` into a score in [0, 1] with named parts, and a success flag.

score = utility x viability x validity. A product, not a weighted sum: a sum lets a good property buy off viability.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.checks import check_made, check_number
from matenv.chemistry import COMMON_SHARE, is_electronegativity_balanced
from matenv.compiled.jit import njit
from matenv.composition import CompositionBatch, check_packed, integer_counts
from matenv.composition.movers import movers_distance
from matenv.data.novelty import is_novel, train_formulas
from matenv.oracle import Assessment
from matenv.oracle.viability import ROOT, viability_of
from matenv.properties.element_properties import ELEMENT_PROPERTIES, ElementProperty
from matenv.properties.own import Property
from matenv.tasks.checked import check_fields
from matenv.tasks.element_choices import named
from matenv.tasks.objectives import Objective, Window

Regime = Literal["any", "ionic"]
"""What chemistry a task is about; see `Task`."""

Viability = Literal["p_found", "p_stable", "none"]
"""Which thermodynamic factor a score holds; see `Task`."""

STABLE_SUCCESS = 0.5
"""P(stable) from which a target counts as met."""

FOUND_SUCCESS = 0.1
"""Likewise p_found: of ten such proposals one is a stable phase."""

FRACTION_SLACK = 1e-9
"""A count may stand this much beyond a task's limits on atom fractions: rounding noise only."""

FILTER_UTILITY = 0.5
"""Utility from which a filter is passed."""

PARTS = ("utility", "viability", "validity")
"""Parts of every score, beside the utility of each objective by its name."""


@dataclass(frozen=True)
class TaskScore:
    """Scores of a batch.

    Attributes:
        score: utility x viability x validity, (B,) in [0, 1].
        terms: The factors, each objective's utility by name and each filter's as ``filter_<name>``, (B,) each.
        success: Utility, viability and validity all reached, by the predictor in use, (B,) bool.
    """

    score: NDArray[np.float64]
    terms: dict[str, NDArray[np.float64]]
    success: NDArray[np.bool_]


@dataclass(frozen=True)
class Task:
    """What is asked for.

    Attributes:
        name: Name in the registry.
        description: One sentence.
        objectives: Objectives, multiplied.
        novel: Only candidates that are no near-copy of a known formula score; known is the whole embedded table,
            held-out rows included.
        unseen: Only formulas that the reference lacks score, those it holds out included: rediscovery.
        min_elements: Fewest elements (a pure element or a solid solution is a trivial optimum).
        max_elements: Most elements.
        max_atoms: Most atoms per reduced formula unit.
        max_count: Largest count of one element in it.
        elements: If given, the only elements allowed.
        require: What a formula must hold, each entry an element, or several of which it must hold one: ``("Li", ("F",
            "Cl", "Br"))``, also written ``("Li", "F|Cl|Br")``.
        filters: Objectives that a formula must meet, with a utility of at least 0.5, to be valid at all; they do not
            make it any better. ``Window("price", high=50)``, for example.
        exclude: Elements never allowed; by default the radioactive ones whose sparse hulls flatter a candidate.
        success_utility: Utility (the product over the objectives) from which the target counts as met; P(stable) must
            be at least 0.5 besides, and p_found at least 0.1 with the default `viability`. Two objectives met half each
            make 0.25.
        min_fraction: Smallest atom fraction of an element present.
        max_fraction: Largest; below 1 it keeps an agent from near-pure elements.
        properties: Properties of one's own that the objectives are about; an environment's own oracle predicts them.
        regime: ``"any"``: oxidation states do not matter. ``"ionic"``: a formula is valid only if it is
            electronegativity-balanced (`matenv.is_electronegativity_balanced`, metals not exempt, one oxidation state
            per element, at least `valence_share` of its element's reports), so metals without an anion score 0.
        viability: ``"p_found"``: the score holds the factor P(stable) x p_found^(1/3), see `viability_of`, and success
            asks for P(stable) >= 0.5 and p_found >= 0.1. ``"p_stable"``: P(stable) alone, in both, which hardly knows
            which stoichiometry of a system is stable. ``"none"``: neither. Only for questions that the hull of ordered
            compounds at 0 K does not answer (a solid solution is held together by entropy), because nothing then stops
            an agent from formulas that fall apart, which property models, trained on materials that exist, often
            praise. `info` reports both probabilities all the same.
        valence_share: In the regime ``"ionic"``, the smallest share of an element's reports that an oxidation state may
            make up (`min_share` of `matenv.is_electronegativity_balanced`); reachability masks keep to it, too. The
            default leaves out Ca 1+, N 4- and B 1+; 0 takes every state that three reports in the ICSD claim.
        start: Formula that is to be improved; environments start every episode there.
        within: Largest element mover's distance from it (`matenv.composition.movers`) of a valid formula, in places of
            the modified Pettifor scale.
    """

    name: str
    description: str
    objectives: tuple[Objective, ...]
    novel: bool = False
    unseen: bool = False
    min_elements: int = 2
    max_elements: int = 6
    max_atoms: int = 20
    max_count: int = 12
    elements: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = field(default=alphabet.MASKED_BY_DEFAULT)
    success_utility: float = 0.5
    regime: Regime = "any"
    viability: Viability = "p_found"
    min_fraction: float = 0.0
    max_fraction: float = 1.0
    properties: tuple[Property, ...] = ()
    valence_share: float = COMMON_SHARE
    require: tuple[str | tuple[str, ...], ...] = ()
    filters: tuple[Objective, ...] = ()
    start: str | None = None
    within: float | None = None

    def __post_init__(self) -> None:
        """Check the limits and the element lists."""
        check_fields(self, {"regime": Regime, "viability": Viability})
        if not 1 <= self.min_elements <= self.max_elements <= 10:
            raise ValueError(
                f"min_elements={self.min_elements}, max_elements={self.max_elements}: need 1 <= min <= max <= 10"
            )
        if self.min_elements > self.max_atoms:
            raise ValueError(
                f"max_atoms={self.max_atoms} leaves no room for min_elements={self.min_elements}: an element is an atom"
            )
        names = self.parts
        if len(set(names)) < len(names):
            raise ValueError(
                f"objectives {names} must have distinct names; join two objectives on one property in a Window"
            )
        if taken := set(names) & set(PARTS):
            raise ValueError(
                f"objectives {names}: {', '.join(sorted(taken))} is a part of every score; rename the objective"
            )
        if not 0 <= self.min_fraction <= self.max_fraction <= 1 or self.max_fraction * self.max_elements < 1:
            raise ValueError(
                f"min_fraction={self.min_fraction}, max_fraction={self.max_fraction}: need 0 <= min <= max <= 1, and "
                f"{self.max_elements} elements must be able to fill the formula"
            )
        if self.min_fraction * self.min_elements > 1 + 1e-9:
            raise ValueError(
                f"min_fraction={self.min_fraction}: min_elements={self.min_elements} elements cannot each have so much"
            )
        object.__setattr__(self, "require", check_require(self.require))
        for parameter in ("elements", "exclude"):
            symbols = getattr(self, parameter)
            if symbols is None and parameter == "elements":
                continue
            alphabet.positions(symbols, parameter)
            symbols = tuple(dict.fromkeys(symbols))
            object.__setattr__(self, parameter, symbols)
            absent = [symbol for symbol in symbols if symbol in alphabet.ABSENT]
            if absent and parameter == "elements":
                raise ValueError(f"elements holds {absent}: the embedded data know no compound of {', '.join(absent)}")
        if (left := int(self.allowed.sum())) < self.min_elements:
            given = "" if self.elements is None else f"elements={named(self.elements)} without "
            raise ValueError(
                f"{given}exclude={named(self.exclude)} leaves {left or 'no'} element{'' if left == 1 else 's'} to use, "
                f"fewer than min_elements={self.min_elements}; exclude fewer{', or widen elements' if given else ''}"
            )
        self._check_required()
        if self.within is not None:
            if self.start is None:
                raise ValueError(f"within={self.within!r} is a distance from start, a formula; give it, too")
            what = "a distance in places of the modified Pettifor scale, above 0"
            check_number("within", self.within, 0, np.inf, what)
        # What ships with the package need not be built to be asked for.
        shipped = [ELEMENT_PROPERTIES[name] for name in sorted(self._properties) if name in ELEMENT_PROPERTIES]
        own = {each.name for each in self.properties}
        object.__setattr__(self, "properties", (*self.properties, *(p for p in shipped if p.name not in own)))

    def _check_required(self) -> None:
        """Whether the rules leave a formula that holds what is required."""
        for group in self.require:
            missing = [symbol for symbol in group if not self.allowed[alphabet.INDEX[symbol]]]
            excluded = [symbol for symbol in missing if symbol in self.exclude]
            if excluded:
                raise ValueError(
                    f"require and exclude both hold {excluded}; a required element must be allowed: name it in "
                    "one of them"
                )
            if absent := [symbol for symbol in missing if symbol in alphabet.ABSENT]:
                raise ValueError(f"require holds {absent}: the embedded data know no compound of {', '.join(absent)}")
            if missing and self.elements is not None:
                raise ValueError(
                    f"require holds {missing}, which elements={list(self.elements)} leaves out; add it there"
                )
        if len(self.require) > min(self.max_elements, self.max_atoms):
            raise ValueError(
                f"require asks for {len(self.require)} elements; max_elements={self.max_elements} and "
                f"max_atoms={self.max_atoms} leave no room for them"
            )

    @property
    def parts(self) -> list[str]:
        """Names under which `TaskScore.terms` holds the objectives' utilities, then the filters'."""
        return [each.name for each in self.objectives] + [f"filter_{each.name}" for each in self.filters]

    @property
    def success_score(self) -> float:
        """Score of a formula that only just meets the target."""
        viability = {"p_found": STABLE_SUCCESS * FOUND_SUCCESS**ROOT, "p_stable": STABLE_SUCCESS, "none": 1.0}
        return self.success_utility * viability[self.viability]

    @cached_property
    def required(self) -> NDArray[np.bool_]:
        """The elements of each entry of `require` (k, 89) bool: a formula must hold one or more of each row."""
        groups = np.zeros((len(self.require), alphabet.NUM_ELEMENTS), np.bool_)
        for row, group in enumerate(self.require):
            groups[row, alphabet.positions(group, "require")] = True
        return groups

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Which elements may be used (89,) bool in alphabet order."""
        mask = np.ones(alphabet.NUM_ELEMENTS, np.bool_)
        if self.elements is not None:
            mask[:] = False
            mask[alphabet.positions(self.elements)] = True
        mask[alphabet.positions((*self.exclude, *alphabet.ABSENT))] = False
        return mask

    @cached_property
    def _by_elements(self) -> dict[str, ElementProperty]:
        """Properties that compositions alone decide, by name: they are worked out whatever the oracle predicts."""
        return {each.name: each for each in self.properties if isinstance(each, ElementProperty)}

    @cached_property
    def _properties(self) -> frozenset[str]:
        """Names of the properties that objectives and filters are about."""
        return _asked((*self.objectives, *self.filters))

    @cached_property
    def _start(self) -> CompositionBatch:
        """The formula to improve (1)."""
        return CompositionBatch.from_counts(integer_counts([self.start]))  # type: ignore[list-item]

    def near_start(self, batch: CompositionBatch) -> NDArray[np.bool_]:
        """Whether each composition lies `within` the distance from `start` that is asked for, if one is (B,) bool."""
        check_packed("batch", batch)
        if self.within is None:
            return np.ones(len(batch), np.bool_)
        return movers_distance(batch, self._start) <= self.within

    def allows(self, batch: CompositionBatch) -> NDArray[np.bool_]:
        """Whether each composition obeys the task's rules on elements and counts (B,) bool."""
        check_packed("batch", batch)
        return _obeys(
            batch.elements, batch.counts, batch.size, self.allowed,
            self.min_elements, self.max_elements, self.max_atoms, self.max_count,
            self.min_fraction - FRACTION_SLACK, self.max_fraction + FRACTION_SLACK, self.required,
        )  # fmt: skip

    def admits(self, batch: CompositionBatch) -> NDArray[np.bool_]:
        """As `allows`, and by those filters that a composition alone decides: where an episode may begin (B,) bool."""
        admitted = self.allows(batch)
        for each in self.filters:
            if isinstance(each, Window) and each.property_name in self._by_elements:
                admitted &= self._by_elements[each.property_name].of(batch).prob(each.low, each.high) >= FILTER_UTILITY
        return admitted

    def screen(self, batch: CompositionBatch) -> NDArray[np.bool_]:
        """Which formulas pass every check that costs no call of an oracle: rows without one would score 0.

        The rules on elements and counts, the distance from `start`, filters that a composition alone decides,
        electronegativity balance in the regime ``"ionic"``, and if the task asks for it, novelty, or not being in the
        train part. Benchmarks allow it to every method.

        Args:
            batch: Compositions (B).

        Returns:
            (B,) bool.

        Examples:
            >>> from matenv import fractions, load_task
            >>> pair = CompositionBatch.from_fractions(fractions(["MgF2", "Li2MgF3", "Cs3Be2F7"]))
            >>> load_task("wide-gap-ionic-novel").screen(pair).tolist()
            [False, False, True]
        """
        passed = self.admits(batch) & self.near_start(batch)
        if self.regime == "ionic":
            rows = np.flatnonzero(passed)
            passed[rows] = is_electronegativity_balanced(batch[rows], min_share=self.valence_share)
        if self.novel:
            rows = np.flatnonzero(passed)
            passed[rows] = is_novel(batch[rows])
        if self.unseen:
            passed &= train_formulas().find(batch) < 0
        return passed

    def check(self, predicted: Mapping[str, str]) -> None:
        """Refuse an oracle that does not predict what the task asks for.

        Args:
            predicted: Unit by name of the properties predicted, `matenv.Oracle.units`.

        Raises:
            ValueError: An objective about another property.
        """
        if not isinstance(predicted, Mapping):
            raise ValueError(f"predicted={str(predicted)[:60]!r} must be units by property, as Oracle.units")
        for name in sorted(self._properties - predicted.keys() - self._by_elements.keys()):
            known = ", ".join(f"{each} [{unit}]" for each, unit in predicted.items())
            what = "an objective" if name in _asked(self.objectives) else "limits or filters"
            raise ValueError(
                f"task {self.name!r} has {what} about property_name={name!r}, which the oracle does not predict; "
                f"predicted are {known}. Add your own: Oracle(properties=[matenv.Property({name!r}, unit, predict)])"
            )

    def score(self, assessment: Assessment) -> TaskScore:
        """Score a batch.

        Args:
            assessment: What the oracle says about B compositions.

        Returns:
            The scores and their parts; rows beyond the oracle's budget score 0.

        Raises:
            ValueError: As `check`, or something else than an assessment.
        """
        check_made("assessment", assessment, Assessment, "Oracle.assess")
        if not self._properties <= assessment.mean.keys():
            self.check(assessment.units)
            assessment = assessment.also(self._by_elements.values())
        validity = self.allows(assessment.compositions) & assessment.valid & assessment.evaluated
        validity = validity & self.near_start(assessment.compositions)
        if self.regime == "ionic":
            batch = assessment.compositions
            validity = validity & is_electronegativity_balanced(batch, min_share=self.valence_share)
        given = (*self.objectives, *self.filters)
        terms = {name: each.utility(assessment) for name, each in zip(self.parts, given, strict=True)}
        for name in self.parts[len(self.objectives) :]:
            validity = validity & (terms[name] >= FILTER_UTILITY)
        asked = self.viability != "none"
        viability = viability_of(assessment, self.viability) if asked else np.ones(len(assessment))
        utility = np.ones(len(assessment))
        for objective in self.objectives:
            utility = utility * terms[objective.name]
        if self.novel:
            utility = utility * assessment.novel
        if self.unseen:
            utility = utility * ~assessment.known
        score = utility * viability * validity
        success = validity & (utility >= self.success_utility)
        if asked:
            success &= assessment.p_stable >= STABLE_SUCCESS
        if self.viability == "p_found":
            success &= assessment.p_found >= FOUND_SUCCESS
        terms |= {"utility": utility, "viability": viability, "validity": validity.astype(np.float64)}
        return TaskScore(score, terms, success)


@njit(cache=True, nogil=True)
def _obeys(
    elements: NDArray[np.int16],
    counts: NDArray[np.int32],
    size: NDArray[np.int16],
    allowed: NDArray[np.bool_],
    min_elements: int,
    max_elements: int,
    max_atoms: int,
    max_count: int,
    min_fraction: float,
    max_fraction: float,
    required: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Whether each packed composition (B, 10) obeys a task's rules (B,)."""
    obeys = (size >= min_elements) & (size <= max_elements)
    for row in range(len(size)):
        atoms = 0
        for k in range(size[row]):
            atoms += counts[row, k]
            obeys[row] &= allowed[elements[row, k]] and counts[row, k] <= max_count
        obeys[row] &= atoms <= max_atoms
        for k in range(size[row]):
            obeys[row] &= min_fraction * atoms <= counts[row, k] <= max_fraction * atoms
        for group in range(len(required)):
            held = False
            for k in range(size[row]):
                held |= required[group, elements[row, k]]
            obeys[row] &= held
    return obeys


def _asked(objectives: Iterable[Objective]) -> frozenset[str]:
    """Names of the properties that some objectives are about."""
    named = {each.property_name for each in objectives if hasattr(each, "property_name")}
    return frozenset(named.union(*(getattr(each, "needs", ()) for each in objectives)))


def check_require(require: Sequence[str | Sequence[str]], name: str = "require") -> tuple[tuple[str, ...], ...]:
    """What a formula must hold, as tuples of symbols: one for each entry, without repeats.

    Args:
        require: Entries of `Task.require`: ``"Li"``, ``"F|Cl|Br"`` or ``("F", "Cl", "Br")``.
        name: Parameter name.

    Returns:
        The entries.

    Raises:
        ValueError: A bare string, an empty entry or an unknown element.
    """
    if isinstance(require, str | bytes | Mapping) or not isinstance(require, Collection):
        raise ValueError(f"{name}={require!r} must be a list such as ['Li', 'F|Cl|Br']")
    entries = [entry.split("|") if isinstance(entry, str) else entry for entry in require]
    for entry in entries:
        if not len(alphabet.positions(entry, name)):
            raise ValueError(f"{name}={list(require)!r} holds an empty entry; name an element, or several: 'F|Cl|Br'")
    groups = [tuple(entry) for entry in entries]
    return tuple(dict.fromkeys(groups))
