"""What the report concludes, and how it read what the paper leaves open.

Sentences whose direction depends on the numbers are chosen by them.
"""

from __future__ import annotations

from typing import Any

PAPER_T = "0.04"


def findings(r: dict[str, Any]) -> str:
    """Where the paper's claims hold.

    Args:
        r: The results.

    Returns:
        A section in Markdown.
    """
    at, floor = r["main"]["thresholds"][PAPER_T], r["floor"]["without_chemistry"]
    s = r["superposition"]
    main, untrained, pca = s["the paper's network"], s["... untrained"], s["PCA, 10 dimensions"]
    plain = r["classifiers"]["plain"]
    told, network = plain["the number of elements itself"], plain["network on composition, 10 outputs"]
    stats = r["statistics"]
    return f"""
## In short

| the paper | here | does it hold? |
|---|---|---|
| 96 % of materials have 6 or fewer elements | {stats["six_or_fewer"]:.1%} | {"yes" if stats["six_or_fewer"] > 0.96 else "no"}, on other entries |
| few element pairs correlate: 7 of 3,916, Nb-O 0.54 | {stats["correlations"]["presence"]["beyond"]} of {stats["correlations"]["presence"]["pairs"]:,}, {_pair(stats)} | few: yes; which: no |
| samples match the prevalence of elements: KL 0.08 | {at["kl"]:.3f} nats | {"yes" if at["kl"] <= 0.08 else "nearly" if at["kl"] <= 0.12 else "no"}; a null without chemistry has {floor["kl"]:.4f} |
| samples match the number of elements at T = 0.04 | total variation {at["size_tv"]:.2f} ({scanned(r)["thresholds"][PAPER_T]["size_tv"]:.2f} after {r["plan"]["epochs"]} epochs); best {r["main"]["thresholds"][r["tuned_threshold"]]["size_tv"]:.2f} at T = {r["tuned_threshold"]} | {"yes" if at["size_tv"] < 0.1 else "roughly" if at["size_tv"] < 0.2 else "no"} |
| too few samples have more than 6 elements | {at["over_six"]:.1%} of samples, {r["data"]["over_six"]:.1%} of the data | {"yes" if at["over_six"] < r["data"]["over_six"] else "no: too many"} |
| decomposition is preserved: high cosines | median {main["true"]["cosine"]:.3f} | yes, but see below |
| "our latent representation can *learn* and preserve" it | untrained network: {untrained["true"]["cosine"]:.3f} | no: learning {"lowers" if main["true"]["cosine"] < untrained["true"]["cosine"] else "does not lower"} it |

- **A property of any affine map.** Amounts are atom fractions that sum to 1, so whatever maps compositions linearly, offset
  included, scores exactly 1: PCA {pca["true"]["cosine"]:.3f}, a random matrix {s["a random affine map"]["true"]["cosine"]:.3f}. An untrained network is nearly linear and scores {untrained["true"]["cosine"]:.3f} with a
  residual of {untrained["true"]["residual"]:.3f}; the trained one has {main["true"]["cosine"]:.3f} with {main["true"]["residual"]:.3f}. Training bends the map, as it must to be of use.
- **It is still similarity and not chance.** The decomposition of another material scores {main["other"]["centred"]:.2f} in centred cosine, the right
  components in wrong amounts {main["amounts"]["centred"]:.2f}, the right ones {main["true"]["centred"]:.2f}. The map is smooth: that much of the claim stands.
- **It is not viability.** It never sees an energy. Stable materials score {main["stable"]["centred"]:.2f} against phases that they do *not* decompose into,
  {"more than" if main["stable"]["centred"] > main["true"]["centred"] else "no more than"} unstable ones against those that they do ({main["true"]["centred"]:.2f}). Any balanced reaction would do.
- **The centred measure matters where the offset is large**: the centre of the data lies at {main["offset"]:.2f} (trained), {untrained["offset"]:.2f} (untrained) times
  the mean distance from it. At an offset of {untrained["offset"]:.1f} even another material's decomposition scores {untrained["other"]["cosine"]:.2f} in the paper's cosine, {untrained["other"]["centred"]:.2f} centred.
- **The network is no generator of formulas.** It returns {at["element_set"]:.1%} of held-out element sets and {at["exact_formula"]:.1%} of formulas; {r["main"]["neutral"]:.1%} of its
  samples are charge-neutral, {floor["neutral"]:.1%} of the null's, {r["data"]["neutral"]:.1%} of the data. (`vae`, the default, is another network.)
- **Number of components**: class by class the number of elements is a {"better" if told["balanced_accuracy"] > network["balanced_accuracy"] else "worse"} answer (balanced accuracy {told["balanced_accuracy"]:.2f}) than the network's
  ({network["balanced_accuracy"]:.2f}); over all materials the network is right more often ({network["accuracy"]:.2f} against {told["accuracy"]:.2f}), because it knows something about stability."""


def ambiguities(r: dict[str, Any]) -> str:
    """How the paper was read.

    Args:
        r: The results.

    Returns:
        A section in Markdown.
    """
    return f"""
## What the paper leaves open, and how it is read here

| the paper | read as | otherwise |
|---|---|---|
| likelihood: "independent Bernoulli", but weights that sum to one; output activation unnamed | softmax; 1/T = 25 atoms drawn from it | three other readings measured below; on the weights, Bernoulli collapses |
| weight of the KL term | 1: an ELBO | |
| "mean and variance" | log-variance, clamped to -14..6 | |
| optimiser, rate, batch | Adam with a cosine, rate chosen by validation rows, {r["main"]["setting"]["batch"]:,} | trials: next section but one |
| 2,000 epochs | {r["plan"]["long"]:,} for the network of width {r["plan"]["chosen"]}, {r["plan"]["epochs"]} for the others | see above |
| factor of oversampling 8 and 9 elements | {r["oversample"]} (and for more than 9) | it concerns {round(sum(r["statistics"]["sizes"][8:]) * r["statistics"]["rows"])} rows in {r["statistics"]["rows"]:,} |
| "assessed on the training set which comprises 20 %" | held-out rows | |
| 20 % at random, or grouped | whole chemical systems | at random: measured above |
| rounding after "scaling by 1/T" | to the nearest integer; at most the 10 largest entries | returns 29 % of perfect vectors ([compositions](compositions.md)) |
| several polymorphs per formula | the ground state only | so class 1 does not occur |
| prevalence: "summing the modified 1-hot vectors" | atoms of reduced formulas, not normalised | by atom fractions: column in the table of T |
| KL: direction, base, smoothing | KL(data, samples), nats, 1e-6 | the other direction: same table |
| correlation of what | presence | amounts and counts: same table |
| classifier: "a single output" for 10 classes; input | both, 10 outputs and one; composition, latent vector | all measured |
| similarity: an inner product, called cosine | cosine | centred, residual |
| decomposition of Ga(MoS2)4, printed with GaS2 | GaS: with GaS2 the gallium does not balance | `tests/latent/test_similarity.py` |"""


def scanned(r: dict[str, Any]) -> dict[str, Any]:
    """The chosen width in the scan, which is trained for a shorter time."""
    return next(run for run in r["scan"] if run["setting"]["width"] == r["plan"]["chosen"])


def _pair(stats: dict[str, Any]) -> str:
    first, second, value = stats["correlations"]["presence"]["largest"][0]
    return f"{first}-{second} {value:.2f}"
