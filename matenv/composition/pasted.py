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

_SPACED = re.compile(r"\s(?P<times>\d+\.?\d*|\.\d+)\s*(?=[A-Z(\[{])")
"""A number after a space: an amount of what stands before it, or how often what follows counts."""

_ENDED = re.compile(r"(?:[)\]}]|As|Br|Cl|Se|Te|[BCFHINOPS])\s*$")
"""How a compound ends: in a nonmetal or a bracket."""

_GROUP = re.compile(r"[(\[{][^()\[\]{}]*[)\]}][\d.]*")
_STATE = re.compile(r"\((?:s|l|g|aq|cr|am|vit|ads|sln)\)|(?<=\s)(?:s|l|g|aq)$")
"""A state of matter, as equations of reactions have it."""

_AMOUNT = re.compile(r"([A-Z][a-z]?|[)\]}])\s*([\d.]*\.[\d.]*)")
_TWO = re.compile(r"[\d.]+\s+[\d.]+")
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
            state, a state of matter, an amount that is no number, a full stop or a space that may stand for the dot of
            a hydrate, an identifier, or a character that no formula has. The message says what to write, without naming
            the formula.
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
    if found := _STATE.search(plain):
        raise ValueError(f"{found[0]} is a state of matter, which is no part of a formula; leave it out")
    parts = _DOT.split(plain)
    if found := _NUMERAL.search(plain):
        raise ValueError(f"{found[0]} may be an oxidation state; leave it out, or write the elements out ('FeI2')")
    for part in parts:
        _check_spaces(part)
    _check_full_stop(parts[-1])
    for symbol, amount in _AMOUNT.findall(plain):
        if amount.count(".") > 1 or amount == ".":
            raise ValueError(f"{symbol} has an amount of {amount}, which is no number; write it like 'Fe0.5O'")
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


def _check_spaces(formula: str) -> None:
    """Refuse a number between spaces that may count what follows, as in an adduct without its dot."""
    for found in _SPACED.finditer(formula):
        head, times, guest = formula[: found.start()].rstrip(), found["times"], formula[found.end() :]
        if not _SYMBOL.search(head):
            continue
        joined = f"{''.join(head.split())}·{times}{''.join(guest.split())}"
        if head[-1].isdigit() or head[-1] == ".":
            raise ValueError(f"{times} follows another number; if it is how often a part counts, write {joined!r}")
        if not (_GUEST.match(guest) or _is_adduct(head, guest)):
            continue
        raise ValueError(
            f"the {times} after a space may be an amount or stand behind the dot of a hydrate or adduct; write "
            f"{joined!r} for the latter, or {joined.replace('·', '')!r} for an amount"
        )
    if two := _TWO.search(formula):
        raise ValueError(f"two numbers stand beside each other ({two[0]!r}); write one amount")


def _is_adduct(head: str, guest: str) -> bool:
    """Whether what stands around a number may be two compounds; not if every element or group stands for itself."""
    if not (_is_compound(head) and _ENDED.search(head) and _is_compound(guest)):
        return False
    beside = head.split()[-1], guest.split()[0]
    return any(_is_compound(each) and not _GROUP.fullmatch(each) for each in beside)


def _is_compound(part: str) -> bool:
    return len(set(_SYMBOL.findall(part))) > 1
