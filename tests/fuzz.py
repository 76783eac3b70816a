"""A bounded campaign against the formula reader and the loaders: ``make fuzz``, or ``python -m tests.fuzz``.

Hypothesis draws the inputs; where atheris is installed, a coverage-guided run follows (``pip install atheris``). Any
input is answered, or refused by a ValueError or OSError with words in it. Everything else stops the campaign with the
smallest input that shows it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as some

import matenv
from matenv.composition import parse
from matenv.elements import SYMBOLS

ANSWERS = (ValueError, OSError)
"""How an input may be refused."""

PIECES = [*SYMBOLS[:60], *"0123456789.()[]{}·*+-^_$δxé₂³ ", "H2O", "<sub>", "e3", "D", "1" * 30, "0.", "nan"]


def read_formula(text: str) -> None:
    """A formula that can be read has finite amounts, and its spelling is read as the same."""
    amounts = parse([text])
    assert np.isfinite(amounts).all() and amounts.min() >= 0 and amounts.sum() > 0
    if (amounts == np.floor(amounts)).all():
        batch = matenv.CompositionBatch.from_counts(amounts)
        again = matenv.CompositionBatch.from_counts(parse(batch.formulas()))
        assert batch.same_as(again).all(), (text, batch.formulas())


def read_amounts(rows: list[list[tuple[int, float]]]) -> None:
    """Amounts of any kind are refused, or become formulas within the tolerance."""
    x = np.zeros((len(rows), len(SYMBOLS)))
    for row, entries in enumerate(rows):
        for column, amount in entries:
            x[row, column] = amount
    names = matenv.formula(x)
    assert np.abs(matenv.fractions(names) - x / x.sum(axis=1, keepdims=True)).max(initial=0) < 1e-6, names


def count(rows: list[list[tuple[int, float]]]) -> None:
    """Counts of any size are refused, or kept exactly, and every compiled function lives with them."""
    x = np.zeros((len(rows), len(SYMBOLS)))
    for row, entries in enumerate(rows):
        for column, amount in entries:
            x[row, column] = np.floor(abs(amount)) if np.isfinite(amount) else amount
    batch = matenv.CompositionBatch.from_counts(x)
    assert (batch.counts >= 0).all() and (batch.atoms <= 1_000_000).all()
    matenv.is_charge_neutral(batch)
    ORACLE.assess(batch)


def begin_episode(text: str) -> None:
    """An episode begins at the formula, or it is refused; a wild action is refused or taken."""
    ENVS.reset(seed=0, options={"formula": text})
    ENVS.step(np.full(ENVS.action_space.shape, 1e30, np.float32))


def load_damaged(name: str, damage: list[tuple[int, int]], cut: int | None) -> None:
    """A damaged file is refused, or it is not damaged."""
    content = bytearray(ORIGINALS[name])
    for place, value in damage:
        content[place % len(content)] ^= value
    path = FOLDER / name
    path.write_bytes(content[:cut] if cut is not None else content)
    LOADERS[path.suffix](path)


def load_table(content: bytes) -> None:
    """Bytes as a CSV file."""
    path = FOLDER / "table.csv"
    path.write_bytes(content)
    matenv.load_dataset(path)


def load_rows(rows: list[tuple[str, str]], quoted: bool, end: str) -> None:
    """Rows of a table are read as they stand: no formula and no energy that was not written, none written twice."""
    quote = '"' if quoted else ""
    lines = ["formula,formation_energy", *(f"{quote}{formula}{quote},{energy}" for formula, energy in rows)]
    path = FOLDER / "rows.csv"
    path.write_bytes(end.join(lines).encode())
    data = matenv.load_dataset(path)
    written: dict[str, set[float]] = {}
    for formula, energy in rows:
        if (meant := WRITTEN[formula]) is not None:
            written.setdefault(meant, set()).add(ENERGIES[energy])
    assert set(data.formulas) <= set(written) and len(set(data.formulas)) == len(data), (data.formulas, rows)
    for formula, energy in zip(data.formulas, data.formation_energy.tolist(), strict=True):
        assert energy in written[formula] or (np.isnan(energy) and any(map(np.isnan, written[formula]))), (rows, energy)


def build_hull(rows: list[tuple[str, float]]) -> None:
    """Of a table that is accepted the hull lies at or below every phase and zero, touched by what it calls stable."""
    path = FOLDER / "phases.csv"
    path.write_text("\n".join(["formula,formation_energy", *(f"{formula},{energy}" for formula, energy in rows)]))
    data = matenv.load_dataset(path)
    hull = matenv.ConvexHull.from_dataset(data)
    known = np.isfinite(data.formation_energy)
    within, without = (hull.energy(data.compositions, exclude_self=flag) for flag in (False, True))
    assert (within <= 1e-9).all() and not (within > without + 1e-9).any(), rows  # NaN: an element without itself
    allowed = np.where(data.compositions.size == 1, 1e-6, 1e-9)  # an element may lie a little below its own zero
    assert (within - allowed <= data.formation_energy)[known].all(), rows
    decomposed = hull.decompose(data.compositions)
    assert np.allclose(decomposed.energy, within, atol=1e-9), rows
    for row in range(len(data)):
        products = decomposed.products(row)
        mixed = sum(share * matenv.fractions(formula) for formula, share in products)
        assert np.allclose(mixed, data.compositions[row : row + 1].fractions()[0], atol=1e-6), (rows, products)


warnings.simplefilter("ignore")
FOLDER = Path(tempfile.mkdtemp())
ORACLE = matenv.Oracle()
ENVS = gym.make_vec("MaterialLatent-v0", num_envs=1, oracle=ORACLE)
LOADERS: dict[str, Callable[[Path], Any]] = {
    ".safetensors": matenv.load_latent,
    ".json": matenv.load_predictor,
    ".csv": matenv.load_dataset,
}
ORIGINALS = {
    "space.safetensors": (Path(str(files("matenv.latent"))) / "weights" / "vae-elawady.safetensors").read_bytes(),
    "two-family.json": (Path(str(files("matenv.properties"))) / "weights" / "two-family.json").read_bytes(),
    "table.csv": b"formula,formation_energy\nNaCl,-2.1\nFe2O3,-1.7\nLi2O,-2.0\n",
}

text = some.lists(some.sampled_from(PIECES), max_size=8).map("".join) | some.text(max_size=12)
entry = some.tuples(
    some.integers(0, len(SYMBOLS) - 1), some.floats() | some.sampled_from([1e-17, 1.0, 3e9, 1e300, 0.1])
)
WRITTEN = {
    "NaCl": "NaCl", " Cl Na": "NaCl", "Fe2O3": "Fe2O3", "Fe4O6": "Fe2O3", "Li₂O": "Li2O", "LiFePO4": "LiFePO4",
    "Fe0.4O0.6": "Fe2O3", "Mg(OH)2": "Mg(HO)2", "": None, "nan": None, "Xx": None, "Fe+3": None, "Fe2,O3": None,
}  # fmt: skip
"""What cells of formulas mean; None for what is no formula."""
ENERGIES = {
    "-2.1": -2.1, "0": 0.0, "1e-3": 1e-3, " -1.7 ": -1.7, "-1.7 +- 0.1": -1.7, "": np.nan, "nan": np.nan, '"-2"': -2.0,
}  # fmt: skip
phase = some.tuples(
    some.lists(some.tuples(some.sampled_from(["Li", "Fe", "O", "P", "N"]), some.integers(1, 9)), min_size=1, max_size=4)
    .map(lambda parts: "".join(f"{symbol}{count}" for symbol, count in parts)),
    some.floats(-4, 1) | some.sampled_from([0.0, -1e-12, -1e3, -1.0, float("nan")]),
)  # fmt: skip
row = some.tuples(some.sampled_from(list(WRITTEN)), some.sampled_from(list(ENERGIES)))
table = some.lists(some.lists(entry, max_size=11), max_size=3)
damage = some.lists(some.tuples(some.integers(0, 2**30), some.integers(0, 255)), max_size=4)
CELLS = [*PIECES[:20], ",", '"', "-1.5", "nan", "\n", "\r", "\0", "é"]
cells = some.lists(some.sampled_from(CELLS), max_size=12)
file = cells.map(lambda drawn: ("formula,formation_energy\n" + "".join(drawn)).encode()) | some.binary()
cut = some.none() | some.integers(0, 200)

CAMPAIGNS: dict[str, tuple[Callable[..., None], tuple[Any, ...], float]] = {
    "formulas as text": (read_formula, (text,), 1.0),
    "amounts": (read_amounts, (table,), 0.5),
    "counts, chemistry and oracle": (count, (table,), 0.1),
    "starts and actions": (begin_episode, (text,), 0.1),
    "damaged files": (load_damaged, (some.sampled_from(list(ORIGINALS)), damage, cut), 0.05),
    "tables of bytes": (load_table, (file,), 0.1),
    "tables of rows": (
        load_rows, (some.lists(row, min_size=1, max_size=6), some.booleans(), some.sampled_from(["\n", "\r\n"])), 0.2,
    ),
    "tables and their hulls": (build_hull, (some.lists(phase, min_size=1, max_size=12),), 0.1),
}  # fmt: skip
"""What is tried, what is drawn, and its share of the examples."""


def campaign(name: str, examples: int, start: int) -> str:
    """Run one campaign, print what it tried, and say it."""
    function, drawn, share = CAMPAIGNS[name]
    ends: Counter[str] = Counter()

    @settings(
        max_examples=max(int(examples * share), 1), deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @seed(start)
    @given(some.tuples(*drawn))
    def run(values: tuple[Any, ...]) -> None:
        try:
            function(*values)
            ends["answered"] += 1
        except ANSWERS as error:
            assert len(str(error)) > 10, f"an error without words: {error!r}"
            ends["refused"] += 1

    began = time.perf_counter()
    run()
    tried = sum(ends.values())
    seconds = time.perf_counter() - began
    return say(
        f"{name:30s} {tried:9,d} tried {ends['answered']:9,d} answered {ends['refused']:9,d} refused {seconds:7.1f} s"
    )


def say(line: str) -> str:
    """Print a line at once."""
    print(line, flush=True)
    return line


def guided(seconds: int) -> None:
    """A coverage-guided run of the formula reader and the table reader; never returns."""
    import atheris

    from matenv.composition import pasted, reading

    for module, function in ((pasted, "parts_of"), (reading, "_parse")):
        setattr(module, function, atheris.instrument_func(getattr(module, function)))
    reading.parts_of = pasted.parts_of  # type: ignore[attr-defined]

    def one(content: bytes) -> None:
        source = atheris.FuzzedDataProvider(content)
        try:
            if source.ConsumeProbability() < 0.95:
                read_formula(source.ConsumeUnicodeNoSurrogates(40))
            else:
                load_table(source.ConsumeBytes(200))
        except ANSWERS:
            pass

    atheris.Setup(
        ["fuzz", f"-max_total_time={seconds}", "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={FOLDER}/"],
        one,
    )
    atheris.Fuzz()


def main() -> None:
    """Run the campaigns one after another."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--examples", type=int, default=1500, help="formulas; the other campaigns take a share")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--seconds", type=int, default=20, help="of the coverage-guided run; 0 for none")
    options.add_argument("--out", type=Path, help="file that what is printed is written to, too")
    options.add_argument("--guided", type=int, help=argparse.SUPPRESS)
    given_options = options.parse_args()
    if given_options.guided:
        guided(given_options.guided)
    lines = [f"python -m tests.fuzz {' '.join(sys.argv[1:])}", ""]
    lines += [campaign(name, given_options.examples, given_options.seed) for name in CAMPAIGNS]
    if given_options.seconds and find_spec("atheris") is None:
        lines += [say("coverage-guided run            left out: atheris is not installed (pip install atheris)")]
    elif given_options.seconds:
        command = [sys.executable, "-m", "tests.fuzz", "--guided", str(given_options.seconds)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        stats = [line for line in ended.stderr.splitlines() if "number_of_executed_units" in line]
        if ended.returncode:
            sys.exit(ended.stderr[-3000:])
        tried = int(stats[0].split()[-1])
        lines += [say(f"{'coverage-guided (atheris)':30s} {tried:9,d} tried in {given_options.seconds} s")]
    if given_options.out:
        given_options.out.write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
