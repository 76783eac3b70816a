"""Balanced reactions: exact coefficients of one reactant and its products."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from matenv.composition import CompositionBatch, parse


def balance(reactant: CompositionBatch, products: CompositionBatch) -> list[Fraction] | None:
    """Solve reactant = sum_j c_j products_j for the coefficients, exactly, in reduced formula units.

    Args:
        reactant: One composition.
        products: Linearly independent compositions (k) over the reactant's elements.

    Returns:
        c (k), or None if no solution with all c_j >= 0 exists.
    """
    target = reactant.dense_counts()[0]
    table = products.dense_counts()
    rows = np.flatnonzero((target > 0) | (table > 0).any(axis=0))
    # Gauss-Jordan elimination on [products | reactant], one row per element.
    matrix = [[Fraction(int(count)) for count in (*table[:, e], target[e])] for e in rows]
    unknowns = len(products)
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


def _units(batch: CompositionBatch) -> list[int]:
    """Reduced units in each formula as spelled: 2 for O2 and Li2O2, which custom does not reduce, 1 otherwise."""
    spelled = parse(batch.formulas()).sum(axis=1)
    return [round(atoms / reduced) for atoms, reduced in zip(spelled, batch.atoms, strict=True)]


def _term(coefficient: Fraction, name: str) -> str:
    return name if coefficient == 1 else f"{coefficient} {name}"
