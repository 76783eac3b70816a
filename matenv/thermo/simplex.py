"""The compiled heart of the hull: gather the phases of a chemical system, run a small dense primal simplex.

The linear program, for a composition x over d elements: minimise sum_j a_j E_j subject to sum_j a_j y_j = x, a >= 0,
where y_j and E_j are the atom fractions and the energy per atom of phase j. Its optimum is the lower convex hull at x,
a_j are the atom fractions of the products and the dual variables mu are the chemical potentials.

The pure elements always are a feasible start. Tiny, fixed perturbations of energies and composition make the optimal
basis unique and rule out cycling; answers are computed with the unperturbed values. Each answer is certified before it
leaves (feasible, and dual feasible over all phases); what fails is solved again without the shift, then handed back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.composition import TRACE

MAX_ELEMENTS = 10
NUM_ELEMENTS = 89

LANES = 8
"""Columns are priced in blocks of eight: loops of fixed length compile to whole vector instructions."""

WIDTH = 12
"""Padded length of the basis arrays, for the same reason."""

OK = 0
"""Solved by the simplex method and certified."""
FALLBACK = 1
"""The simplex failed its certificate; solved by a general linear-programming code instead."""
UNDEFINED = 2
"""No answer exists: a pure element without itself, or an empty composition. Energy and potentials are NaN."""

KEEP_ALL = -1
"""In `excluded`: no phase is left out."""
SKIP = -2
"""In `excluded`: do not solve this row, mark it UNDEFINED."""
OWN_SYSTEM = -3
"""In `excluded`: every phase that holds all elements of the row is left out."""

REDUCED_COST = 1e-12  # eV/atom; a phase enters only if it lowers the energy by more per atom
PIVOT = 1e-11  # smallest pivot element
ABSENT = TRACE  # fractions and weights at or below it count as zero
MASS_ERROR = 1e-11  # certificate: largest mismatch of an atom fraction
DUAL_ERROR = 1e-10  # certificate: largest mismatch of a basic phase's energy, eV/atom


class PhaseIndex(NamedTuple):
    """Phases of two or more elements, laid out for `gather`: grouped by their two rarest elements.

    Attributes:
        rank: Rarity of each element (89,) int64; 0 occurs in the fewest phases.
        bucket: First phase of each group (89 * 89 + 1,) int32; group rank1 * 89 + rank2 with rank1 < rank2.
        mask_low: Bit set of a phase's elements 0-63 (n,) uint64.
        mask_high: Bit set of elements 64-88 (n,) uint64.
        offset: Where each phase's `element` and `fraction` entries begin (n + 1,) int32.
        element: Elements of all phases, one after the other (m,) int16.
        fraction: Their atom fractions (m,) float64.
        energy: Energy of each phase (n,) eV/atom.
        perturbed: The same with its tie-breaking share added (n,) eV/atom.
        shift: Tie-breaking shift of a composition along each element (89,).
        reference: Number of each phase in the hull's table of references (n,) int32.
    """

    rank: NDArray[np.int64]
    bucket: NDArray[np.int32]
    mask_low: NDArray[np.uint64]
    mask_high: NDArray[np.uint64]
    offset: NDArray[np.int32]
    element: NDArray[np.int16]
    fraction: NDArray[np.float64]
    energy: NDArray[np.float64]
    perturbed: NDArray[np.float64]
    shift: NDArray[np.float64]
    reference: NDArray[np.int32]


@njit(nogil=True, error_model="numpy", inline="always")
def gather(
    index: PhaseIndex,
    elements: NDArray[np.int64],
    d: int,
    excluded: int,
    phases: NDArray[np.int32],
    ranks: NDArray[np.int64],
) -> int:
    """List the phases inside a chemical system.

    Args:
        index: The phases.
        elements: The system's elements, ascending; the first `d` count.
        d: Number of elements.
        excluded: Reference number of a phase to leave out, OWN_SYSTEM or KEEP_ALL.
        phases: Out, positions in `index`.
        ranks: Scratch (10,).

    Returns:
        Number of phases found, or -1 if `phases` has too little room to tell.
    """
    low, high = np.uint64(0), np.uint64(0)
    for k in range(d):
        if elements[k] < 64:
            low |= np.uint64(1) << np.uint64(elements[k])
        else:
            high |= np.uint64(1) << np.uint64(elements[k] - 64)
        rank = index.rank[elements[k]]
        place = k
        while place > 0 and ranks[place - 1] > rank:
            ranks[place] = ranks[place - 1]
            place -= 1
        ranks[place] = rank
    outside_low, outside_high = ~low, ~high
    found = 0
    for i in range(d):
        for j in range(i + 1, d):
            group = ranks[i] * NUM_ELEMENTS + ranks[j]
            first, last = index.bucket[group], index.bucket[group + 1]
            if found + last - first >= len(phases):
                return -1
            for phase in range(first, last):
                # Written first and kept if it fits: no branch that the processor could mispredict.
                phases[found] = phase
                found += ((index.mask_low[phase] & outside_low) | (index.mask_high[phase] & outside_high)) == 0
    if excluded >= 0:
        kept = 0
        for j in range(found):
            phases[kept] = phases[j]
            kept += index.reference[phases[j]] != excluded
        found = kept
    elif excluded == OWN_SYSTEM:
        kept = 0
        for j in range(found):
            phases[kept] = phases[j]
            kept += index.mask_low[phases[j]] != low or index.mask_high[phases[j]] != high
        found = kept
    return found


@njit(nogil=True, error_model="numpy", inline="always")
def fill_columns(
    index: PhaseIndex,
    elements: NDArray[np.int64],
    d: int,
    phases: NDArray[np.int32],
    n: int,
    columns: NDArray[np.float64],
    costs: NDArray[np.float64],
    place: NDArray[np.int64],
) -> None:
    """Write the gathered phases as columns over the system's elements, with their perturbed energies.

    Column j is `columns[j // 8, :, j % 8]`. The last block is filled up with columns that cost too much to be chosen.
    `place` (89,) is scratch.
    """
    for k in range(d):
        place[elements[k]] = k
    for block in range((n + LANES - 1) >> 3):
        for k in range(d):
            for lane in range(LANES):
                columns[block, k, lane] = 0.0
        for lane in range(LANES):
            costs[block * LANES + lane] = np.inf
    for j in range(n):
        phase = phases[j]
        costs[j] = index.perturbed[phase]
        for entry in range(index.offset[phase], index.offset[phase + 1]):
            columns[j >> 3, place[index.element[entry]], j & 7] = index.fraction[entry]


@njit(cache=True, nogil=True, error_model="numpy")
def primal(
    x: NDArray[np.float64],
    d: int,
    columns: NDArray[np.float64],
    costs: NDArray[np.float64],
    n: int,
    max_pivots: int,
    basis: NDArray[np.int64],
    inverse: NDArray[np.float64],
    mu: NDArray[np.float64],
    reduced: NDArray[np.float64],
    lowest: NDArray[np.float64],
    weights: NDArray[np.float64],
    direction: NDArray[np.float64],
) -> bool:
    """Primal simplex from the basis of pure elements, most negative reduced cost first.

    Args:
        x: Composition (d,), all entries positive.
        d: Number of elements.
        columns: Atom fractions of the phases, in blocks of 8 as `fill_columns` writes them.
        costs: Energies of the phases (>= n,) eV/atom.
        n: Number of phases.
        max_pivots: Give up after so many exchanges.
        basis: Out, (d,): column numbers, or -1 - k for element k.
        inverse: Out, (12, 12): inverse of the basis matrix, transposed: column i belongs to member i.
        mu: Out, (d,): chemical potentials, eV/atom.
        reduced: Scratch (>= n / 8, 8).
        lowest: Scratch (8,).
        weights: Scratch (12,).
        direction: Scratch (12,).

    Returns:
        Whether no phase lies below the facet any more; False if it gave up.
    """
    for i in range(WIDTH):
        direction[i] = 0.0
        weights[i] = 0.0
        for k in range(WIDTH):
            inverse[i, k] = 0.0
    for i in range(d):
        basis[i] = -1 - i
        weights[i] = x[i]
        mu[i] = 0.0
        inverse[i, i] = 1.0
    blocks = (n + LANES - 1) >> 3
    for _ in range(max_pivots):
        for lane in range(LANES):
            lowest[lane] = -REDUCED_COST
        for block in range(blocks):
            for lane in range(LANES):
                reduced[block, lane] = costs[block * LANES + lane]
            for k in range(d):
                price = mu[k]
                for lane in range(LANES):
                    reduced[block, lane] -= price * columns[block, k, lane]
            for lane in range(LANES):
                lowest[lane] = min(lowest[lane], reduced[block, lane])
        best, entering, is_element = -REDUCED_COST, -1, False
        for lane in range(LANES):
            best = min(best, lowest[lane])
        if best < -REDUCED_COST:
            entering = 0
            while reduced[entering >> 3, entering & 7] != best:
                entering += 1
        for k in range(d):
            if -mu[k] < best:
                best, entering, is_element = -mu[k], k, True
        if entering < 0:
            return True
        if is_element:
            for i in range(WIDTH):
                direction[i] = inverse[entering, i]
        else:
            for i in range(WIDTH):
                direction[i] = 0.0
            for k in range(d):
                amount = columns[entering >> 3, k, entering & 7]
                for i in range(WIDTH):
                    direction[i] += inverse[k, i] * amount
        leaving, step = -1, np.inf
        for i in range(d):
            if direction[i] > PIVOT and weights[i] < step * direction[i]:
                step, leaving = weights[i] / direction[i], i
        if leaving < 0:
            return False
        scale = 1.0 / direction[leaving]
        for i in range(WIDTH):
            weights[i] = max(weights[i] - direction[i] * step, 0.0)
        weights[leaving] = step
        for k in range(d):
            row = inverse[k, leaving] * scale
            mu[k] += best * row
            for i in range(WIDTH):
                inverse[k, i] -= direction[i] * row
            inverse[k, leaving] = row
        basis[leaving] = -1 - entering if is_element else entering
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def certified(
    x: NDArray[np.float64],
    d: int,
    columns: NDArray[np.float64],
    costs: NDArray[np.float64],
    basis: NDArray[np.int64],
    inverse: NDArray[np.float64],
    mu: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> bool:
    """Weights of the true composition on an optimal basis, and whether basis and potentials hold to round-off.

    With the last pricing (no phase below mu) and weak duality this bounds the error of the energy.
    """
    for i in range(d):
        weight = 0.0
        for k in range(d):
            weight += inverse[k, i] * x[k]
        weights[i] = weight if weight > ABSENT else 0.0
        j = basis[i]
        cost = mu[-1 - j] if j < 0 else -costs[j]
        if j >= 0:
            for k in range(d):
                cost += mu[k] * columns[j >> 3, k, j & 7]
        if not abs(cost) <= DUAL_ERROR:
            return False
    for k in range(d):
        mass = -x[k]
        for i in range(d):
            j = basis[i]
            if j >= 0:
                mass += weights[i] * columns[j >> 3, k, j & 7]
            elif -1 - j == k:
                mass += weights[i]
        if not abs(mass) <= MASS_ERROR:
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def decompose_rows(
    index: PhaseIndex,
    elements: NDArray[np.int16],
    amounts: NDArray[np.float64],
    size: NDArray[np.int16],
    excluded: NDArray[np.int32],
    max_pivots: int,
    energy: NDArray[np.float64],
    status: NDArray[np.int8],
    members: NDArray[np.int32],
    weights: NDArray[np.float64],
    potentials: NDArray[np.float64],
) -> bool:
    """Decompose packed compositions; rows are independent of each other.

    Args:
        index: The phases.
        elements: (B, 10) int16, ascending, the first `size` of a row count.
        amounts: (B, 10) positive, any scale.
        size: (B,) int16.
        excluded: (B,) int32 reference number to leave out, KEEP_ALL, SKIP or OWN_SYSTEM; or (0,) for KEEP_ALL
            throughout.
        max_pivots: Per row.
        energy: Out (B,) eV/atom.
        status: Out (B,) int8; FALLBACK marks a row that the caller must solve by other means.
        members: Out (B, 10) int32, reference numbers of the basis, padded with -1; or (0, 10) for energies only.
        weights: Out (B, 10), their atom fractions, padded with 0; or (0, 10).
        potentials: Out (B, 10) eV/atom, in the order of `elements`, NaN where absent; or (0, 10).

    Returns:
        Whether every row is settled (OK or UNDEFINED).
    """
    room = 256
    phases = np.empty(room, np.int32)
    columns = np.empty((room // LANES + 1, MAX_ELEMENTS, LANES))
    costs = np.empty(room + LANES)
    reduced = np.empty((room // LANES + 1, LANES))
    lowest = np.empty(LANES)
    present = np.empty(MAX_ELEMENTS, np.int64)
    column_of = np.empty(MAX_ELEMENTS, np.int64)
    x = np.empty(MAX_ELEMENTS)
    shifted = np.empty(MAX_ELEMENTS)
    share = np.empty(WIDTH)
    direction = np.empty(WIDTH)
    ranks = np.empty(MAX_ELEMENTS, np.int64)
    place = np.empty(NUM_ELEMENTS, np.int64)
    mu = np.empty(MAX_ELEMENTS)
    basis = np.empty(MAX_ELEMENTS, np.int64)
    inverse = np.empty((WIDTH, WIDTH))
    detailed = len(members) > 0
    settled = True
    for row in range(len(size)):
        if detailed:
            members[row] = -1
            weights[row] = 0.0
            potentials[row] = np.nan
        left_out = excluded[row] if len(excluded) > 0 else KEEP_ALL
        if size[row] == 0 or left_out == SKIP:
            energy[row] = np.nan
            status[row] = UNDEFINED
            continue
        amount = 0.0
        for k in range(size[row]):
            amount += amounts[row, k]
        d = 0
        for k in range(size[row]):
            if amounts[row, k] / amount > ABSENT:
                present[d] = elements[row, k]
                column_of[d] = k
                x[d] = amounts[row, k] / amount
                d += 1
        n = gather(index, present, d, left_out, phases, ranks)
        while n < 0:
            room *= 2
            phases = np.empty(room, np.int32)
            columns = np.empty((room // LANES + 1, MAX_ELEMENTS, LANES))
            costs = np.empty(room + LANES)
            reduced = np.empty((room // LANES + 1, LANES))
            n = gather(index, present, d, left_out, phases, ranks)
        fill_columns(index, present, d, phases, n, columns, costs, place)
        solved = False
        for attempt in range(2):
            for k in range(d):
                shifted[k] = x[k] + index.shift[present[k]] if attempt == 0 else x[k]
            if primal(
                shifted, d, columns, costs, n, max_pivots, basis, inverse, mu, reduced, lowest, share, direction
            ) and certified(x, d, columns, costs, basis, inverse, mu, share):
                solved = True
                break
        if not solved:
            energy[row] = np.nan
            status[row] = FALLBACK
            settled = False
            continue
        value = 0.0
        for i in range(d):
            if basis[i] >= 0:
                value += share[i] * index.energy[phases[basis[i]]]
        energy[row] = value
        status[row] = OK
        if detailed:
            for k in range(d):
                mu[k] = 0.0
            for i in range(d):
                weights[row, i] = share[i]
                if basis[i] >= 0:
                    phase = phases[basis[i]]
                    members[row, i] = index.reference[phase]
                    for k in range(d):
                        mu[k] += index.energy[phase] * inverse[k, i]
                else:
                    members[row, i] = present[-1 - basis[i]]
            for k in range(d):
                potentials[row, column_of[k]] = mu[k]
    return settled
