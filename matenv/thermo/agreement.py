"""Our hull against energies above the hull and decompositions that somebody else reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch, integer_counts
from matenv.data import Dataset
from matenv.thermo.hull import ConvexHull

AGREES = 1e-3
"""eV/atom; energies above the hull that differ by less agree."""

STABLE = 1e-6
"""eV/atom above the hull up to which a material is stable."""

SHARE = 1e-3
"""Atom fraction by which two decompositions may differ, and up to which a product does not count."""

NAMED = 50
"""Disagreements that are listed, the largest first."""


def compare(
    compositions: CompositionBatch,
    formation_energy: NDArray[np.float64],
    entries: Sequence[Mapping[str, Any]],
    scheme: str,
) -> dict[str, Any]:
    """Decompose every material by our own solver and compare.

    Args:
        compositions: Of the M materials, a formula as often as it has polymorphs; the hull is that of all of them.
        formation_energy: (M,) eV/atom.
        entries: What is reported of each: ``material_id``, ``formula``, ``energy_above_hull`` (or None), and
            ``decomposes_to``: pairs of formula and atom fraction (or None).
        scheme: Energy scheme.

    Returns:
        Plain values. ``energies``: how many were ``compared`` and ``agree``, ``largest`` difference [eV/atom], how many
        are ``stable_only_here`` or ``stable_only_there``; ``products``: how many unstable ones have the ``same``,
        others of equal energy (``equal_energy``), ``different``, or ``none_reported``; ``disagreements``: the largest.
    """
    if not (compositions.size > 1).any():
        return {"energies": {"compared": 0, "agree": 0}, "products": {}, "disagreements": []}
    formulas = np.array(compositions.formulas(), np.str_)
    hull = ConvexHull.from_dataset(Dataset("materials", formulas, compositions, formation_energy, scheme))
    decomposition = hull.decompose(compositions)
    above = formation_energy - decomposition.energy
    reported = np.array([np.nan if e["energy_above_hull"] is None else e["energy_above_hull"] for e in entries], float)
    known = np.isfinite(reported)
    apart = np.where(known, np.abs(above - reported), np.inf)
    said = [e["decomposes_to"] for e in entries]
    verdicts = _verdicts(said, [dict(decomposition.products(i)) for i in range(len(above))], hull, decomposition.energy)
    unstable = above > STABLE
    verdict = np.where(unstable, verdicts, "stable")
    wrong = np.flatnonzero((known & (apart > AGREES)) | (verdict == "different"))
    wrong = wrong[np.argsort(-np.where(known, apart, 0.0)[wrong], kind="stable")][:NAMED]
    return {
        "energies": {
            "compared": int(known.sum()),
            "agree": int((apart <= AGREES).sum()),
            "median": float(np.median(apart[known])) if known.any() else None,
            "largest": float(apart[known].max()) if known.any() else None,
            "stable_only_here": int((known & ~unstable & (reported > STABLE)).sum()),
            "stable_only_there": int((known & unstable & (reported <= STABLE)).sum()),
            "not_reported": int((~known).sum()),
        },
        "products": {k: int((verdict == k).sum()) for k in ("same", "equal_energy", "different", "none_reported")},
        "disagreements": [
            {
                "material_id": entries[i]["material_id"],
                "formula": entries[i]["formula"],
                "above_hull_here": round(float(above[i]), 6),
                "above_hull_reported": entries[i]["energy_above_hull"],
                "products_here": [[name, round(float(share), 4)] for name, share in decomposition.products(i)],
                "products_reported": said[i],
            }
            for i in wrong.tolist()
        ],
    }


def _verdicts(
    said: Sequence[Any], ours: Sequence[Mapping[str, float]], hull: ConvexHull, energies: NDArray[np.float64]
) -> NDArray[np.str_]:
    """Of each material, how the reported products compare with ours."""
    names = sorted({formula for products in said if products for formula, _ in products})
    reduced, energy = _reduced(names, hull)
    verdicts = []
    for products, mine, lowest in zip(said, ours, energies.tolist(), strict=True):
        if not products:
            verdicts.append("none_reported")
            continue
        theirs: dict[str, float] = {}
        for formula, share in products:
            theirs[reduced[formula]] = theirs.get(reduced[formula], 0.0) + share
        shares = [abs(theirs.get(name, 0.0) - mine.get(name, 0.0)) for name in {*theirs, *mine}]
        cost = sum(share * energy[name] for name, share in theirs.items())
        verdicts.append(
            "same" if max(shares) <= SHARE else "equal_energy" if abs(cost - lowest) <= STABLE else "different"
        )
    return np.array(verdicts, np.str_)


def _reduced(names: Sequence[str], hull: ConvexHull) -> tuple[dict[str, str], dict[str, float]]:
    """Reduced formulas of names, and the energy in our hull of each; a name that cannot be read stands for itself."""
    reduced, energy = {}, {}
    for name in names:
        try:
            batch = CompositionBatch.from_counts(integer_counts([name]))
        except ValueError:
            reduced[name], energy[name] = name, np.inf
            continue
        reduced[name] = batch.formulas()[0]
        energy[reduced[name]] = float(np.nan_to_num(hull.known_energy(batch)[0], nan=np.inf))
    return reduced, energy


def in_words(result: Mapping[str, Any], left_out: Mapping[str, Sequence[str]], title: str) -> str:
    """The comparison, and what was left out, as Markdown.

    Args:
        result: As `compare` returns.
        left_out: Reason -> material ids.
        title: Heading.
    """
    energies, products = result["energies"], result["products"]
    lines = [f"# {title}", "", summary(result), "", "## Left out", ""]
    lines += [f"- {why}: {len(ids):,} ({', '.join(ids[:5])})" for why, ids in sorted(left_out.items())] or ["Nothing."]
    lines += ["", "## Energies above the hull", "", *[f"- {k.replace('_', ' ')}: {v}" for k, v in energies.items()]]
    lines += ["", "## Decomposition of unstable materials", ""]
    lines += [f"- {k.replace('_', ' ')}: {v}" for k, v in products.items()]
    lines += ["", f"## Disagreements (the largest, at most {NAMED})", ""]
    for row in result["disagreements"]:
        lines.append(
            f"- {row['material_id']} {row['formula']}: {row['above_hull_here']} eV/atom here, "
            f"{row['above_hull_reported']} reported; here {_mixture(row['products_here'])}, "
            f"reported {_mixture(row['products_reported'])}"
        )
    return "\n".join(lines if result["disagreements"] else [*lines, "None."]) + "\n"


def summary(result: Mapping[str, Any]) -> str:
    """The comparison in one line."""
    energies, products = result["energies"], result["products"]
    if not energies["compared"]:
        return "hull: no energy above the hull was reported, nothing to compare"
    share = energies["agree"] / energies["compared"]
    flips = energies["stable_only_here"] + energies["stable_only_there"]
    return (
        f"hull: {energies['agree']:,} of {energies['compared']:,} energies above the hull ({share:.1%}) agree within "
        f"{1000 * AGREES:g} meV/atom, largest difference {energies['largest']:.4g} eV/atom, {flips} differ in what is "
        f"stable; decompositions: {products['same']:,} the same, {products['equal_energy']:,} of equal energy, "
        f"{products['different']:,} different"
    )


def _mixture(products: Any) -> str:
    return " + ".join(f"{share:.3g} {formula}" for formula, share in products) if products else "none"
