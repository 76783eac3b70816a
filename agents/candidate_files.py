"""Candidates as files: CSV, JSON, and JSON in the shape of an OPTIMADE answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matenv.agents.candidates import CAVEAT, Candidate, write_csv

from matenv.atomic import write_whole
from matenv.composition import CompositionBatch, integer_counts
from matenv.elements import SYMBOLS

OPTIMADE = "1.2.0"
"""Version of the OPTIMADE specification whose entries ``structures`` are written (optimade.org)."""


def write_json(candidates: Sequence[Candidate], path: Path) -> None:
    """Write candidates as a JSON object: the caveat, the units of energies, and a list of candidates.

    Args:
        candidates: The candidates.
        path: The file.
    """
    content = {"note": CAVEAT, "energy_unit": "eV/atom", "candidates": [asdict(each) for each in candidates]}
    write_whole(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_optimade(candidates: Sequence[Candidate], path: Path) -> None:
    """Write candidates as an OPTIMADE answer: entries ``structures`` without sites, what is predicted with a prefix.

    Args:
        candidates: The candidates.
        path: The file.
    """
    content = {
        "data": [_entry(each) for each in candidates],
        "meta": {
            "api_version": OPTIMADE,
            "query": {"representation": ""},
            "more_data_available": False,
            "data_returned": len(candidates),
            "provider": {"name": "matenv", "prefix": "matenv", "description": CAVEAT},
        },
    }
    write_whole(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _entry(candidate: Candidate) -> dict[str, Any]:
    batch = CompositionBatch.from_counts(integer_counts([candidate.formula]))
    size, atoms = int(batch.size[0]), int(batch.atoms[0])
    counts = {SYMBOLS[batch.elements[0, k]]: int(batch.counts[0, k]) for k in range(size)}  # alphabetical
    named = zip("ABCDEFGHIJ", sorted(counts.values(), reverse=True), strict=False)
    own = {key: value for key, value in asdict(candidate).items() if key not in ("formula", "chemical_system")}
    return {
        "id": candidate.formula,
        "type": "structures",
        "attributes": {
            "elements": list(counts),
            "nelements": size,
            "elements_ratios": [count / atoms for count in counts.values()],
            "chemical_formula_descriptive": candidate.formula,
            "chemical_formula_reduced": _joined(counts.items()),
            "chemical_formula_anonymous": _joined(named),
            "dimension_types": None,
            "lattice_vectors": None,
            "cartesian_site_positions": None,
            "nsites": None,
            "species": None,
            "structure_features": [],
            "last_modified": None,
            "_matenv_material_id": None,  # the embedded table has none
            **{f"_matenv_{key}": value for key, value in own.items()},
        },
    }


def _joined(parts: Any) -> str:
    return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in parts)


FORMATS: dict[str, Callable[[Sequence[Candidate], Path], None]] = {
    "csv": write_csv,
    "json": write_json,
    "optimade": write_optimade,
}
"""Writers by the name of their format."""


def write_candidates(candidates: Sequence[Candidate], folder: Path, kind: str = "csv") -> Path:
    """Write candidates to a folder.

    Args:
        candidates: The candidates.
        folder: The folder.
        kind: A key of `FORMATS`.

    Returns:
        The file: candidates.csv, candidates.json or candidates.optimade.json.

    Raises:
        ValueError: Unknown format.
    """
    path = folder / {"csv": "candidates.csv", "json": "candidates.json"}.get(kind, f"candidates.{kind}.json")
    check_format(kind)(candidates, path)
    return path


def check_format(kind: str) -> Callable[[Sequence[Candidate], Path], None]:
    """The writer of a format, or a ValueError that lists them."""
    if kind not in FORMATS:
        raise ValueError(f"format={kind!r} is unknown; choose one of {', '.join(FORMATS)}")
    return FORMATS[kind]
