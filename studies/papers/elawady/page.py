"""The page of the report, written from its results: every number on it is one of theirs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from studies.papers.elawady.classifier import RATES, SCALES
from studies.papers.elawady.findings import ambiguities, findings, scanned
from studies.papers.elawady.sections import (
    classifier,
    dataset,
    readings,
    samples,
    scan,
    similarity,
    table,
)

EMBEDDED = "mp-ground-states"
"""The table that ships with matenv, and the one of results that name none."""


def write_page(results: dict[str, Any], path: Path) -> None:
    """Write the report.

    Args:
        results: As `studies.papers.elawady.report` makes them.
        path: Markdown file; the pictures are expected in ``images/`` beside it.
    """
    sections = (_head, dataset, _choices, scan, samples, readings, classifier, similarity)
    parts = [section(results) for section in sections]
    parts.insert(1, ambiguities(results))
    parts.insert(1, findings(results))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(part.strip() for part in parts) + "\n")


def _table(r: dict[str, Any]) -> str:
    name = r.get("table", EMBEDDED)
    return "the table that ships with matenv" if name == EMBEDDED else f"the table `{name}`"


def _command(r: dict[str, Any]) -> str:
    words = ["python", "-m", "studies.papers.elawady"]
    return " ".join(words if r.get("table", EMBEDDED) == EMBEDDED else [*words, "--data", r["table"]])


def _head(r: dict[str, Any]) -> str:
    plan = r["plan"]
    return f"""
# The paper's VAE, repeated

K. El-Awady (arXiv:2401.06779) trains a small VAE on compositions, finds that its samples look like its data, and that a
material's latent vector is close to the weighted sum of those of what it decomposes into. This page repeats the paper on
{_table(r)}. One command makes it, pictures and numbers included, and resumes if interrupted:

```console
{_command(r)}
```

- **Data**: `{r.get("table", EMBEDDED)}`, {r["statistics"]["rows"]:,} formulas, one ground state each. The paper has about 154,000
  entries of the Materials Project, in which a formula can occur more than once.
- **Split**: our frozen `system` split, in which whole chemical systems are held out: {r["rows"]["train"]:,} rows to learn
  from, {r["rows"]["validation"]:,} to choose by, {r["rows"]["test"]:,} to test. The paper holds out 20 % of its entries, it seems at
  random; at random here (the same numbers of rows, the same network, {plan["trial"]} epochs) the negative ELBO of test rows is
  {r["random_split"]["nelbo"]:.2f} instead of {r["readings"][0]["nelbo"]:.2f} nats: {_easier(r)}
- **Network**: 89 -> w -> w -> 2 x 10 with ELU, and its mirror; w = {_listed(plan["widths"])}; Adam, batches of {scanned(r)["setting"]["batch"]:,},
  a learning rate that falls to 0 (cosine), matrix products in bfloat16 where the processor has it. Rows of 8 and more elements are shown
  {r["oversample"]} times. The scan has {plan["epochs"]} epochs per network, and {len(plan["seeds"])} seeds at width {plan["chosen"]}; the network of that width which the rest
  of the page is about has {plan["long"]:,}{", as in the paper" if plan["long"] == 2000 else "; the paper trains for 2,000"}.
- **Choices**: learning rate, rise of the KL weight, and the classifiers' learning rate, scale of input and epoch are
  chosen by validation rows; T by the number of elements in training rows. Test rows give the final figures only.
- **Is that long enough?** {_course(r)}
- **Samples**: {r["samples"]:,} draws from N(0, I), compared with the training rows.

All numbers: `studies/results/elawady.json`, with machine and date. The networks took about {sum(run["seconds"] for run in _networks(r)) / 60:.0f} minutes on one core of
{r["machine"]["processor"]}, other trials of schedules not counted."""


def _choices(r: dict[str, Any]) -> str:
    tried = list(dict.fromkeys(_schedule(trial) for choice in r["choices"] for trial in choice["trials"]))
    rows = []
    for choice in r["choices"]:
        nelbo = {_schedule(trial): f"{trial['validation_nelbo']:.2f}" for trial in choice["trials"]}
        best = _schedule(choice["chosen"])
        nelbo[best] = f"**{nelbo[best]}**"
        rows.append(
            [f"`{choice['reading']}`, width {choice['width']}", *(nelbo.get(schedule, "") for schedule in tried)]
        )
    classifiers = [
        [name, f"{choice['scale']:g}", f"{choice['learning_rate']:g}", f"{choice['validation_loss']:.4f}"]
        for name, choice in r["classifiers"]["choices"].items()
    ]
    rate, long = r["main"]["setting"]["learning_rate"], r["plan"]["long"]
    return f"""
## What validation rows chose

The paper names neither optimiser nor learning rate. Negative ELBO of validation rows (nats, KL term at weight 1) after
{r["plan"]["trial"]} epochs, by peak learning rate; the best, in bold, is used. *Rise*: share of the run over which the KL weight rises from 0
to 1, tried with the best rate.{_borrowed(r["plan"])}

{table(["network", *tried], rows)}

Short runs want high rates, which a long one need not survive (one of 2,000 epochs at 0.04, given up, did not). The run of {long:,} epochs has {rate:g}, {r["plan"]["calm"]:g} times the
chosen rate.

The classifiers of the number of components, by loss of validation rows (cross-entropy, or squared error with one output):

{table(["network", "atom fractions times", "learning rate", "loss"], classifiers)}

Tried: {_listed(f"{scale:g}" for scale in SCALES)} times the atom fractions, learning rates {_listed(f"{each:g}" for each in RATES)}. A choice at the end of what was tried may have a
better one beyond it."""


def _easier(r: dict[str, Any]) -> str:
    gap = r["readings"][0]["nelbo"] - r["random_split"]["nelbo"]
    if abs(gap) < 0.2:
        return "at this length the split hardly matters."
    return "held-out systems are harder than held-out formulas." if gap > 0 else "no easier; other rows are held out."


def _networks(r: dict[str, Any]) -> list[dict[str, Any]]:
    return [r["main"], *r["scan"], *r["readings"], r["random_split"]]


def _borrowed(plan: dict[str, Any]) -> str:
    others = [width for width in plan["widths"] if width not in plan["tried"]]
    return f" Widths {_listed(others)}: as the nearest of these." if others else ""


def _schedule(trial: dict[str, Any]) -> str:
    return f"{trial['learning_rate']:g}" + (f", rise {trial['kl_rise']:g}" if trial["kl_rise"] else "")


def _course(r: dict[str, Any]) -> str:
    plan = r["plan"]
    trial = next(c for c in r["choices"] if c["width"] == plan["chosen"])["chosen"]["validation_nelbo"]
    scan, main = scanned(r)["validation_nelbo"], r["main"]["validation_nelbo"]
    return f"""At width {plan["chosen"]} the negative ELBO of validation rows is {trial:.2f} after {plan["trial"]} epochs, {scan:.2f} after {plan["epochs"]} and {main:.2f}
  after {plan["long"]:,}, each with a full cosine of its own: {_levelled(scan - main, plan)} Test rows: {r["main"]["nelbo"]:.2f}; the
  network that ships as `vae-elawady` (600 epochs at a peak rate of 0.002) has {r["shipped"]["nelbo"]:.2f}."""


def _levelled(gain: float, plan: dict[str, Any]) -> str:
    if gain < 0.1:
        return "the scan has levelled off."
    times = f"{plan['long'] / plan['epochs']:.0f} times the length is worth {gain:.2f} nats"
    return f"{times}; the scan has {'nearly' if gain < 0.5 else 'not'} levelled off."


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)
