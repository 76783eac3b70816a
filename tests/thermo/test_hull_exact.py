"""The hull against independent solvers, and against the duality certificate that bounds its error."""

import numpy as np
import pytest
from scipy import sparse

from matenv import CompositionBatch, ConvexHull
from matenv.data import Dataset
from matenv.elements import INDEX, NUM_ELEMENTS, SYMBOLS
from tests.thermo.hull_cases import compositions, embedded_hull, highs_energy, perturbed, table

CEILING = 1e6  # eV/atom; stands for the potential of elements a composition lacks, so that their phases cost too much


def certify(dec, x, data):
    """Weak duality against the whole table: (worst reduced cost, worst gap), eV/atom, and the worst mass error."""
    x = x / x.sum(axis=1, keepdims=True)
    mu = dec.potentials
    lacking = np.where(np.isnan(mu), -CEILING, mu)
    phases = sparse.csr_array(data.fractions)
    worst = min(0.0, -np.nanmax(mu))  # the pure elements
    for block in np.array_split(np.arange(len(x)), max(1, len(x) // 500)):
        worst = min(worst, float((data.formation_energy[:, None] - phases @ lacking[block].T).min()))
    gap = np.abs(dec.energy - np.nansum(mu * x, axis=1)).max()
    mass = 0.0
    where = {formula: row for row, formula in enumerate(data.formulas.tolist())}
    for i in range(0, len(x), max(1, len(x) // 1000)):
        total, energy = np.zeros(NUM_ELEMENTS), 0.0
        for formula, weight in dec.products(i):
            if formula in where:
                total += weight * data.fractions[where[formula]]
                energy += weight * data.formation_energy[where[formula]]
            else:
                total[INDEX[formula.rstrip("2")]] += weight
        mass = max(mass, np.abs(total - x[i]).max())
        assert energy == pytest.approx(dec.energy[i], abs=1e-12)
    return worst, gap, mass


def queries(count, seed):
    known = table().fractions[np.random.default_rng(seed).integers(len(table()), size=count // 4)]
    return np.concatenate([known, perturbed(count // 2, seed), compositions(count - count // 4 - count // 2, seed)])


@pytest.mark.parametrize("count", [1000, pytest.param(60_000, marks=pytest.mark.slow)])
def test_duality_certificate_against_the_unpruned_table(count):
    x = queries(count, seed=11)
    dec = embedded_hull().decompose(x)
    assert (dec.status == dec.OK).all()
    worst, gap, mass = certify(dec, x, table())
    assert worst >= -2e-9
    assert gap <= 2e-9
    assert mass <= 1e-11


@pytest.mark.parametrize("count", [300, pytest.param(7000, marks=pytest.mark.slow)])
def test_highs_agrees(count):
    data, hull = table(), embedded_hull()
    x = np.concatenate([compositions(count // 2, seed=12), perturbed(count // 2, seed=13, largest=9)])
    expected = [highs_energy(row, data.fractions, data.formation_energy) for row in x]
    assert np.abs(hull.energy(x) - expected).max() <= 1e-9


def test_highs_agrees_without_the_formula_itself():
    data, hull = table(), embedded_hull()
    rows = np.random.default_rng(14).choice(len(data), 150, replace=False)
    energies = hull.energy(data.compositions[rows], exclude_self=True)
    for row, energy in zip(rows, energies, strict=True):
        others = data.formation_energy.copy()
        others[row] = 100.0  # too dear to take part
        expected = highs_energy(data.fractions[row], data.fractions, others)
        assert energy == pytest.approx(expected, abs=1e-9)


@pytest.mark.filterwarnings("ignore:No Pauling electronegativity")
def test_pymatgen_agrees():
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    data, hull = table(), embedded_hull()
    systems = ("Li-Fe-P-O", "Na-Cl", "Ga-Mo-S", "Ba-Ti-O", "Al-Cu-Mg-Zn", "K-Mn-F", "Fe-He")
    for system in systems:
        symbols = system.split("-")
        inside = np.isin(data.compositions.elements, [-1, *(INDEX[s] for s in symbols)]).all(axis=1)
        entries = [PDEntry(Composition(s), 0.0) for s in symbols]
        for formula, energy in zip(data.formulas[inside], data.formation_energy[inside], strict=True):
            composition = Composition(formula)
            entries.append(PDEntry(composition, energy * composition.num_atoms))
        diagram = PhaseDiagram(entries)
        stable = {entry.composition.reduced_formula for entry in diagram.stable_entries if len(entry.composition) > 1}
        assert stable == set(data.formulas[inside]) & set(hull.formulas.tolist())
        for x in compositions(12, seed=15, sizes=(len(symbols),) * 2, elements=[INDEX[s] for s in symbols]):
            composition = Composition(dict(zip(SYMBOLS, x, strict=True)))
            dec = hull.decompose(x)
            assert dec.energy[0] == pytest.approx(diagram.get_hull_energy_per_atom(composition), abs=1e-8)
            theirs = {e.composition.reduced_formula: w for e, w in diagram.get_decomposition(composition).items()}
            assert dict(dec.products(0)) == pytest.approx(theirs, abs=1e-6)


def lattice(symbols, atoms):
    """All compositions of `atoms` atoms over some elements, as dense counts."""
    counts = [(i, j, atoms - i - j) for i in range(atoms + 1) for j in range(atoms + 1 - i)]
    dense = np.zeros((len(counts), NUM_ELEMENTS), np.int64)
    dense[:, [INDEX[s] for s in symbols]] = counts
    return CompositionBatch.from_counts(dense)


def test_massive_ties():
    data = table().subset(np.arange(0, 85_014, 4))
    data.formation_energy[:] = np.round(data.formation_energy * 4) / 4
    hull = ConvexHull.from_dataset(data)
    x = np.concatenate([perturbed(150, seed=16), compositions(100, seed=17, sizes=(3, 7)), data.fractions[::300]])
    expected = [highs_energy(row, data.fractions, data.formation_energy) for row in x]
    dec = hull.decompose(x)
    assert (dec.status == dec.OK).all()
    assert np.abs(dec.energy - expected).max() <= 1e-9
    worst, gap, mass = certify(dec, x, data)
    assert worst >= -2e-9 and gap <= 2e-9 and mass <= 1e-11


def test_coplanar_phases():
    """Every lattice point of Li-Fe-O lies exactly on one plane per corner triangle: any mixture will do, one energy."""
    phases = lattice(("Li", "Fe", "O"), 12)
    x = phases.fractions()
    shares = x[:, [INDEX[s] for s in ("Li", "Fe", "O")]]
    energy = -np.minimum.reduce([shares[:, 0] + 0.2 * shares[:, 1], shares[:, 2], 1.5 * shares[:, 1] + shares[:, 0]])
    kept = phases.size > 1
    order = np.random.default_rng(0).permutation(np.flatnonzero(kept))
    data, shuffled = (
        Dataset("plane", np.array(phases.formulas())[rows], phases[rows], energy[rows], "toy")
        for rows in (np.flatnonzero(kept), order)
    )
    hull = ConvexHull.from_dataset(data)
    probes = np.concatenate(
        [x, compositions(200, seed=18, sizes=(3, 3), elements=[INDEX[s] for s in ("Li", "Fe", "O")])]
    )
    expected = [highs_energy(row, data.fractions, data.formation_energy) for row in probes]
    dec = hull.decompose(probes)
    assert (dec.status == dec.OK).all()
    assert np.abs(dec.energy - expected).max() <= 1e-9
    again = ConvexHull.from_dataset(shuffled).decompose(probes)
    assert np.array_equal(dec.energy, again.energy)
    assert all(dec.products(i) == again.products(i) for i in range(0, len(probes), 9))


def test_nearly_equal_compositions():
    """Phases whose fractions differ by 1e-5 make ill-conditioned bases; the answers stay exact."""
    counts = np.zeros((200, NUM_ELEMENTS), np.int64)
    counts[:, INDEX["Na"]] = np.arange(300, 500)
    counts[:, INDEX["Cl"]] = 401
    batch = CompositionBatch.from_counts(counts)
    share = batch.fractions()[:, INDEX["Na"]]
    energy = -0.9 + (share - 0.5) ** 2 + 1e-6 * np.random.default_rng(2).random(len(share))
    data = Dataset("crowd", np.array(batch.formulas()), batch, energy, "toy")
    hull = ConvexHull.from_dataset(data)
    probes = np.zeros((400, NUM_ELEMENTS))
    probes[:, INDEX["Na"]] = np.linspace(0.4, 0.58, 400)
    probes[:, INDEX["Cl"]] = 1 - probes[:, INDEX["Na"]]
    expected = [highs_energy(row, data.fractions, data.formation_energy) for row in probes]
    assert np.abs(hull.energy(probes) - expected).max() <= 1e-9
