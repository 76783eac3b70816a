"""Which oxidation states count: ``python -m studies.chemistry.valence``.

The states that `COMMON_SHARE` keeps and drops, element by element; how many real wide-gap stable formulas and how many
random ones have an assignment, by the smallest share of reports that a state must make up, and with mixed valence; and
which states alone decide about how many of both. Rows of the train part only. A minute.
"""

from __future__ import annotations

import numpy as np

from matenv import elements as alphabet
from matenv import is_electronegativity_balanced, load_dataset
from matenv.chemistry.reachable import neutral_rows
from matenv.chemistry.table import COMMON_SHARE, SALTS, load_table, shares
from matenv.composition import CompositionBatch
from studies.chemistry.validity import random_formulas
from tools.command import run

SAMPLES = 30_000
"""Random formulas of each kind."""

SHARES = (0.0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.0305, 0.04, 0.05, 0.1)

WIDE = 1.0
"""eV: rows with a larger PBE gap are the ones that an ionic task is about."""

DECIDED = 4
"""A state is listed if it alone decides about so many stable rows, or about `CHANCE` random formulas."""

CHANCE = 100


def show_states() -> None:
    """Print each element's states with their share of its reports in percent, those kept and those dropped."""
    share = shares()
    print(f"states of at least {COMMON_SHARE:.0%} of the reports of their element, and {SALTS}; share in percent\n")
    print("| element | reports | kept | dropped |\n|---|---:|---|---|")
    table, common = load_table(), load_table(COMMON_SHARE)
    for element, symbol in enumerate(alphabet.SYMBOLS):
        kept = common.states[element, : common.number[element]].tolist()
        every = table.states[element, : table.number[element]].tolist()
        cells = [
            ", ".join(f"{state:+d} ({100 * share[symbol, state]:.3g})" for state in every if (state in kept) == inside)
            for inside in (True, False)
        ]
        print(f"| {symbol} | {table.reports[element].sum():,} | {' | '.join(cells)} |")


def groups() -> dict[str, CompositionBatch]:
    """Real and random formulas."""
    table = load_dataset("mp-ground-states")
    train = np.zeros(len(table.formulas), np.bool_)
    train[table.part("train")] = True
    energy, gap = table.labels["decomposition_energy"], table.labels["band_gap_pbe"]

    def rows(mask: np.ndarray) -> CompositionBatch:
        return table.compositions[np.flatnonzero(train & mask)]

    return {
        f"stable, PBE gap > {WIDE:g}": rows((energy <= 0) & (gap > WIDE)),
        "stable, PBE gap > 3": rows((energy <= 0) & (gap > 3)),
        f"E_d > 0.1, gap > {WIDE:g}": rows((energy > 0.1) & (gap > WIDE)),
        "random ternaries": random_formulas(SAMPLES, 3, seed=5),
        "random quaternaries": random_formulas(SAMPLES, 4, seed=6),
        "ternaries, counts 1-4": random_formulas(SAMPLES, 3, largest=4, seed=7),
    }


def show_shares(batches: dict[str, CompositionBatch]) -> None:
    """Print the share of formulas that are balanced, by the smallest share of a state."""
    print("\nbalanced (one state per element / mixed valence, too), by the smallest share\n")
    print(f"| share | {' | '.join(batches)} |")
    print(f"|---|{'---:|' * len(batches)}")
    print(f"| rows | {' | '.join(f'{len(batch):,}' for batch in batches.values())} |")
    for share in SHARES:
        cells = [
            " / ".join(
                f"{is_electronegativity_balanced(batch, mixed_valence=mixed, min_share=share).mean():.1%}"
                for mixed in (False, True)
            )
            for batch in batches.values()
        ]
        print(f"| {share:.3g} | {' | '.join(cells)} |")


def show_decisive(batches: dict[str, CompositionBatch]) -> None:
    """Print how many formulas each state alone decides about, if all others are those of `COMMON_SHARE`."""
    real, *_ = batches.values()
    chance = CompositionBatch.concatenate(list(batches.values())[3:])
    common, share = load_table(COMMON_SHARE), shares()
    mixed = np.zeros(alphabet.NUM_ELEMENTS, np.bool_)

    def balanced(batch: CompositionBatch, states: np.ndarray, number: np.ndarray, negative: np.ndarray) -> np.ndarray:
        return neutral_rows(
            batch.elements, batch.counts, batch.size, states, number, negative, common.electronegativity, mixed, True
        )

    print(
        f"\nstates that alone decide about {DECIDED} stable rows with a PBE gap > {WIDE:g}, or about {CHANCE} of "
        f"{len(chance):,} random formulas, the other states being common\n"
    )
    print("| state | share | kept | stable | random | such as |\n|---|---:|---|---:|---:|---|")
    for (symbol, state), part in sorted(share.items(), key=lambda pair: -pair[1]):
        if part > 0.12:
            continue  # nobody doubts these
        element = alphabet.INDEX[symbol]
        kept = set(common.states[element, : common.number[element]].tolist())
        changed = sorted(kept ^ {state})
        states, number, negative = common.states.copy(), common.number.copy(), common.negative.copy()
        states[element], number[element] = 0, len(changed)
        states[element, : len(changed)] = changed
        negative[element] = sum(s < 0 for s in changed)
        decided = []
        for batch in (real, chance):
            rows = batch[np.flatnonzero((batch.elements == element).any(axis=1))]
            before = balanced(rows, common.states, common.number, common.negative)
            after = balanced(rows, states, number, negative)
            decided.append(rows[np.flatnonzero(before != after)])
        if len(decided[0]) >= DECIDED or len(decided[1]) >= CHANCE:
            names = ", ".join(decided[0][:4].formulas())
            print(
                f"| {symbol}{state:+d} | {part:.2%} | {'yes' if state in kept else 'no'} | {len(decided[0])} "
                f"| {len(decided[1])} | {names} |"
            )


def main() -> None:
    """Print all three."""
    show_states()
    batches = groups()
    show_shares(batches)
    show_decisive(batches)


if __name__ == "__main__":
    run(main)
