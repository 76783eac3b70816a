"""The energies of a table of one's own beside the predictor's, and the hull of both."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np

from matenv.data import Conversion, Dataset, fit_conversion, load_dataset
from matenv.data.embedded import ENERGY_SCHEME
from matenv.data.schemes import SAME, difference, is_stated
from matenv.oracle.energies import COMPARED


class Energies(NamedTuple):
    """What becomes of a table's energies in the hull.

    Attributes:
        kind: ``"none"`` (there are none), ``"same"`` (of the predictor's scheme) or ``"converted"``.
        said: The same in words.
        conversion: The fitted step to the predictor's scheme, if one is taken.
    """

    kind: str
    said: str
    conversion: Conversion | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        written = None
        if self.conversion is not None:
            written = asdict(self.conversion)
            written |= {name: written[name].tolist() for name in ("offsets", "known")}
        return {"kind": self.kind, "said": self.said, "conversion": written}

    @classmethod
    def of_dict(cls, given: dict[str, Any]) -> Energies:
        """What `to_dict` wrote."""
        conversion = given["conversion"]
        if conversion is not None:
            arrays = {"offsets": np.array(conversion["offsets"]), "known": np.array(conversion["known"], np.bool_)}
            conversion = Conversion(**{**conversion, **arrays})
        return cls(given["kind"], given["said"], conversion)


def judge_energies(data: Dataset, convert: bool) -> Energies:
    """Whether a table's energies may stand in one hull with the embedded ones, and by which step.

    Args:
        data: The table.
        convert: Whether a step may be fitted to energies of another scheme.

    Returns:
        The verdict.

    Raises:
        ValueError: Energies of another or an unknown scheme without `convert`, or too few shared formulas for a fit.
    """
    if not np.isfinite(data.formation_energy).any():
        return Energies("none", "no energies: the hull is that of the embedded table")
    if data.energy_scheme == ENERGY_SCHEME:
        return Energies("same", f"energies of the scheme {ENERGY_SCHEME}, as stated")
    table = load_dataset()
    number, apart = difference(data, table)
    if not is_stated(data.energy_scheme) and number >= COMPARED and apart <= SAME:
        words = f"no scheme is stated; on {number:,} shared formulas they agree within {apart:.4f} eV/atom"
        return Energies("same", f"energies taken as {ENERGY_SCHEME}: {words}")
    if convert:
        step = fit_conversion(data, table)
        return Energies("converted", f"energies converted, {step}", step)
    shown = f"; on {number:,} shared formulas they differ by {apart:.3f} eV/atom" if number else ""
    raise ValueError(
        f"{data.name} holds energies of the scheme {data.energy_scheme!r}, the predictor's are {ENERGY_SCHEME!r}"
        f"{shown}. Fit a step between them: --convert (convert=True); or name the scheme, if it is this one: "
        f"--energy-scheme {ENERGY_SCHEME}"
    )


def joint_reference(data: Dataset, energies: Energies) -> Dataset:
    """The phases of the embedded table and of one's own, in one scheme.

    Of energies that were converted only those of new formulas are taken: what both tables have keeps the embedded
    energy, which no step has changed.

    Args:
        data: The table.
        energies: As `judge_energies` has it.

    Returns:
        The reference.
    """
    table = load_dataset()
    bare = replace(data, labels={}, spread={}, std={}, extra={}, units={})
    if energies.conversion is not None:
        new = bare.subset(np.flatnonzero(table.find(bare.compositions) < 0))
        return table.merge(energies.conversion.apply(new))
    return table.merge(replace(bare, energy_scheme=ENERGY_SCHEME))


def table_checksum() -> str:
    """SHA-256 of the embedded table's formulas and energies."""
    table = load_dataset()
    content = "\n".join(table.formulas.tolist()).encode() + np.ascontiguousarray(table.formation_energy).tobytes()
    return hashlib.sha256(content).hexdigest()
