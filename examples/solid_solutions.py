"""Print a table of solid solutions as an example of one's own data: fractional occupancies, in steps of a twentieth.

The formulas are generated from families in which such mixtures are made (perovskites, alkali halides, III-V
semiconductors, olivines, layered oxides); nothing says that each of them mixes at every ratio.

Run: python examples/solid_solutions.py > solid_solutions.csv
Then: matenv latent train --from vae --data solid_solutions.csv --out runs/solid
"""

from itertools import combinations, product

STEPS = [k / 20 for k in range(1, 20)]
TENTHS = [k / 10 for k in range(1, 10)]


def mixed(first: str, second: str, x: float) -> str:
    """Two elements that share one site, the second with occupancy x."""
    return f"{first}{1 - x:g}{second}{x:g}"


def formulas() -> list[str]:
    table = []
    for rare, alkaline, metal in product(("La", "Pr", "Nd", "Sm", "Gd"), ("Ca", "Sr", "Ba"), ("Cr", "Mn", "Fe", "Co")):
        table += [f"{mixed(rare, alkaline, x)}{metal}O3" for x in STEPS]
    for alkaline, pair in product(("Ca", "Sr", "Ba"), combinations(("Ti", "Zr", "Mn", "Fe", "Co"), 2)):
        table += [f"{alkaline}{mixed(*pair, x)}O3" for x in STEPS]
    alkalis, halogens = ("Li", "Na", "K", "Rb"), ("F", "Cl", "Br", "I")
    for pair, halogen in product(combinations(alkalis, 2), halogens):
        table += [f"{mixed(*pair, x)}{halogen}" for x in STEPS]
    for alkali, pair in product(alkalis, combinations(halogens, 2)):
        table += [f"{alkali}{mixed(*pair, x)}" for x in STEPS]
    groups = ("Al", "Ga", "In"), ("N", "P", "As", "Sb")
    for pair, anion in product(combinations(groups[0], 2), groups[1]):
        table += [f"{mixed(*pair, x)}{anion}" for x in STEPS]
    for cation, pair in product(groups[0], combinations(groups[1], 2)):
        table += [f"{cation}{mixed(*pair, x)}" for x in STEPS]
    for pair in combinations(("Mn", "Fe", "Co", "Ni"), 2):
        table += [f"Li{mixed(*pair, x)}PO4" for x in STEPS]
    for x, y in product(TENTHS, TENTHS):
        if x + y < 0.95:
            table.append(f"LiNi{1 - x - y:.1f}Mn{x:g}Co{y:g}O2")
    return table


def main() -> None:
    print("formula", *formulas(), sep="\n")


if __name__ == "__main__":
    main()
