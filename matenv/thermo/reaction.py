"""Balanced reactions: exact coefficients of one reactant and its products."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch, parse
from matenv.elements import SYMBOLS


def balance(reactant: CompositionBatch, products: CompositionBatch) -> list[Fraction] | None:
    """Solve reactant = sum_j c_j products_j for the coefficients, exactly, in reduced formula units.

    Args:
        reactant: One composition.
        products: Linearly independent compositions (k) over the reactant's elements.

    Returns:
        c (k), or None if no solution with all c_j >= 0 exists.
    """
    return _solve(reactant.dense_counts()[0], products.dense_counts())


def balance_open(
    reactant: CompositionBatch, products: CompositionBatch, open_elements: NDArray[np.int64]
) -> list[Fraction] | None:
    """As `balance`, where some elements come from reservoirs or go there: only the others are balanced."""
    target, table = reactant.dense_counts()[0], products.dense_counts()
    target[open_elements] = 0
    table[:, open_elements] = 0
    return _solve(target, table)


def _solve(target: NDArray[np.int32], table: NDArray[np.int32]) -> list[Fraction] | None:
    """Coefficients that make products (k, 89) add up to a target (89,)."""
    rows = np.flatnonzero((target > 0) | (table > 0).any(axis=0))
    # Gauss-Jordan elimination on [products | reactant], one row per element.
    matrix = [[Fraction(int(count)) for count in (*table[:, e], target[e])] for e in rows]
    unknowns = len(table)
    for column in range(unknowns):
        pivot = next((r for r in range(column, len(matrix)) if matrix[r][column]), None)
        if pivot is None:
            return None
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        head = matrix[column] = [value / matrix[column][column] for value in matrix[column]]
        for r, row in enumerate(matrix):
            if r != column and row[column]:
                matrix[r] = [value - row[column] * top for value, top in zip(row, head, strict=True)]
    solution = [row[-1] for row in matrix[:unknowns]]
    consistent = not any(row[-1] for row in matrix[unknowns:])
    return solution if consistent and min(solution) >= 0 else None


def write(reactant: CompositionBatch, products: CompositionBatch, coefficients: list[Fraction]) -> str:
    """Spell a reaction for one formula unit of the reactant, formulas as pymatgen spells them.

    Args:
        reactant: One composition.
        products: k compositions.
        coefficients: Amount of each per reduced formula unit of the reactant (k); zeros are left out.

    Returns:
        Such as ``"Fe3O4 -> 2 Fe2O3 + ..."``.
    """
    (left,) = reactant.formulas()
    per_unit = _units(reactant)[0]
    terms = [
        _term(coefficient * per_unit / unit, name)
        for coefficient, name, unit in zip(coefficients, products.formulas(), _units(products), strict=True)
        if coefficient
    ]
    return f"{left} -> {' + '.join(terms)}"


def write_open(
    reactant: CompositionBatch,
    products: CompositionBatch,
    coefficients: list[Fraction],
    open_elements: NDArray[np.int64],
) -> str:
    """As `write`, with what is taken from reservoirs on the left and what goes there on the right."""
    closed = write(reactant, products, coefficients)
    left, right = closed.split(" -> ")
    per_unit = _units(reactant)[0]
    taken, given = [left], [right]
    for element in open_elements.tolist():
        more = -Fraction(int(reactant.dense_counts()[0, element]))
        for coefficient, counts in zip(coefficients, products.dense_counts(), strict=True):
            more += coefficient * int(counts[element])
        if more:
            pure = CompositionBatch.from_counts(np.eye(len(SYMBOLS), dtype=np.int64)[[element]])
            term = _term(abs(more) * per_unit / _units(pure)[0], pure.formulas()[0])
            (taken if more > 0 else given).append(term)
    return f"{' + '.join(taken)} -> {' + '.join(given)}"


def _units(batch: CompositionBatch) -> list[int]:
    """Reduced units in each formula as spelled: 2 for O2 and Li2O2, which custom does not reduce, 1 otherwise."""
    spelled = parse(batch.formulas()).sum(axis=1)
    return [round(atoms / reduced) for atoms, reduced in zip(spelled, batch.atoms, strict=True)]


def _term(coefficient: Fraction, name: str) -> str:
    return name if coefficient == 1 else f"{coefficient} {name}"
