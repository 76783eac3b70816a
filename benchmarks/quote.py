"""The README's table of speeds, quoted from the newest result file: ``python -m benchmarks.quote``.

`make bench` runs it at its end; a test holds README and file together.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Measurement, Report, shown
from tools.command import run

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- speed: written by `make bench` -->\n", "<!-- end of speed -->"

LINES = {
    "environment, 1,024 rows in a batch": ("environment", "batched, N = 1,024"),
    "environment, single": ("environment", "single"),
    "... its ceiling: the models alone, 1,024 rows": ("environment", "models alone (decode + predict), N = 1,024"),
    "... over the same environment in `SyncVectorEnv`": ("environment", "batched N = 1,024 over SyncVectorEnv"),
    "... over pymatgen + SMACT + a scikit-learn forest": (
        "environment",
        "batched N = 1,024 over straightforward (diagrams kept)",
    ),
    "outside decoding and predicting": ("environment", "N = 1,024: outside the models"),
    "memory for 4,096 environments": ("environment", "4,096 environments: memory above that of two"),
    "process start to first step": ("environment", "process start to first step (make, reset, step)"),
    "PPO, a million steps": ("training", "PPO: wall time"),
    "... of which in the environment": ("training", "PPO: share of time in the environment"),
    "hull, 4,096 mixed queries in a batch": ("hull", "energy, 4,096 fractions"),
    "... over pymatgen, diagram built for each query": ("hull", "matenv over pymatgen build + decompose"),
    "... over pymatgen, diagrams prebuilt": ("hull", "matenv over pymatgen, prebuilt"),
    "... over highspy": ("hull", "matenv over highspy"),
}
"""What the README says, and group and name of the measurement it quotes."""


def newest(folder: Path = RESULTS) -> Path:
    """The newest result file of a complete run.

    Raises:
        FileNotFoundError: There is none.
    """
    found = sorted(path for path in folder.glob("20*.json") if "-quick" not in path.stem)
    if not found:
        raise FileNotFoundError(f"no result file in {folder}; run `make bench`")
    return found[-1]


def block(path: Path) -> str:
    """The README's lines between `BEGIN` and `END`.

    Args:
        path: A result file.

    Returns:
        Markdown.

    Raises:
        ValueError: The file lacks a measurement that is quoted.
    """
    report = Report.read(path)
    measured = {(m.group, m.name): m for m in report.measurements}
    missing = [key for key in LINES.values() if key not in measured]
    if missing:
        raise ValueError(f"{path.name} lacks {missing}; run `make bench` without OPTIONS")
    rows = "".join(f"| {what} | {_quantity(measured[key])} |\n" for what, key in LINES.items())
    return (
        f"{report.machine['cores']} cores of {report.machine['processor']}, medians, as "
        f"[`{path.stem}.md`](benchmarks/results/{path.stem}.md) has them with spread and versions (`make bench`):\n\n"
        f"| speed | |\n|---|---|\n{rows}"
    )


def _quantity(m: Measurement) -> str:
    return f"{shown(m.median)} {'x' if m.unit == 'times' else m.unit}"


def main(readme: Path = README, folder: Path = RESULTS) -> None:
    """Write the newest file's numbers into the README."""
    text = readme.read_text()
    head, rest = text.split(BEGIN)
    readme.write_text(head + BEGIN + block(newest(folder)) + rest[rest.index(END) :])


if __name__ == "__main__":
    run(main)
