"""Which column of a table is what: formulas, energies, numbers with their units, and what is only carried along."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matenv.data.cells import is_absent, read_number
from matenv.data.dataset import UNITS
from matenv.data.table_file import RawTable

FORMULA_NAMES = (
    "formula", "composition", "reduced_formula", "formula_pretty", "pretty_formula", "chemical_formula", "compound",
    "material",
)  # fmt: skip
"""Names that a column of formulas goes by, the likeliest first; capitals do not matter."""

ENERGY_NAMES = ("formation_energy", "formation_energy_per_atom", "e_form", "e_f")
"""Names that a column of formation energies goes by."""

ENERGY_UNITS = {"eV/atom": 1.0, "meV/atom": 1e-3, "kJ/mol-atom": 1.0 / 96.48533212, "kcal/mol-atom": 1.0 / 23.06054783}
"""eV/atom of each unit of energy per atom; constants of CODATA 2018."""

_PER_FORMULA = {"eV/fu": 1.0, "meV/fu": 1e-3, "kJ/mol-fu": 1.0 / 96.48533212, "kcal/mol-fu": 1.0 / 23.06054783}

YES_OR_NO = ("single_phase",)
"""Labels that are 1 or 0."""

SCHEME = "energy_scheme"
"""Column that says which energies these are, the same in every row."""

_HEADER = re.compile(r"(?P<name>.*?)\s*[\[(]\s*(?P<unit>[^\[\]()]*)\s*[\])]\s*")
_LEAST_NUMBERS = 0.5
"""Least share of numbers in a column that is read as numbers without being asked for."""


@dataclass
class Columns:
    """The columns of a table.

    Attributes:
        formula: Header of the formulas.
        energy: Header of the formation energies, None if there are none.
        energy_factor: eV per unit of theirs.
        per_formula: Whether they are per formula unit as written.
        labels: Header of each other column of numbers, by label.
        std: Header of the stated uncertainties of a label or ``formation_energy``.
        spread: Header of the spread over polymorphs of a label.
        units: Unit of each label that states one.
        extra: Headers that are carried along as text.
        scheme: Header of `SCHEME`, None if there is none.
        said: How the columns were told apart.
    """

    formula: str
    energy: str | None = None
    energy_factor: float = 1.0
    per_formula: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    std: dict[str, str] = field(default_factory=dict)
    spread: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    extra: list[str] = field(default_factory=list)
    scheme: str | None = None
    said: list[str] = field(default_factory=list)


def tell_apart(
    raw: RawTable,
    column: str | None = None,
    energy: str | None = None,
    labels: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
) -> Columns:
    """Say what each column of a table is.

    Args:
        raw: The table.
        column: Column of formulas; by default one of `FORMULA_NAMES`.
        energy: Column of formation energies; by default one of `ENERGY_NAMES`, if there is one.
        labels: Columns to read as numbers; by default all that hold mostly numbers.
        units: Units by column, for columns whose header states none.

    Returns:
        The columns.

    Raises:
        ValueError: No such column, two that would be the same label, or a unit that is unknown or ambiguous.
    """
    parts = {header: _parts(header) for header in raw.frame.columns}
    given = {**_stated_units(raw), **(units or {})}
    found = Columns(_formula(raw, parts, column))
    found.energy = _energy(raw, parts, energy)
    if found.formula.strip() != "formula":
        found.said.append(f"formulas: column {found.formula!r}")
    left = [header for header in raw.frame.columns if header not in (found.formula, found.energy)]
    found.scheme = next((header for header in left if header.strip().lower() == SCHEME), None)
    left = [header for header in left if header != found.scheme]
    asked = None if labels is None else {_find(raw, parts, name, "labels") for name in labels}
    texts = []
    for header in left:
        name, unit = parts[header]
        if header not in asked if asked is not None else not _numbers(raw, header):
            texts.append(header)
            continue
        name = re.sub(r"\W+", "_", name).strip("_") or name
        if name in found.labels:
            raise ValueError(f"{raw.name}: columns {found.labels[name]!r} and {header!r} are both {name!r}; rename one")
        found.labels[name] = header
        if stated := given.get(header) or given.get(name) or unit:
            found.units[name] = stated
    found.extra = texts
    _attach(found)
    if found.energy is not None:
        _energy_unit(raw, found, given.get(found.energy) or given.get("formation_energy") or parts[found.energy][1])
    _say(found)
    return found


def _stated_units(raw: RawTable) -> Mapping[str, str]:
    """Units by column that a table states of itself; its scheme of energies is text, too."""
    units, scheme = raw.attributes.get("units", {}), raw.attributes.get(SCHEME, "")
    if not isinstance(units, Mapping):
        raise ValueError(f"{raw.name}: units={units!r} must name columns, such as {{'hardness': 'GPa'}}")
    for name, unit in units.items():
        if not isinstance(unit, str):
            raise ValueError(f"{raw.name}: units[{name!r}]={unit!r} must be text, such as 'GPa'")
    if not isinstance(scheme, str) or (SCHEME in raw.attributes and not scheme):
        raise ValueError(f"{raw.name}: {SCHEME}={scheme!r} must be text, such as 'mp-legacy-pbe-u'")
    return units


def _parts(header: str) -> tuple[str, str]:
    """Name and unit of a header such as "hardness (GPa)"."""
    found = _HEADER.fullmatch(header.strip())
    return (found["name"], found["unit"]) if found and found["name"] else (header.strip(), "")


def _find(raw: RawTable, parts: Mapping[str, tuple[str, str]], wanted: str, argument: str) -> str:
    """The column of a name, with or without its unit and capitals."""
    for same in (str, lambda text: re.sub(r"\W+", "_", text.strip().lower()).strip("_")):
        for header, (name, _) in parts.items():
            if same(wanted) in (same(header), same(name)):
                return header
    raise ValueError(f"{raw.name} has columns {list(parts)} and none called {wanted!r} ({argument})")


def _formula(raw: RawTable, parts: Mapping[str, tuple[str, str]], column: str | None) -> str:
    if column is not None and column.lower() not in FORMULA_NAMES:
        try:
            return _find(raw, parts, column, "column")
        except ValueError as error:
            raise ValueError(f"{error}: name the one that holds formulas {_example(parts)}") from None
    by_name = {header.strip().lower(): header for header in parts}
    wanted = FORMULA_NAMES if column is None or column.lower() == "formula" else (column.lower(),)
    for name in wanted:
        same = [header for header in parts if header.strip().lower() == name]
        if len(same) > 1:
            raise ValueError(f"{raw.name} has more than one column of formulas: {same}; rename all but one")
        if same:
            return by_name[name]
    raise ValueError(
        f"{raw.name} has columns {list(parts)} and none called {column or 'formula'!r}: name the one that holds "
        f"formulas {_example(parts)}, or give it a header line"
    )


def _example(parts: Mapping[str, tuple[str, str]]) -> str:
    return f"(--column {next(iter(parts), 'formula')!r})"


def _energy(raw: RawTable, parts: Mapping[str, tuple[str, str]], energy: str | None) -> str | None:
    if energy is not None:
        return _find(raw, parts, energy, "energy")
    same = [header for header, (name, _) in parts.items() if name.lower().replace(" ", "_") in ENERGY_NAMES]
    if len(same) > 1:
        raise ValueError(f"{raw.name} has {len(same)} columns of formation energies: {same}; choose one by energy=")
    return same[0] if same else None


def _numbers(raw: RawTable, header: str) -> bool:
    """Whether a column holds mostly numbers, or is of a name that only numbers have."""
    if _parts(header)[0] in (*UNITS, *YES_OR_NO):
        return True
    cells = [cell for cell in raw.frame[header].tolist() if not is_absent(cell)]
    numbers = sum(not read_number(cell, raw.decimal_comma).problem for cell in cells)
    return numbers > _LEAST_NUMBERS * len(cells)


def _attach(found: Columns) -> None:
    """Columns called hardness_std and hardness_spread belong to hardness."""
    own = {*found.labels, *(["formation_energy"] if found.energy else [])}
    for suffix, belongs in (("_std", found.std), ("_spread", found.spread)):
        for name in [name for name in found.labels if name.endswith(suffix) and name.removesuffix(suffix) in own]:
            belongs[name.removesuffix(suffix)] = found.labels.pop(name)
            found.units.pop(name, None)


def _energy_unit(raw: RawTable, found: Columns, stated: str) -> None:
    unit = re.sub(r"\s|·", "", stated).replace("/formula", "/fu").replace("/f.u.", "/fu").replace("per", "/")
    unit = {"eV": "eV/atom", "meV": "meV/atom"}.get(unit, unit) or "eV/atom"
    if unit in ("kJ/mol", "kcal/mol"):
        raise ValueError(
            f"{raw.name}: formation energies in {stated!r} may be per mole of atoms or of formula units; write "
            f"'{unit}-atom' or '{unit}-fu' (units={{{found.energy!r}: ...}})"
        )
    if unit not in ENERGY_UNITS | _PER_FORMULA:
        raise ValueError(
            f"{raw.name}: {stated!r} is no unit of formation energies; use one of "
            f"{', '.join(ENERGY_UNITS | _PER_FORMULA)}"
        )
    found.per_formula = unit in _PER_FORMULA
    found.energy_factor = (ENERGY_UNITS | _PER_FORMULA)[unit]
    read = "read as eV/atom: no unit is stated" if not stated else f"in {unit}"
    found.said.append(f"formation energies: column {found.energy!r}, {read}")


def _say(found: Columns) -> None:
    if found.labels:
        named = (f"{name} [{found.units[name]}]" if name in found.units else name for name in found.labels)
        found.said.append(f"numbers: {', '.join(named)}")
    if found.extra:
        found.said.append(f"carried along as text: {', '.join(found.extra)}")


def text_of(cell: Any) -> str:
    """A cell that is carried along, as text; empty where it holds nothing."""
    return "" if is_absent(cell) and not (isinstance(cell, str) and cell.strip()) else str(cell).strip()
