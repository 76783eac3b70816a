"""The page of the benchmark's tasks: their reference values, windows beside the predictor's errors, training wheels."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from matenv.benchmark.listing import rules_on_elements
from matenv.benchmark.references import References, references
from matenv.benchmark.trivial import CALLS, trivial_runs
from matenv.tasks import BENCHMARK, TASKS, TRAINING_WHEELS, Task, Window
from matenv.tasks.band_edges import OXYGEN, WaterSplitting
from matenv.tasks.battery import LithiumCathode
from matenv.tasks.wishes import TOLERANCES
from tools.search_ceilings import FILE as CEILINGS

PAGE = Path("docs/benchmark_tasks.md")

COLUMNS = (
    "task", "random", "point", "retrieval", "best", "its method", "ceiling", "GA, 10,000", "retrieval, 10,000",
    "told apart", "hits, 10,000", "what it asks",
)  # fmt: skip

HEAD = """# The benchmark's tasks

What each task asks, and what to hold a result against: gold's mean score of the best 100 chemical systems at
{calls:,} calls, means over seeds.

- *random*: uniform formulas that pass the free checks;
- *point*: hill climbing to one point of the latent space, all formulas on the way counted (a policy that goes to
  that point has one of them);
- *retrieval*: neighbours of the table's formulas, nothing learned from scores;
- *best*: the best method of the leaderboard with ten seeds, and its name;
- *ceiling*: the best 100 by proxy of all formulas that any run has met, those of longer searches included (`python -m
  tools.search_ceilings`: {searched}), or those of one
  run where gold likes them better: an estimate from below, which a longer search may pass;
- *GA, 10,000*: what share of the ceiling, by proxy, a genetic search reaches with 10,000 calls;
- *retrieval, 10,000*: what share of the best method's gain over random retrieval has with 10,000 calls, both by gold;
- *told apart*: share of pairs of methods with ten seeds, one of which is better (Mann and Whitney, two-sided, 5 %);
- *hits, 10,000*: most chemical systems that one run of 10,000 calls has a success of which gold confirms.

A test holds retrieval and point to half of the best method's gain over random at 1,000 calls, the genetic search
with 10,000 to 95 % of the ceiling, and every task to a hit{unreached}.

Made by `python -m tools.build_references studies/results/benchmark studies/results/benchmark_wheels`;
`matenv.benchmark.references(task)` has the numbers.
"""

STARTS = """## A start to improve on

Two tasks name a formula to improve on. Methods are ranked by the level that their formulas reach, as everywhere; a
gain is that level minus what the start is worth, utility x viability by the task's own objectives, which is one number
for all: ranks are the same. The reward of an environment is the gain by proxy.

| task | start | its worth, gold | its worth, proxy | best method's gain, gold |
|---|---|---|---|---|
"""

PLACES = """
*Within 8 places* of the start: on the modified Pettifor scale, which orders 103 elements by kinship, atoms of the start
are moved until they are those of the formula; averaged over all atoms, the way is at most 8. LiNiO2 lies .25 from
LiCoO2 (one atom of four moves by one place, Co to Ni), CsSnI3 .2 from CsPbI3. As it is a mean, few atoms may move far:
KLi4Cr2BrO8 lies 7.5 from LiCoO2 and is admitted. Its shares of lithium and oxygen are those of LiCoO2, but half of the
cobalt has become chromium (15 places away), a quarter potassium (60) and a quarter bromine (30), which nobody would
call LiCoO2 without cobalt. The distance keeps most of the atoms near what they were; it keeps neither the structure
type nor the number of elements.
"""

WINDOWS = """## Windows and the predictor's error

A target must not be narrower than the error of what measures it, or luck decides. Width of each window on a predicted
property, and the root mean square error of the predictor `default` on the test part (its card,
`matenv/properties/weights/default.json`); a test holds every window to it. Where an end is open, there is no width.
Ramps have none either. Of a wish the width is twice its tolerance; the tolerance itself lies between the mean absolute
error and the root mean square error.

| task | property | window | width | error, RMS | error, mean absolute |
|---|---|---|---|---|---|
"""

WHEELS = """## Training wheels

Tasks to learn the toolkit with; they rank no method. What methods without a search worth the name reach on them stands
beside any result, at {calls:,} calls, means over {seeds} seeds: mean score of the best 10 and of the best 100 chemical
systems by proxy, and of the same 100 by gold (of single-phase-alloy there is no second model: gold is the proxy). Runs:
`studies/results/benchmark_wheels`.

| task | {methods} | what it asks |
|---|{rule}---|
"""


ELEMENTS = """
## Elements

Which elements a task allows, refuses and requires (`A|B`: one of them); what breaks a rule costs no call. `matenv
benchmark show TASK` has these and the other checks that cost none.
"""


def page() -> str:
    """The page in Markdown."""
    none = [name for name in BENCHMARK if not _known(name).hits]
    unreached = f" but {', '.join(none)}, which has none" if none else ""
    lines = [
        HEAD.format(calls=CALLS, unreached=unreached, searched=_searched()).rstrip(),
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
    ]
    lines += [_row(name, _known(name)) for name in BENCHMARK]
    lines += [
        ELEMENTS.rstrip(),
        "",
        *(f"- **{name}**: {'; '.join(rules_on_elements(TASKS[name]))}" for name in BENCHMARK),
    ]
    lines += ["", STARTS.rstrip(), *_starts(), PLACES.rstrip(), "", WINDOWS.rstrip(), *_windows(), "", *_wheels()]
    return "\n".join(lines) + "\n"


def window(task: Task) -> tuple[str, float, float] | None:
    """Property, low and high end of the window of a task that has one on a predicted property, closed at both ends.

    That of `WaterSplitting` opens with the atoms' electronegativity: the widest. That of `LithiumCathode` is on a
    voltage, made of predicted energies.
    """
    for each in task.objectives:
        if isinstance(each, Window) and each.low is not None and each.high is not None:
            return each.property_name, each.low, each.high
        if isinstance(each, WaterSplitting):
            return "band_gap_expt", OXYGEN + 2 * each.overpotential, each.largest_gap
        if isinstance(each, LithiumCathode):
            return "voltage", *each.voltage
    return None


@lru_cache(maxsize=1)
def errors() -> dict[str, dict[str, float]]:
    """``rmse`` and ``mae`` of the predictor `default` by property, as its card has them."""
    card = files("matenv.properties").joinpath("weights/default.json").read_text(encoding="utf-8")
    return json.loads(card)["held_out"]


def _known(name: str) -> References:
    known = references(TASKS[name])
    assert known is not None, f"{name} has changed: run it again"
    return known


def _searched() -> str:
    """How long the longer searches were."""
    stored = json.loads(CEILINGS.read_text(encoding="utf-8"))
    by_calls: dict[int, list[str]] = {}
    for name in BENCHMARK:
        for kept in stored[name].values():
            by_calls.setdefault(kept["settings"]["calls"], []).append(name)
    *few, usual = sorted(by_calls, key=lambda calls: len(by_calls[calls]))
    others = "".join(f", {calls:,} for {', '.join(by_calls[calls])}" for calls in few)
    return f"{usual:,} calls of the genetic search{others}"


def _row(name: str, known: References) -> str:
    values = [known.floor, known.point, known.retrieval, known.best]
    cells = [name, *(f"{value:.3f}" for value in values), known.best_method, f"{known.ceiling:.3f}"]
    cells += [
        f"{known.genetic / known.ceiling_proxy:.2f}",
        f"{known.retrieval_many:.2f}",
        f"{known.separation:.2f}",
        f"{known.hits:.0f}",
        TASKS[name].description,
    ]
    return f"| {' | '.join(cells)} |"


def _starts() -> list[str]:
    lines = []
    for name in BENCHMARK:
        known = _known(name)
        if known.start is not None:
            cells = [name, str(TASKS[name].start), f"{known.start:.3f}", f"{known.start_proxy:.3f}"]
            lines.append(f"| {' | '.join([*cells, f'{known.best - known.start:.3f}'])} |")
    return lines


def _windows() -> list[str]:
    lines = []
    for name in (*BENCHMARK, *TRAINING_WHEELS):
        if (found := window(TASKS[name])) is None:
            continue
        of, low, high = found
        if of == "voltage":
            error = next(each.error for each in TASKS[name].objectives if isinstance(each, LithiumCathode))
            cells = [f"mean {of}", f"{low:g} to {high:g} V", f"{high - low:.2f}", f"{error:g}, assumed", ""]
        else:
            widest = "at most " if name == "water-splitting" else ""
            rms, mean = (f"{errors()[of][kind]:.3f}" for kind in ("rmse", "mae"))
            cells = [of, f"{low:g} to {high:g} eV", f"{widest}{high - low:.2f}", rms, mean]
        lines.append(f"| {' | '.join([name, *cells])} |")
    for of, tolerance in TOLERANCES.items():
        rms, mean = (f"{errors()[of][kind]:.3f}" for kind in ("rmse", "mae"))
        lines.append(f"| wishes | {of} | +- {tolerance:g} | {2 * tolerance:.2f} | {rms} | {mean} |")
    return lines


def _wheels() -> list[str]:
    stored = {name: trivial_runs(TASKS[name], CALLS) for name in TRAINING_WHEELS}
    methods = list(stored[TRAINING_WHEELS[0]])
    seeds = min(len(each.runs) for found in stored.values() for each in found.values())
    lines = [WHEELS.format(calls=CALLS, seeds=seeds, methods=" | ".join(methods), rule="---|" * len(methods)).rstrip()]
    for name, found in stored.items():
        cells = [
            " / ".join(f"{found[method].mean(measure):.3f}" for measure in ("top10", "top100", "gold100"))
            for method in methods
        ]
        lines.append(f"| {' | '.join([name, *cells, TASKS[name].description])} |")
    return lines
