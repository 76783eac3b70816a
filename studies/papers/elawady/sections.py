"""The sections of the page that report what was measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from matenv.elements import INDEX
from studies.papers.elawady.pictures import PAPER_KL, PAPER_T

OVER, UNDER = ("O", "F", "C", "N", "Li", "P"), ("Mg", "Co", "Cu", "S", "Si")
"""Elements that the paper finds over- and under-represented among its samples."""


def dataset(r: dict[str, Any]) -> str:
    """Statistics of the table."""
    s = r["statistics"]
    rows = [
        [name, f"{c['beyond']} of {c['pairs']:,}", ", ".join(f"{a}-{b} {v:+.2f}" for a, b, v in c["largest"])]
        for name, c in s["correlations"].items()
    ]
    classes = [[k, f"{n:,}", f"{n / s['rows']:.2%}"] for k, n in enumerate(s["components"])]
    presence = s["correlations"]["presence"]
    return f"""
## The dataset

{s["six_or_fewer"]:.1%} of the materials have 6 or fewer elements (the paper: 96 %), the most complex has {s["most_elements"]} (the paper: 10).
{s["elements"]} of the 89 elements occur.

Pearson correlations between elements, pairs beyond 0.2 in magnitude (the paper: 7 of 3,916, the largest Nb-O with 0.54):

{table(["what is correlated", "beyond 0.2", "largest"], rows)}

The paper says "presence"; by presence {presence["beyond"]} pairs go beyond 0.2 here. Nb-O has {_nb_o(s)} by the three
measures: how often Nb occurs with O depends on the entries that a snapshot holds. That correlations are small does not make
elements independent: with {s["elements"]} elements, and 2 to 4 of them in a formula, hardly any pair *can* correlate. Drawn
independently, {r["floor"]["without_chemistry"]["neutral"]:.1%} of formulas are charge-neutral; of the data {r["data"]["neutral"]:.1%}.

Number of components that materials decompose into (0: on the hull, for which the Materials Project lists none):

{table(["components", "materials", "share"], classes)}

Class 1, a polymorph that turns into another, cannot occur with one ground state per formula."""


def scan(r: dict[str, Any]) -> str:
    """Width and threshold: figure 5."""
    tuned, rows = r["tuned_threshold"], []
    for width in r["plan"]["widths"]:
        mine = [run for run in r["scan"] if run["setting"]["width"] == width]
        values = [
            [run["nelbo"] for run in mine],
            [run["kl_term"] for run in mine],
            *([run["thresholds"][t][key] for run in mine] for t in (PAPER_T, tuned) for key in ("kl", "size_tv")),
            [run["thresholds"][PAPER_T]["element_set"] for run in mine],
        ]
        rows.append([width, len(mine), *(_mean(v) for v in values), min(run["active_units"] for run in mine)])
    header = [
        "width", "seeds", "negative ELBO", "its KL term", f"prevalence KL, T = {PAPER_T}", "number of elements, TV",
        f"prevalence KL, T = {tuned}", "number of elements, TV", "element sets recovered", "active units",
    ]  # fmt: skip
    sweep = [
        [t, *(f"{row[key]:.3f}" for key in ("kl", "kl_reverse", "kl_fractions", "size_tv")), f"{row['over_six']:.1%}",
         f"{row['element_set']:.1%}", f"{row['exact_formula']:.1%}"]
        for t, row in r["main"]["thresholds"].items()
    ]  # fmt: skip
    means = {
        w: float(np.mean([run["nelbo"] for run in r["scan"] if run["setting"]["width"] == w]))
        for w in r["plan"]["widths"]
    }
    best, worst, chosen = min(means, key=means.__getitem__), max(means, key=means.__getitem__), r["plan"]["chosen"]
    scatter = float(np.ptp([run["nelbo"] for run in r["scan"] if run["setting"]["width"] == chosen]))
    kls = [run["thresholds"][PAPER_T]["kl"] for run in r["scan"]]
    return f"""
## Width and threshold

![Negative ELBO and prevalence KL against width and threshold](images/elawady-scan.png)

Test rows, {r["plan"]["epochs"]} epochs; where there are several seeds, their mean with the range in brackets. Divergences in nats, TV: total
variation.

{table(header, rows)}

The negative ELBO is least at width {best}, {means[best]:.2f}, and largest at {worst}, {means[worst]:.2f}; at {chosen} seeds differ by {scatter:.2f}. {_width_verdict(means, chosen, scatter)}
The prevalence KL lies between {min(kls):.3f} and {max(kls):.3f} over all widths and seeds, against {PAPER_KL} in the paper.
Width {chosen} is the paper's choice and is used below, trained for {r["plan"]["long"]:,} epochs: negative ELBO {r["main"]["nelbo"]:.2f}, {r["main"]["active_units"]} of
10 dimensions in use.

T is a rule of decoding, so it was swept without training anew (width {chosen}, {r["plan"]["long"]:,} epochs):

{table(["T", "prevalence KL(data, samples)", "KL(samples, data)", "KL of atom fractions", "number of elements, TV", "over 6 elements", "element sets recovered", "exact formulas"], sweep)}

The number of elements is matched best at T = {tuned} here; the prevalence KL hardly depends on T. *Prevalence KL*: KL(data ||
samples), natural logarithm, of the shares of all atoms in reduced formulas, 1e-6 added to every share: the paper gives
neither direction, base nor smoothing. In bits the {r["main"]["thresholds"][PAPER_T]["kl"]:.3f} at T = {PAPER_T} would be {r["main"]["thresholds"][PAPER_T]["kl"] / np.log(2):.3f}."""


def samples(r: dict[str, Any]) -> str:
    """What samples look like: figures 6 and 7."""
    main, floor = r["main"]["thresholds"][PAPER_T], r["floor"]
    with np.errstate(divide="ignore"):
        ratio = np.array(main["prevalence"]) / np.maximum(r["data"]["prevalence"], 1e-12)
    signs = [
        [
            name,
            ", ".join(f"{e} x {ratio[INDEX[e]]:.2f}" for e in elements),
            f"{sum((ratio[INDEX[e]] > 1) == (name == 'over') for e in elements)} of {len(elements)}",
        ]
        for name, elements in (("over", OVER), ("under", UNDER))
    ]
    rows = [
        [name, f"{row['kl']:.4f}", f"{row['size_tv']:.3f}", f"{row['over_six']:.1%}", f"{neutral:.1%}"]
        for name, row, neutral in (
            (f"samples, T = {PAPER_T}", main, r["main"]["neutral"]),
            ("as many training rows, drawn anew", floor["fresh_rows"], floor["fresh_rows"]["neutral"]),
            (
                "elements and counts drawn independently",
                floor["without_chemistry"],
                floor["without_chemistry"]["neutral"],
            ),
        )
    ]
    return f"""
## What the samples look like

![Prevalence of each element](images/elawady-prevalence.png)

![Number of elements](images/elawady-sizes.png)

{table(["", "prevalence KL", "number of elements, TV", "over 6 elements", "charge-neutral"], rows)}

The third row is a null: the data's numbers of elements, elements and counts, each drawn without regard to the others. It
knows no chemistry and has a prevalence KL {main["kl"] / floor["without_chemistry"]["kl"]:.0f} times smaller than the VAE's. A small prevalence KL is necessary, and says
nothing about whether elements go together.

The paper names elements that its samples show too often and too rarely; here (factor over the data):

{table(["in the paper", "here", "same direction"], signs)}"""


def readings(r: dict[str, Any]) -> str:
    """Other likelihoods."""
    rows = []
    for run in r["readings"]:
        best = min(run["thresholds"], key=lambda t: run["thresholds"][t]["size_tv"])
        at = run["thresholds"][best]
        rows.append([
            f"`{run['setting']['reading']}`", run["says"], f"{run['nelbo']:.2f}", f"{run['kl_term']:.2f}", run["active_units"],
            best, f"{at['kl']:.3f}", f"{at['size_tv']:.3f}", f"{at['element_set']:.1%}", f"{at['exact_formula']:.1%}",
        ])  # fmt: skip
    weights, presence = (
        next(run for run in r["readings"] if run["setting"]["reading"] == f"bernoulli-{name}")
        for name in ("weights", "presence")
    )
    return f"""
## Other readings of the likelihood

Width {r["plan"]["chosen"]}, {r["plan"]["trial"]} epochs, each with its own schedule, KL term at weight 1, T tuned for each. Negative ELBOs of different
likelihoods do not compare.

{table(["reading", "log p(x given z)", "negative ELBO", "KL term", "active units", "T", "prevalence KL", "number of elements, TV", "element sets", "exact formulas"], rows)}

Binary cross-entropy on the weights, which "similar to a gray-scale representation of images" suggests, carries {weights["kl_term"]:.1f} nats
about a material. It cannot carry more than {r["bernoulli_most_to_gain"]:.1f}: that is all a perfect decoder gains over one that ignores z, and
telling one element set from the others takes far more. No training changes that bound. Presence has more to say, and with
the schedule that validation rows chose (KL weight {"rising over a part of the run" if presence["setting"]["kl_rise"] else "1 from the start"}) it uses {presence["active_units"]} of the 10 dimensions
after {r["plan"]["trial"]} epochs."""


def classifier(r: dict[str, Any]) -> str:
    """The number of components."""
    c = r["classifiers"]
    rows = [
        [name, *(f"{s[key]:.3f}" for key in ("accuracy", "balanced_accuracy", "macro_f1", "count_accuracy", "count_balanced")),
         f"{c['balanced'][name]['balanced_accuracy']:.3f}" if name in c["balanced"] else "",
         f"{c['stable_auc'][name]:.3f}" if name in c["stable_auc"] else ""]
        for name, s in c["plain"].items()
    ]  # fmt: skip
    header = [
        "predictor", "accuracy", "balanced accuracy", "macro F1", "components, told that it decomposes: accuracy", "balanced",
        "balanced accuracy, decision corrected", "on the hull or not, AUC",
    ]  # fmt: skip
    return f"""
## The decomposition classifier

Classes 0 to 9 are the number of components; the paper describes a network for them and reports no result. Held-out chemical
systems, {" / ".join(f"{n:,}" for n in c["classes"])} materials of class 0 / 1 / ... / 9. *Balanced* and *macro* are means over classes of at
least 20 materials. *Corrected*: probabilities divided by the class shares in training before the largest is taken, which is
best for balanced accuracy. *One output* is the paper's "single output", read as regression.

{table(header, rows)}

A material of k elements decomposes into at most k phases, so the number of elements alone says much, and it is what a
network has to count first: given presence beside the amounts it counts better. What the network adds is in the last column,
whether a material is on the hull at all. "The number of elements itself" never answers 0."""


def similarity(r: dict[str, Any]) -> str:
    """Decomposition in the latent space: figure 8."""
    s = r["superposition"]
    main = next(iter(s.values()))
    rows = [
        [name, *(f"{e[kind][key]:.3f}" for kind, key in (("true", "cosine"), ("true", "centred"), ("true", "residual"),
         ("stable", "centred"), ("amounts", "centred"), ("other", "cosine"), ("other", "centred"), ("other", "residual")))]
        for name, e in s.items()
    ]  # fmt: skip
    parts = [
        [k, f"{row['materials']:,}", *(f"{row[f'median_{key}']:.3f}" for key in ("cosine", "centred", "residual"))]
        for k, row in main["by_components"].items()
    ]
    header = [
        "encoder", "cosine (the paper's)", "centred cosine", "relative residual", "stable rows, neighbours: centred",
        "wrong amounts: centred", "another's: cosine", "another's: centred", "another's: residual",
    ]  # fmt: skip
    return f"""
## Decomposition in the latent space

For each material that decomposes into two or more phases: the cosine between mu(x) and sum_k a_k mu(x_k), a_k the atom
fractions of its phases ({sum(row["materials"] for row in main["by_components"].values()):,} materials; `matenv.latent.evaluation.similarity`). *Centred*: both measured from the mean of the
training rows. *Relative residual*: the distance between the two over the material's distance from that mean; 0 for an
affine map, about 1.3 for an unrelated material.

![Similarity by number of components](images/elawady-similarity.png)

{table(["components", "materials", "median cosine (the paper's)", "median centred cosine", "median relative residual"], parts)}

Medians, beside other encoders and beside decompositions that are wrong:

![Similarity beside nulls](images/elawady-nulls.png)

{table(header, rows)}

*Stable rows, neighbours*: materials on the hull against the phases they would decompose into if they did not exist. *Wrong
amounts*: the right components with their amounts passed round. *Another's*: the decomposition of a random material with as
many components. On held-out systems the paper's network has {main["held_out"]["cosine"]:.3f}, {main["held_out"]["centred"]:.3f} and {main["held_out"]["residual"]:.3f}. Rank correlation of its centred
cosine with the energy above the hull: {main["energy_rank"]:+.2f}."""


def _width_verdict(means: dict[int, float], chosen: int, scatter: float) -> str:
    order = sorted(means)
    falls = all(means[wider] <= means[width] for width, wider in zip(order, order[1:], strict=False))
    if falls and means[chosen] - means[order[-1]] > max(scatter, 0.1):
        return "More width helps."
    return """There
is no trend: each width has a schedule of its own, chosen in shorter trials, and that matters as much as the width."""


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.3f}" + (f" ({np.ptp(values):.3f})" if len(values) > 1 else "")


def _nb_o(statistics: dict[str, Any]) -> str:
    values = (c["Nb-O"] for c in statistics["correlations"].values())
    return ", ".join("none" if value is None else f"{value:+.2f}" for value in values)


def table(header: list[str], rows: list[list[Any]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
