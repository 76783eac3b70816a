"""What SMACT 4.0.2 answers for 13,000 formulas: the frozen reference of ``tests/chemistry/test_validity.py``.

``python -m tools.smact_reference`` writes ``tests/chemistry/smact_validity.npz`` in a few minutes on one core. Needs
``smact==4.0.2`` (extra `bench`). Formulas that SMACT would need long for are left out beforehand, by the number of
combinations it would try; the compiled rules have no such limit.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from matenv import load_dataset, load_latent
from matenv.chemistry.table import load_table
from matenv.composition import MAX_ELEMENTS, CompositionBatch
from matenv.elements import NUM_ELEMENTS, positions
from tools import CHECKOUT
from tools.command import run

PATH = CHECKOUT / "tests" / "chemistry" / "smact_validity.npz"

KINDS = ("table", "random", "samples", "perturbed", "hard")
"""Table rows; random formulas; VAE prior samples; table rows with an element swapped or a count changed; odd ones."""

MODES = tuple(itertools.product((False, True), repeat=3))
"""(use_pauling_test, include_alloys, mixed_valence), in the order of the answers' bits, least significant first."""

MOST_TRIED = 100_000
"""Combinations of one state per element beyond which a formula is left out."""

COSTLY = 60_000
"""Combinations of mixed valence from which a formula is costly; only `FEW_COSTLY` of those are kept."""

FEW_COSTLY = 120


def random_formulas(random: np.random.Generator, rows: int, sizes: NDArray, largest: int) -> NDArray[np.int64]:
    """Dense counts (rows, 89): elements drawn uniformly without replacement, counts uniform on 1..`largest`."""
    dense = np.zeros((rows, NUM_ELEMENTS), np.int64)
    for row in dense:
        chosen = random.choice(NUM_ELEMENTS, random.choice(sizes), replace=False)
        row[chosen] = random.integers(1, largest + 1, len(chosen))
    return dense


def perturbed(random: np.random.Generator, batch: CompositionBatch) -> NDArray[np.int64]:
    """Dense counts: one element of each row replaced by another, or its count moved by one or two."""
    dense = batch.dense_counts().astype(np.int64)
    for row in dense:
        element = random.choice(np.flatnonzero(row))
        other = random.integers(NUM_ELEMENTS)
        if random.random() < 0.5 and row[other] == 0:
            row[other], row[element] = row[element], 0
        else:
            row[element] = max(row[element] + random.choice([-2, -1, 1, 2]), 1)
    return dense


def hard_formulas(random: np.random.Generator) -> NDArray[np.int64]:
    """Dense counts: pure elements, metals only, 6-10 elements, large counts, mixed valence, equal electronegativity."""
    table = load_table()
    simple = np.flatnonzero((table.number > 0) & (table.number <= 3))
    many = np.zeros((500, NUM_ELEMENTS), np.int64)
    for row in many:
        chosen = random.choice(simple, random.integers(6, MAX_ELEMENTS + 1), replace=False)
        row[chosen] = random.integers(1, 13, len(chosen))
    metals = random_formulas(random, 600, np.arange(2, 5), 12) * table.metal
    large = random_formulas(random, 400, np.array([2, 3]), 2000)
    oxides = np.zeros((800, NUM_ELEMENTS), np.int64)
    anions = positions(["F", "O", "S", "Se"])
    for row in oxides:
        chosen = random.choice(np.flatnonzero(table.mixed_valence), random.integers(1, 3), replace=False)
        row[chosen] = random.integers(1, 5)
        row[random.choice(anions)] = random.integers(1, 13)
    level = table.electronegativity
    ties = [pair for pair in itertools.combinations(range(NUM_ELEMENTS), 2) if level[pair[0]] == level[pair[1]]]
    tied = np.zeros((300, NUM_ELEMENTS), np.int64)
    for row in tied:
        row[list(ties[random.integers(len(ties))])] = random.integers(1, 7, 2)
        row[random.integers(NUM_ELEMENTS)] += random.integers(0, 3)
    parts = (np.eye(NUM_ELEMENTS, dtype=np.int64), metals, many, large, oxides, tied)
    dense = np.concatenate(parts)
    return dense[dense.sum(axis=1) > 0]


def combinations(batch: CompositionBatch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many combinations SMACT would try for each row with one state per element, and with mixed valence (B,)."""
    table = load_table()
    number = np.append(table.number, 1).astype(np.float64)[batch.elements]
    atoms = np.where(np.append(table.mixed_valence, False)[batch.elements], batch.counts, 1)
    return number.prod(axis=1), np.exp(np.minimum((np.log(np.maximum(number, 1)) * atoms).sum(axis=1), 50.0))


def formulas(seed: int = 0) -> tuple[CompositionBatch, NDArray[np.uint8]]:
    """The formulas asked about, and the position of each one's kind in `KINDS`."""
    random = np.random.default_rng(seed)
    table = load_dataset("mp-ground-states").compositions
    space = load_latent("vae")
    drawn = {
        "table": table[random.choice(len(table), 4400, replace=False)],
        "random": CompositionBatch.from_counts(random_formulas(random, 2400, np.array([2, 3, 3, 4, 5]), 12)),
        "samples": space.decode_batch(space.sample(2200, seed)),
        "perturbed": CompositionBatch.from_counts(perturbed(random, table[random.choice(len(table), 2400)])),
        "hard": CompositionBatch.from_counts(hard_formulas(random)),
    }
    batch = CompositionBatch.concatenate([drawn[name] for name in KINDS])
    kind = np.repeat(np.arange(len(KINDS)), [len(drawn[name]) for name in KINDS]).astype(np.uint8)
    single, mixed = combinations(batch)
    costly = (mixed > COSTLY) & (mixed <= 1_000_000)
    spared = random.permutation(np.flatnonzero(costly))[FEW_COSTLY:]
    kept = (batch.size > 0) & (single <= MOST_TRIED)
    kept[spared] = False
    return batch[np.flatnonzero(kept)], kind[kept]


def answers(names: list[str]) -> NDArray[np.uint8]:
    """SMACT's verdicts on formulas, one bit for each of `MODES`."""
    import warnings

    from smact.screening import smact_validity

    result = np.zeros(len(names), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it skips expansions beyond a million
        for row, name in enumerate(names):
            for bit, (pauling, alloys, mixed) in enumerate(MODES):
                result[row] |= smact_validity(name, pauling, alloys, mixed_valence=mixed) << bit
    return result


def main(out: Annotated[Path, typer.Option(help="File to write.")] = PATH) -> None:
    """Ask SMACT and write its answers."""
    batch, kind = formulas()
    start = time.perf_counter()
    verdicts = answers(batch.formulas())
    out.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        out, elements=batch.elements.astype(np.int8), counts=batch.counts.astype(np.int16), kind=kind, answers=verdicts
    )
    shares = ", ".join(f"{name} {np.sum(kind == k)}" for k, name in enumerate(KINDS))
    print(f"{len(batch)} formulas ({shares}), {len(MODES)} verdicts each, in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    run(main)
