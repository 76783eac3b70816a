"""Merging tables, and energies of different schemes."""

from dataclasses import replace

import numpy as np
import pytest

import matenv
from matenv.composition import CompositionBatch, integer_counts
from matenv.data import Dataset, fit_conversion
from matenv.data.schemes import compare_with_embedded
from matenv.elements import INDEX


def batch(*formulas):
    return CompositionBatch.from_counts(integer_counts(formulas))


def table(columns, **options):
    return matenv.load_dataset({"formula": list(columns.pop("formula")), **columns}, **options)


def test_merging_keeps_the_lower_energy_and_fills_labels():
    first = table(
        {"formula": ["MgO", "TiN"], "formation_energy": [-3.0, -1.7], "hardness (GPa)": [9, None],
         "decomposition_energy": [-1, -1], "material_id": ["mp-1", "mp-2"]}, energy_scheme="a",
    )  # fmt: skip
    second = table(
        {"formula": ["Ti2N2", "NaCl", "MgO"], "formation_energy": [-1.8, -2.1, -2.9], "hardness (GPa)": [20, 1, 11],
         "material_id": ["mp-3", "mp-4", "mp-1"]}, energy_scheme="a",
    )  # fmt: skip
    merged = first.merge(second)
    assert merged.formulas.tolist() == ["MgO", "TiN", "NaCl"] and merged.energy_scheme == "a"
    assert merged.formation_energy.tolist() == [-3.0, -1.8, -2.1]
    assert merged.labels["hardness"].tolist() == [9, 20, 1] and merged.spread["hardness"].tolist()[0] == 2
    assert "decomposition_energy" not in merged.labels  # it was of the first table's own phases
    assert [merged.material_id(name) for name in ("TiN", "MgO", "KCl")] == ["mp-2; mp-3", "mp-1", ""]
    assert merged.units == {"hardness": "GPa"} and len(merged.system_part) == 3
    assert len(first.merge(first)) == 2


def test_a_table_without_energies_merges_with_the_embedded_one(data):
    mine = table({"formula": ["Mg2Si5O12", "MgO"], "hardness": [12.0, 9.0]})
    merged = data.merge(mine)
    assert merged.energy_scheme == data.energy_scheme and len(merged) == len(data) + 1
    assert merged.labels["hardness"][data.find(batch("MgO"))].tolist() == [9.0]
    assert np.array_equal(merged.labels["decomposition_energy"][: len(data)], data.labels["decomposition_energy"])
    with pytest.raises(ValueError, match="holds no material ids"):
        data.material_id("MgO")


def test_other_energies_and_units_do_not_mix():
    first = Dataset.from_formulas(["MgO"], [-3.0], energy_scheme="a")
    with pytest.raises(ValueError, match="'a' and user 'b', which do not mix.*fit_conversion"):
        first.merge(Dataset.from_formulas(["MgO"], [-3.0], energy_scheme="b"))
    with pytest.raises(ValueError, match="hardness is in 'GPa' in table and 'HV' in table"):
        table({"formula": ["MgO"], "hardness (GPa)": [9]}).merge(table({"formula": ["MgO"], "hardness (HV)": [900]}))


def test_a_conversion_finds_known_offsets_and_says_its_residual(data):
    part = data.subset(np.arange(0, len(data), 80))
    shift = 0.3 * part.fractions[:, INDEX["O"]] - 0.1 * part.fractions[:, INDEX["Fe"]]
    noise = np.random.default_rng(0).normal(0, 0.01, len(part))
    mine = replace(part, name="mine", energy_scheme="mine", formation_energy=part.formation_energy - shift + noise)
    found = fit_conversion(mine, data)
    assert found.offsets[INDEX["O"]] == pytest.approx(0.3, abs=0.01)
    assert found.offsets[INDEX["Fe"]] == pytest.approx(-0.1, abs=0.02)
    assert found.before > 0.05 and 0.006 < found.residual < 0.012 and found.shared == len(part)
    assert "0.0" in str(found) and "left-out systems" in str(found)
    converted = found.apply(mine)
    assert converted.energy_scheme == data.energy_scheme and len(data.merge(converted)) == len(data)
    assert np.nanmean(np.abs(converted.formation_energy - part.formation_energy)) < 0.01
    unknown = Dataset.from_formulas(["XeF2", "Mg"], [-1.0, 0.0], energy_scheme="mine")
    assert np.isnan(found.apply(unknown).formation_energy[0]) and found.apply(unknown).formation_energy[1] == 0
    with pytest.raises(ValueError, match="this converts from 'mine'"):
        found.apply(data)
    with pytest.raises(ValueError, match="share 1 formulas with energies; a conversion needs 20"):
        fit_conversion(Dataset.from_formulas(["MgO"], [-3.0]), data)


def test_a_table_is_compared_with_the_embedded_energies(data):
    part = data.subset(np.arange(100))
    assert "the same energies" in compare_with_embedded(part)[0]
    other = replace(part, formation_energy=part.formation_energy - 0.2)
    assert "difference 0.2000 eV/atom: other energies" in compare_with_embedded(other)[0]
    assert compare_with_embedded(Dataset.from_formulas(["MgO"])) == []
