"""Formulas as people paste them, brought to plain text: subscripts of any kind, and the parts of a hydrate."""

from __future__ import annotations

import re

_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉．（）［］", "0123456789.()[]")
_MARKED = re.compile(r"<sub>\s*([\d.]+)\s*</sub>|\\?_\{\s*([\d.]+)\s*\}|\\?_([\d.]+)")
"""A subscript in HTML or LaTeX."""

_DOT = re.compile(r"\s*[·•∙⋅・‧*]\s*")
"""What joins the parts of a hydrate; a full stop might as well be a decimal point."""

_PART = re.compile(r"(\d+\.?\d*|\.\d+)?\s*(.*)", re.DOTALL)
_GUEST = re.compile(r"(?:H2O|OH2|H20|NH3|\((?:H2O|NH3)\))$")
_FULL_STOP = re.compile(r"(?P<head>[^.]*[A-Z)\]}][^.]*)\.(?P<times>[1-9]\d?|\d*\.\d+)\s*(?P<guest>[A-Z(\[{][^.]*)")
"""What may be two parts joined by a full stop: up to 99 of a guest, or a decimal fraction of one."""

_SYMBOL = re.compile("[A-Z][a-z]?")
_NUMERAL = re.compile(r"(?<=[A-Za-z])\((?:VI\)(?!\d+$)|(?:I{1,3}|IV|V|VI{2,3}|IX|X)\))")
"""A Roman numeral in brackets; what vanadium and iodine make of one ends with a count."""

_ISOTOPE = re.compile(r"([DT])(?![a-z])")
_CHARGE = re.compile(r"[⁺⁻⁰¹²³⁴-⁹^]|[+\-−–](?=\s*$|\]|\d+\s*$)|\d[+\-−–]\s*$")
_ZERO = re.compile(r"([A-Z][a-z]?|[)\]}])(?:0+(?:\.0*)?|\.0+)(?![\d.])")
_PLAIN = re.compile(r"[A-Za-z0-9.()\[\]{}\s]*")
_IDENTIFIER = re.compile(r"\s*(mp|mvc|oqmd|agm)-\d+\s*")
_POWER = re.compile(r"\d[eE][+\-−]?\d")
_UNKNOWN = re.compile(r"\d[-−–+±][a-zδ]|(?<![A-Z])[xyznδ](?=[A-Z(]|$)")


def parts_of(text: str) -> list[tuple[float, str]]:
    """The parts of a formula with how often each counts: one, or more in a hydrate or an adduct.

    Args:
        text: Such as ``"LiFePO4"``, ``"Fe₂O₃"``, ``"Fe$_{2}$O$_3$"`` or ``"CuSO4·5H2O"``.

    Returns:
        Factor and plain formula of each part, such as ``[(1.0, "CuSO4"), (5.0, "H2O")]``.

    Raises:
        ValueError: A charge, an isotope, an open amount (x), an amount of zero or with a power of ten, an oxidation
            state, a full stop that may stand for the dot of a hydrate or for a decimal point, an identifier, or a
            character that no formula has. The message says what to write, without naming the formula.
    """
    if _IDENTIFIER.fullmatch(text):
        raise ValueError("it is the identifier of a material; give the formula")
    plain = text.translate(_SUBSCRIPTS).replace("$", "")
    plain = _MARKED.sub(lambda found: next(filter(None, found.groups())), plain).strip()
    if found := _POWER.search(plain):
        raise ValueError(f"an amount is written with a power of ten ({found[0]}); write it out, as in 'Fe0.00001Ni'")
    if _UNKNOWN.search(plain):
        raise ValueError("an amount is left open (x, y, δ); write a number")
    if _CHARGE.search(plain):
        raise ValueError("it carries a charge; compositions are neutral, so leave the charge out ('SO4', 'Fe')")
    parts = _DOT.split(plain)
    if found := _NUMERAL.search(plain):
        raise ValueError(f"{found[0]} may be an oxidation state; leave it out, or write the elements out ('FeI2')")
    _check_full_stop(parts[-1])
    if found := _ISOTOPE.search(plain):
        raise ValueError(f"{found[1]} is an isotope; matenv knows elements only: write H")
    if bad := _ZERO.search(plain):
        raise ValueError(f"{bad[1]} has an amount of zero; leave it out")
    read = []
    for part in parts:
        match = _PART.fullmatch(part)
        factor, formula = match.groups() if match and len(parts) > 1 else (None, part)
        if not formula or (factor is not None and not float(factor) > 0):
            raise ValueError("a part beside its dot is empty; write it like 'CuSO4·5H2O'")
        rest = _PLAIN.sub("", formula)
        if rest:
            raise ValueError(f"{rest[0]!r} has no place in a formula; write it like 'LiFePO4' or 'CuSO4·5H2O'")
        read.append((float(factor or 1), formula))
    return read


def _check_full_stop(formula: str) -> None:
    """Refuse a full stop that may join a host and its guest, or stand in an amount."""
    if not (found := _FULL_STOP.fullmatch(formula)):
        return
    head, times, guest = found["head"], found["times"], found["guest"]
    if not (_GUEST.match(guest) or _is_compound(head) and _is_compound(guest)):
        return
    other = f", or '{head}.{times.ljust(3, '0')}{guest}' for an amount" if "." not in times else ""
    raise ValueError(
        "its full stop may be a decimal point or the dot of a hydrate or adduct; write "
        f"'{head}·{times}{guest}' for the latter{other}"
    )


def _is_compound(part: str) -> bool:
    return len(set(_SYMBOL.findall(part))) > 1
