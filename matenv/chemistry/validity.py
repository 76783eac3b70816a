"""Charge neutrality and electronegativity balance, batched, with the answers of SMACT 4.0.2.

Validity is not viability: SMACT-neutral formulas are hardly more often stable than others, and many good intermetallics
fail. It acts only in a task whose regime is ionic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.checks import check_flag, check_number
from matenv.chemistry.reachable import neutral_rows
from matenv.chemistry.table import load_table
from matenv.compiled.threads import run_blocks
from matenv.composition import CompositionBatch, Compositions, read_noisy

_ROWS_PER_THREAD = 2048
_NONE_MIXED = np.zeros(alphabet.NUM_ELEMENTS, np.bool_)


def is_charge_neutral(
    X: Compositions,  # noqa: N803
    alloys: bool = False,
    mixed_valence: bool = False,
    min_share: float = 0.0,
) -> NDArray[np.bool_]:
    """Whether oxidation states exist that sum to zero: one state per element, from the set ICSD24.

    Equal to ``smact_validity(x, use_pauling_test=False, include_alloys=alloys, mixed_valence=mixed_valence)`` of
    SMACT 4.0.2 with its other defaults: a single element passes; elements without oxidation states (He, Ne, Ar) fail.

    Args:
        X: Atom fractions (B, 89) or (89,), a `CompositionBatch`, a formula, or a list of formulas. Fractions stand for
            the smallest formula of at most 60 atoms within 1e-4, else of at most 1,000 within 2e-7.
        alloys: Let formulas of metals only pass (SMACT's list of 68 metals within the alphabet; Pm is not in it).
        mixed_valence: Let the atoms of 24 elements, such as Fe, differ in oxidation state where one state each does
            not do; as in SMACT, not where that makes more than 1,000,000 combinations.
        min_share: Smallest share of an element's reports that a state may make up, 0 to 1, see
            `matenv.chemistry.table.load_table`. 0: three reports suffice, Ca 1+ and N 4- are states. `COMMON_SHARE`
            (0.03): what a chemist expects; tasks use it. One state per element: a larger share never accepts more.

    Returns:
        (B,) bool; False for empty compositions.

    Raises:
        ValueError: As `composition.check_fractions` and `composition.parse`; more than 1,000,000 atoms per formula;
            `min_share` outside 0 to 1.

    Examples:
        >>> is_charge_neutral(["LiFePO4", "NaCl2", "Fe3O4", "Mg2Cu"]).tolist()
        [True, False, False, False]
        >>> is_charge_neutral(["Fe3O4", "Mg2Cu"], alloys=True, mixed_valence=True).tolist()
        [True, True]
        >>> is_charge_neutral("CaCl"), is_charge_neutral("CaCl", min_share=0.03)
        (array([ True]), array([False]))
    """
    return _passes(X, alloys, mixed_valence, min_share, ordered=False)


def is_electronegativity_balanced(
    X: Compositions,  # noqa: N803
    alloys: bool = False,
    mixed_valence: bool = False,
    min_share: float = 0.0,
) -> NDArray[np.bool_]:
    """Whether neutral oxidation states exist with every cation less electronegative than every anion.

    Equal to ``smact_validity(x, use_pauling_test=True, include_alloys=alloys, mixed_valence=mixed_valence)`` of
    SMACT 4.0.2 with its other defaults. Electronegativities are SMACT's; elements that have none there (Pm) fail.

    Args:
        X: As `is_charge_neutral`.
        alloys: As `is_charge_neutral`.
        mixed_valence: As `is_charge_neutral`.
        min_share: As `is_charge_neutral`.

    Returns:
        (B,) bool; False for empty compositions. Never True where `is_charge_neutral` is False.

    Raises:
        ValueError: As `is_charge_neutral`.

    Examples:
        >>> is_electronegativity_balanced(["LiFePO4", "Ni3Al"]).tolist(), is_charge_neutral("Ni3Al").tolist()
        ([True, False], [True])
    """
    return _passes(X, alloys, mixed_valence, min_share, ordered=True)


def is_all_metal(X: Compositions) -> NDArray[np.bool_]:  # noqa: N803
    """Whether all elements are metals by SMACT's list: the rows that ``alloys=True`` lets pass.

    Args:
        X: As `is_charge_neutral`.

    Returns:
        (B,) bool; False for empty compositions.

    Raises:
        ValueError: As `is_charge_neutral`.
    """
    return _all_metal(read(X))


def read(X: Compositions) -> CompositionBatch:  # noqa: N803
    """Read any accepted form of a batch of compositions, checked.

    Args:
        X: As `is_charge_neutral`.

    Returns:
        The packed batch, B = 1 for a single composition.

    Raises:
        ValueError: As `is_charge_neutral`.
    """
    return read_noisy(X)[0]


def _all_metal(batch: CompositionBatch) -> NDArray[np.bool_]:
    metal = np.append(load_table().metal, True)  # the last entry stands for padding
    return metal[batch.elements].all(axis=1) & (batch.size > 0)


def _passes(
    X: Compositions,  # noqa: N803
    alloys: bool,
    mixed_valence: bool,
    min_share: float,
    ordered: bool,
) -> NDArray[np.bool_]:
    check_flag("alloys", alloys)
    check_flag("mixed_valence", mixed_valence)
    check_number("min_share", min_share, 0, 1, "in [0, 1]: it is a share of an element's reports")
    batch, table = read(X), load_table(min_share)
    mixed = table.mixed_valence if mixed_valence else _NONE_MIXED

    def block(rows: slice) -> NDArray[np.bool_]:
        return neutral_rows(
            batch.elements[rows], batch.counts[rows], batch.size[rows], table.states, table.number, table.negative,
            table.electronegativity, mixed, ordered,
        )  # fmt: skip

    passed = np.concatenate(run_blocks(block, len(batch), _ROWS_PER_THREAD)) | (batch.size == 1)
    return passed | _all_metal(batch) if alloys else passed
