import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import matenv
from matenv.data import splits
from matenv.data.dataset import Dataset, assign_splits
from matenv.data.grouping import group_statistics
from matenv.data.neighbours import Neighbours
from matenv.elements import SYMBOLS


def test_the_table_is_what_its_card_says(data):
    assert len(data) == 85_014 == len(set(data.formulas.tolist()))
    present = {name: int(np.isfinite(values).sum()) for name, values in data.labels.items()}
    assert present == {
        "decomposition_energy": 85_014, "band_gap_pbe": 72_223, "band_gap_expt": 2_343,
        "log10_bulk_modulus": 9_537, "log10_shear_modulus": 9_527,
    }  # fmt: skip
    assert data.fractions.shape == (85_014, 89) and np.allclose(data.fractions.sum(axis=1), 1)
    lookup = dict(zip(data.formulas.tolist(), data.formation_energy.tolist(), strict=True))
    assert lookup["NaCl"] == pytest.approx(-2.105, abs=5e-4)
    assert "Na3N" in lookup or "NaN" not in lookup  # csv readers turn sodium nitride into a missing value
    assert (data.labels["decomposition_energy"] <= 0).mean() == pytest.approx(0.40, abs=0.01)
    wrong = {"AsBiSr3", "Pd2Si2Th", "Ir2U", "AlGeLa"}
    moduli = data.formulas[np.isfinite(data.labels["log10_bulk_modulus"])]
    assert not wrong & {"".join(sorted(name)) for name in moduli.tolist()}
    assert data.labels["log10_bulk_modulus"][data.truth("log10_bulk_modulus")].max() < np.log10(513)


def test_a_measured_gap_of_zero_is_that_of_a_stable_phase_without_a_pbe_gap(data):
    zero = data.labels["band_gap_expt"] == 0.0
    assert zero.sum() == 1_188 and (data.labels["band_gap_pbe"][zero] == 0.0).all()
    assert (data.labels["decomposition_energy"][zero] <= 0.0).all()
    no_metals = np.isin(data.formulas, ["P2O5", "Na2SO4", "AlAs"])
    assert no_metals.sum() == 3 and np.isnan(data.labels["band_gap_expt"][no_metals]).all()
    assert not (matenv.load_dataset("mp-properties").labels["band_gap_expt"] == 0.0).any()


def test_splits_are_frozen_disjoint_and_by_system(data):
    for name, held_out in (("system", 16_468), ("frontier", 8_304)):
        train, test = data.split(name)
        assert len(test) == held_out and len(train) + len(test) == len(data)
        assert not set(data.systems[train]) & set(data.systems[test])
    rows = np.random.default_rng(1).choice(len(data), 500, replace=False)
    again = assign_splits(data.systems[rows])
    assert np.array_equal(again["system_part"], data.system_part[rows])
    assert np.array_equal(again["frontier"], data.frontier[rows])
    parts = [set(data.part(part)) for part in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(data)
    assert set(data.split("system").train) == parts[0] | parts[1]


def test_both_embedded_tables_share_one_assignment(data):
    extra = matenv.load_dataset("mp-properties")
    assert not set(extra.formulas.tolist()) & set(data.formulas.tolist())
    known = dict(zip(data.systems.tolist(), data.system_part.tolist(), strict=True))
    shared = [i for i, system in enumerate(extra.systems.tolist()) if system in known]
    assert shared and all(known[extra.systems[i]] == extra.system_part[i] for i in shared)
    assert np.isnan(extra.formation_energy).all()


@given(st.sets(st.sampled_from(SYMBOLS), min_size=3, max_size=6))
def test_frontier_holds_out_every_super_system(elements):
    system = tuple(sorted(elements))
    if splits.is_frontier(system):
        for extra in ("Li", "Zr"):
            assert splits.is_frontier(tuple(sorted({*system, extra})))


def test_user_table_collapses_polymorphs(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("formula,formation_energy,band_gap_pbe\nTiO2,-3.3,2.0\nTi2O4,-3.4,\nNNa,-0.1,1.0\nTiO2,-3.2,2.6\n")
    table = matenv.load_dataset(path)
    assert table.formulas.tolist() == ["TiO2", "NaN"]
    assert table.formation_energy.tolist() == [-3.4, -0.1]
    assert table.labels["band_gap_pbe"].tolist() == [2.3, 1.0]
    assert table.spread["band_gap_pbe"][0] == pytest.approx(0.6)
    assert table.truth("band_gap_pbe").tolist() == [False, True]
    assert table.energy_scheme == "file:mine.csv"
    assert len(table.subset(np.array([1]))) == 1


def test_group_statistics_by_hand():
    low, middle, high = group_statistics(np.array([3.0, 1.0, np.nan, 2.0, 8.0]), np.array([0, 0, 1, 0, 2]), 4)
    assert np.array_equal(low, [1, np.nan, 8, np.nan], equal_nan=True)
    assert np.array_equal(middle, [2, np.nan, 8, np.nan], equal_nan=True)
    assert np.array_equal(high, [3, np.nan, 8, np.nan], equal_nan=True)


def test_errors(tmp_path, data):
    with pytest.raises(ValueError, match="name='oqmd'"):
        matenv.load_dataset("oqmd")
    with pytest.raises(ValueError, match="name='random' is unknown"):
        data.split("random")
    with pytest.raises(ValueError, match="name='dev' is unknown"):
        data.part("dev")
    with pytest.raises(ValueError, match="label='colour'"):
        data.truth("colour")
    bad = tmp_path / "bad.csv"
    bad.write_text("name,energy\nTiO2,1\n")
    with pytest.raises(ValueError, match="none called 'formula'"):
        matenv.load_dataset(bad)
    bad.write_text("formula,formation_energy\nTiO2,low\n")
    with pytest.raises(ValueError, match="line 2: formation_energy='low'"):
        matenv.load_dataset(bad, strict=True)
    with pytest.raises(FileNotFoundError):
        matenv.load_dataset(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"expected \(1,\)"):
        Dataset.from_formulas(["TiO2"], [1.0, 2.0])


def test_nearest_known_formula_against_brute_force(data):
    rows = np.random.default_rng(2).choice(len(data), 2000, replace=False)
    table = data.compositions[rows]
    index = Neighbours(table)
    queries = matenv.CompositionBatch.from_fractions(
        matenv.fractions(["Li7Fe8P8O32", "BaTiO4", "NiAl2Cu", "W24C", "CsCl"])
    )
    distance, found = index.nearest(queries, k=3)
    known, x = table.fractions(), queries.fractions()
    for i in range(len(queries)):
        inside = ~(known[:, x[i] == 0] > 0).any(axis=1)
        expected = np.sort(np.r_[np.abs(known[inside] - x[i]).sum(axis=1), 2 * (1 - x[i].max())])[:3]
        assert distance[i][: len(expected)] == pytest.approx(expected)
        hits = found[i] >= 0
        assert np.abs(known[found[i][hits]] - x[i]).sum(axis=1) == pytest.approx(distance[i][hits])
