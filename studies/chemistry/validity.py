"""How much validity by rule says: ``python -m studies.chemistry.validity``.

Shares of neutral and balanced formulas beside chance, and the speed beside SMACT's. A minute; the speed of SMACT needs
``smact==4.0.2``, extra `bench`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine, use_cores
from benchmarks.measure import timed
from matenv import elements as alphabet
from matenv import is_charge_neutral, is_electronegativity_balanced, load_dataset, load_latent
from matenv.composition import CompositionBatch
from matenv.tasks import Task
from tools.command import run

SAMPLES = 10_000
ASKED_OF_SMACT = 3_000

COLUMNS = (
    ("neutral", is_charge_neutral, False, False),
    ("balanced", is_electronegativity_balanced, False, False),
    ("neutral, alloys", is_charge_neutral, True, False),
    ("balanced, alloys", is_electronegativity_balanced, True, False),
    ("neutral, mixed", is_charge_neutral, False, True),
    ("balanced, mixed", is_electronegativity_balanced, False, True),
)
"""Heading, rule, `alloys`, `mixed_valence`."""


def random_formulas(rows: int, size: int, largest: int | None = None, seed: int = 0) -> CompositionBatch:
    """Chance: `size` distinct elements of those that tasks allow, each as often as any, counts uniform on 1..`largest`.

    Args:
        rows: Number of formulas B.
        size: Elements in each.
        largest: Largest count, before counts are reduced; None for the tasks' own (12).
        seed: Seed.

    Returns:
        The formulas (B), reduced.
    """
    random = np.random.default_rng(seed)
    task = Task("rules", "", ())
    pool = np.flatnonzero(task.allowed)
    chosen = pool[np.argsort(random.random((rows, len(pool))), axis=1)[:, :size]]
    dense = np.zeros((rows, alphabet.NUM_ELEMENTS), np.int64)
    np.put_along_axis(dense, chosen, random.integers(1, (largest or task.max_count) + 1, chosen.shape), axis=1)
    return CompositionBatch.from_counts(dense)


def groups() -> dict[str, CompositionBatch]:
    """What the shares are printed for."""
    table = load_dataset("mp-ground-states")
    stable = table.labels["decomposition_energy"] <= 0
    stiff = table.labels["log10_bulk_modulus"] >= np.log10(200.0)
    gap = table.labels["band_gap_pbe"]
    space = load_latent("vae")

    def rows(mask: NDArray[np.bool_]) -> CompositionBatch:
        return table.compositions[np.flatnonzero(mask)]

    return {
        "MP formulas (the embedded table)": table.compositions,
        "stable": rows(stable),
        "unstable": rows(~stable),
        "stable, K >= 200 GPa": rows(stable & stiff),
        "stable, PBE gap 0": rows(stable & (gap == 0)),
        "stable, PBE gap >= 5 eV": rows(stable & (gap >= 5)),
        "random binaries": random_formulas(SAMPLES, 2),
        "random ternaries": random_formulas(SAMPLES, 3),
        "random ternaries, counts 1-4": random_formulas(SAMPLES, 3, largest=4),
        "random quaternaries": random_formulas(SAMPLES, 4),
        "formulas the VAE learned from": table.compositions[table.part("train")],
        "samples of the VAE": space.decode_batch(space.sample(SAMPLES, 0)),
        "draws from its nominal prior": space.decode_batch(space.sample_nominal(SAMPLES, 0)),
    }


def show_shares() -> None:
    """Print the table of shares."""
    print(f"| {'formulas':33s} | {'number':>7s} | {' | '.join(heading for heading, *_ in COLUMNS)} |")
    print(f"|{'-' * 35}|{'-' * 8}:|{'|'.join('-' * (len(heading) + 1) + ':' for heading, *_ in COLUMNS)}|")
    for name, batch in groups().items():
        cells = " | ".join(
            f"{rule(batch, alloys, mixed).mean():{len(heading)}.1%}" for heading, rule, alloys, mixed in COLUMNS
        )
        print(f"| {name:33s} | {len(batch):7,d} | {cells} |")


def rate(function: Callable[[], object], count: int, repeats: int = 5) -> float:
    """Formulas per second: the median over `repeats` calls, after one that does not count."""
    return count / float(np.median(timed(function, repeats)))


def show_speed() -> None:
    """Print formulas per second, ours and SMACT's, and how often they agree."""
    table = load_dataset("mp-ground-states")
    batch, fractions = table.compositions, table.fractions
    print(f"\nformulas per second, one core, {len(batch):,} MP formulas")
    for heading, rule, alloys, mixed in COLUMNS:
        packed = rate(partial(rule, batch, alloys, mixed), len(batch))
        dense = rate(partial(rule, fractions, alloys, mixed), len(batch))
        print(f"  matenv, {heading:17s} {packed:12,.0f} packed, {dense:10,.0f} from fractions")
    try:
        from smact.screening import smact_validity
    except ImportError:
        print("  SMACT is not installed (extra 'bench')")
        return
    rows = np.random.default_rng(0).choice(len(batch), ASKED_OF_SMACT, replace=False)
    names = table.formulas[rows].tolist()
    smact_validity("LiFePO4")  # reads its files
    for heading, rule, alloys, mixed in COLUMNS[:4]:
        start = time.perf_counter()
        pauling = rule is is_electronegativity_balanced
        theirs = [smact_validity(name, pauling, alloys, mixed_valence=mixed) for name in names]
        seconds = time.perf_counter() - start
        agree = (rule(batch[rows], alloys, mixed) == theirs).mean()
        print(f"  SMACT, {heading:18s} {len(names) / seconds:12,.0f} from text; same answer on {agree:.2%}")


def main() -> None:
    """Print both, with the machine."""
    use_cores(1)
    record = machine()
    print(f"{record['date']}, `{record['command']}`, {record['processor']}, load {record['load']}\n")
    show_shares()
    show_speed()


if __name__ == "__main__":
    run(main)
