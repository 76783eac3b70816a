"""Tables of one's own: every kind of source by one door, known answers, round trips, and bad input of each kind."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.core.entries import ComputedEntry, ComputedStructureEntry

import matenv
from matenv.data import Dataset, read_table
from matenv.data.cells import read_number
from matenv.data.written import read_formulas

SCHEME = "mp-legacy-pbe-u"


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="my.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write_file


@pytest.mark.parametrize(
    ("cell", "value", "std"),
    [
        ("39 +- 1", 39, 1), ("39±1.5", 39, 1.5), ("12.34(5)", 12.34, 0.05), ("120(3)", 120, 3),
        ("-1.5e-3", -0.0015, None),
        ("\u22123.2", -3.2, None), (" 7 ", 7, None), (4, 4, None), ("n/a", None, None),
        ("", None, None),
        (None, None, None), (pd.NA, None, None), (float("nan"), None, None),
        (Decimal("-2.5"), -2.5, None), (Fraction(-5, 2), -2.5, None), (Decimal("NaN"), None, None),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(cell, value, std):
    read = read_number(cell)
    for got, expected in zip(read[:2], (value, std), strict=True):
        assert np.isnan(got) if expected is None else got == pytest.approx(expected)
    assert not read.problem


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (">40", "a bound"), ("~3", "a bound"), ("35-40", "a range"), ("3 to 4", "a range"), ("inf", "infinite"),
        (np.inf, "infinite"), ("1,234.5", "separators"), ("hard", "not a number"), (3 + 2j, "a complex"),
        ("1 +- -2", "below"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_said_to_be_none(cell, reason):
    read = read_number(cell)
    assert np.isnan(read.value) and reason in read.problem


def test_formulas_are_read_at_their_word():
    cells = ["La0.7Sr0.3MnO3", "YBa2Cu3O6.93", "(La0.7Sr0.3)0.95MnO3", "Fe0.00009Ni0.99991", "Na", Composition("Fe4O6")]
    batch, atoms, problems = read_formulas(cells)
    assert not problems and atoms[1] == pytest.approx(12.93)
    counts = [sorted(row[row > 0].tolist()) for row in batch.counts]
    assert counts == [[3, 7, 10, 30], [100, 200, 300, 693], [57, 133, 200, 600], [9, 99991], [1], [2, 3]]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("NaN", "sodium nitride"), ("", "no formula"), (None, "no formula"), (float("nan"), "no formula"),
        ("XyO2", "cannot be read"), ("PoO2", "Po"), (3.5, "a float, not a formula"),
        ("Fe0.12345671Ni0.31415927O", "atoms in whole numbers"), ("HHeLiBeBCNOFNeNa", "11 elements"),
    ],
)  # fmt: skip
def test_a_bad_formula_names_itself_and_takes_no_other_along(cell, reason):
    batch, _, problems = read_formulas(["NaCl", cell, "MgO"])
    assert list(problems) == [1] and reason in problems[1]
    assert batch.formulas() == ["NaCl", "", "MgO"]


def test_a_european_csv_in_latin1_is_read_and_how_is_said(write):
    text = 'Formel;Härte (GPa);Notiz\nTiN;20,5 ± 0,3;"a;b"\nMgO;9,2;\n'
    table = read_table(write(text, encoding="latin-1"), column="Formel")
    assert table.labels["Härte"].tolist() == [20.5, 9.2] and table.std["Härte"][0] == pytest.approx(0.3)
    assert table.units == {"Härte": "GPa"} and table.extra["Notiz"].tolist() == ["a;b", ""]
    assert {"separator: semicolons", "encoding: latin-1, as it is not UTF-8"} <= {*table.report.said}
    for encoding in ("utf-8-sig", "utf-16"):
        again = read_table(write(text, encoding=encoding), column="Formel")
        assert again.labels["Härte"].tolist() == [20.5, 9.2]


def test_what_is_left_out_is_said_with_line_and_reason_and_strict_refuses(write):
    path = write(
        "formula,formation_energy,hardness,doi\nMgO,-3,9,10.1/a\nXyO,-1,1,b\nTiN,-1.7,>20,c\nNaN,-1,1,d\nFe,-0.4,4,e\n"
        '"note\nof two lines",1,1,f\nKCl,-21,,g\nNaCl,-2.1\nMgO,-3.1,11,h\n'
    )
    report = read_table(path).report
    assert [(problem.line, problem.column, problem.row) for problem in report.problems] == [
        (3, "formula", True), (4, "hardness", False), (5, "formula", True), (6, "formation_energy", False),
        (7, "formula", True), (9, "formation_energy", False), (10, "", True),
    ]  # fmt: skip
    assert "my.csv line 4: hardness='>20': a bound, not a value" in str(report)
    assert any("1 rows repeat a formula" in flag for flag in report.flags)
    with pytest.raises(ValueError, match="my.csv line 3: formula='XyO': cannot be read.*strict=False"):
        read_table(path, strict=True)
    with pytest.warns(UserWarning, match="4 rows and 3 values left out: my.csv line 3"):
        data = matenv.load_dataset(path)
    assert data.formulas.tolist() == ["MgO", "TiN", "Fe", "KCl"]
    assert data.formation_energy.tolist()[0] == -3.1 and data.labels["hardness"][0] == 10
    assert data.extra["doi"][0] == "10.1/a; h" and json.dumps(report.to_dict())


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("formula,formula\nNaCl,KCl\n", "my.csv", "more than one column called 'formula'"),
        ('{"columns": ["formula", "x", "x"], "data": [["NaCl", 1, 2]]}', "my.json", "more than one column called 'x'"),
        ('formula,x,note\nNaCl,1,"a\nKCl,2,b"\nMgO,4,d\n', "my.csv", "line 2: a cell holds several lines"),
        ("formula,Formula\nNaCl,KCl\n", "my.csv", "more than one column of formulas"),
        ('formula,gap\nNaCl,"1\nKCl,2\n', "my.csv", "line 2: .*quote.* unbalanced"),
        ('formula,gap\n"NaCl,1\nKCl,2\nMgO,3\nCaO,4\nTiN",5\n', "my.csv", "line 2: .*unbalanced"),
        ("formula,\nNaCl,3\n", "my.csv", "column 2 has no name"),
        ("formula\n", "my.csv", "holds no rows"),
        ("", "my.csv", "is empty"),
        ("formula\nXy\n", "my.csv", "has no row that can be used; 1 row left out: my.csv line 2: formula='Xy'"),
        ("formula,e_f,formation_energy\nNaCl,1,1\n", "my.csv", "2 columns of formation energies"),
        ("formula,formation_energy (kJ/mol)\nNaCl,-411\n", "my.csv", "'kJ/mol-atom' or 'kJ/mol-fu'"),
        ("formula,formation_energy (Ry)\nNaCl,-1\n", "my.csv", "'Ry' is no unit"),
        ("formula,formation_energy,energy_scheme\nNaCl,-2,a\nKCl,-2,b\n", "my.csv", "names 2 energy schemes"),
        ("formula,a b,a_b\nNaCl,1,2\n", "my.csv", "are both 'a_b'"),
        ('{"formula": "NaCl"', "my.json", "is not JSON"),
        ('[{"formula": "NaCl", "formula": "KCl"}]', "my.json", "more than one 'formula' in one object"),
        ('{"formula": "NaCl"}', "my.json", "holds no table"),
        ("[3]", "my.json", "holds no table"),
        ('[{"@class": "System", "@module": "os"}]', "my.json", "is a 'System'; entries are one of"),
        ("PAR1 nothing", "my.parquet", "not a readable Parquet file"),
        ("a\0b", "my.csv", "is not text"),
    ],
)
def test_a_damaged_table_is_refused(write, text, name, message):
    with pytest.raises(ValueError, match=message):
        read_table(write(text, name))


def test_bad_sources_and_options_are_refused(tmp_path):
    for source, message in ((3, "is no table"), (tmp_path / "a.xls", "is not a table"), ([], "holds no rows")):
        with pytest.raises(ValueError, match=message):
            read_table(source)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="tolerance=0.5"):
        read_table(["NaCl"], tolerance=0.5)
    with pytest.raises(ValueError, match="none called 'gap'"):
        read_table({"formula": ["NaCl"]}, labels=["gap"])
    with pytest.raises(ValueError, match="strict: options are for a table of one's own"):
        matenv.load_dataset("mp-ground-states", strict=True)


def test_units_of_energy_are_converted():
    for unit, value in (("eV/atom", -2.0), ("meV/atom", -2000), ("kJ/mol-fu", -2 * 2 * 96.48533212), ("eV/fu", -4)):
        table = read_table({"formula": ["NaCl"], "formation_energy": [value]}, units={"formation_energy": unit})
        assert table.formation_energy == pytest.approx([-2.0]), unit


def test_frames_series_and_indices_are_tables():
    frame = pd.DataFrame({"hardness": [9.2, 20.5]}, index=pd.Index(["MgO", "TiN"], name="formula"))
    for source in (frame, frame["hardness"], frame.reset_index()):
        table = read_table(source)
        assert table.compositions.formulas() == ["MgO", "TiN"] and table.labels["hardness"].tolist() == [9.2, 20.5]
    for source in (frame.index, pd.Series(["MgO", "TiN"]), ["MgO", "TiN"], np.array(["MgO", "TiN"])):
        assert read_table(source).compositions.formulas() == ["MgO", "TiN"]
    for kind in (None, object):
        assert len(read_table(pd.Series(["MgO", None, np.nan, pd.NA, "TiN"], dtype=kind))) == 2


def test_entries_become_formation_energies(tmp_path):
    cell = Structure(Lattice.cubic(4.2), ["Mg", "O"], np.array([[0, 0, 0], [0.5, 0.5, 0.5]]))
    entries = [
        ComputedEntry("Mg2", -3.0, entry_id="a"), ComputedEntry("Mg", -1.4, entry_id="b"), ComputedEntry("O2", -9.8),
        ComputedStructureEntry(cell, -12.0, entry_id="mp-1265"), ComputedEntry("Mg4O4", -46.0),
        ComputedEntry("CaO", -9.0),
    ]  # fmt: skip
    table = read_table(entries)
    data = table.dataset()
    assert data.formulas.tolist() == ["Mg", "O2", "MgO"]
    # MgO: (-12 - (-1.5 - 4.9)) / 2 = -2.8 beats (-46 + 4 x 6.4) / 8 = -2.55
    assert data.formation_energy == pytest.approx([0, 0, -2.8])
    assert "mp-1265" in data.extra["entry_id"][2] and "no entry of pure Ca; add one" in table.report.summary()
    with pytest.raises(ValueError, match="holds no material ids"):
        data.material_id("MgO")
    totals = (("Mg", -1.5), ("O2", -9.8), ("MgO", -12))
    same = read_table([PDEntry(Composition(name), energy) for name, energy in totals])
    assert same.formation_energy == pytest.approx([0, 0, -2.8])
    path = tmp_path / "entries.json"
    path.write_text(json.dumps([entry.as_dict() for entry in entries]))
    assert np.array_equal(read_table(path).dataset().formation_energy, data.formation_energy, equal_nan=True)


SYMBOLS = ["Li", "O", "Fe", "Cl", "La", "Sr", "Mn", "Na"]
AMOUNT = st.one_of(st.integers(1, 30), st.decimals("0.01", "9.99", places=2).map(float))
FORMULA = st.dictionaries(st.sampled_from(SYMBOLS), AMOUNT, min_size=1, max_size=4).map(
    lambda amounts: "".join(f"{symbol}{amount}" for symbol, amount in amounts.items())
)
VALUE = st.one_of(st.none(), st.floats(0, 5.5, width=32))
NOTE = st.text(st.characters(codec="utf-8", categories=["L"]), max_size=6).map(lambda text: text and f"§ {text},;\"'")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(FORMULA, VALUE, VALUE, NOTE), min_size=1, max_size=12))
def test_every_format_gives_the_same_dataset_back(tmp_path, rows):
    formulas, energies, hardness, notes = map(list, zip(*rows, strict=True))
    frame = pd.DataFrame(
        {"formula": formulas, "formation_energy": np.array(energies, float), "hardness": np.array(hardness, float)}
    )
    frame["note"] = notes
    first = read_table(frame, labels=["hardness"], energy_scheme=SCHEME).dataset()
    table = first.to_pandas()
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_csv(tmp_path / "semicolon.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig")
    table.to_json(tmp_path / "t.json", orient="records", double_precision=15)
    table.to_json(tmp_path / "t.jsonl", orient="records", lines=True, double_precision=15)
    table.to_parquet(tmp_path / "t.parquet")
    sources = [table, *(tmp_path / name for name in ("t.csv", "semicolon.csv", "t.json", "t.jsonl", "t.parquet"))]
    for source in sources:
        again = read_table(source, labels=[name for name in table if name.startswith("hardness")]).dataset()
        assert again.formulas.tolist() == first.formulas.tolist()
        assert again.compositions.same_as(first.compositions).all()
        for mine, theirs in (
            (again.formation_energy, first.formation_energy), (again.labels["hardness"], first.labels["hardness"]),
        ):  # fmt: skip
            np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-14)
        assert again.extra["note"].tolist() == first.extra["note"].tolist()
        if np.isfinite(first.formation_energy).any():
            assert again.energy_scheme == SCHEME


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=60) | st.text('formula,;"\n\r\t NaCl39+-.', max_size=80), st.sampled_from(["csv", "json", "jsonl"])
)
def test_any_text_is_read_or_refused_by_a_message(tmp_path, text, suffix):
    path = tmp_path / f"any.{suffix}"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    try:
        assert len(read_table(path)) > 0
    except ValueError as error:
        assert "any." in str(error)


def test_from_formulas_takes_fractional_amounts():
    data = Dataset.from_formulas(["La0.7Sr0.3MnO3", "NaCl"], [-2.0, -2.1])
    assert data.formulas.tolist() == ["Sr3La7Mn10O30", "NaCl"]
    with pytest.raises(ValueError, match=r"formulas\[1\]='Xy'"):
        Dataset.from_formulas(["NaCl", "Xy"])


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 30 + "formula;hardness\nMgO;9,2\n",  # more empty lines than the separator is told by
        "formula;hardness;note\nMgO;9,2;a\x0cform feed, and\u2028a line separator\n",
        "formula;hardness;note\nMgO;9,2;" + "long" * 30_000 + "\n",
    ],
)
def test_what_is_no_end_of_a_line_does_not_end_one(write, text):
    assert read_table(write(text)).labels["hardness"].tolist() == [9.2]


def test_a_line_of_jsonl_may_hold_a_line_separator(write):
    text = '{"formula": "MgO", "hardness": 9.2, "note": "a\u2028b"}\n\n{"formula": "TiN", "hardness": 20}\n'
    assert read_table(write(text, name="table.jsonl")).labels["hardness"].tolist() == [9.2, 20.0]


HARD = '{"data": [{"formula": "MgO", "x": 9}]'
"""The beginning of a table in JSON."""


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "\x1c" * 200 + "ÿ", "t.csv"),
        ("t.csv", "formula,x\nMgO," + "9" * 200_000 + "\n", "line 2: field larger than"),
        ("t.json", '{"columns": ["formula", "x"], "data": [["MgO"]]}', "do not go together"),
        ("t.json", '{"columns": 5, "data": [["MgO"]]}', "do not go together"),
        ("t.json", "[" * 100_000, "is not JSON"),
        ("t.json", f'{HARD}, "units": 5}}', "t.json: units=5 must name columns"),
        ("t.json", f'{HARD}, "units": ["GPa"]}}', r"units=\['GPa'\] must name columns"),
        ("t.json", f'{HARD}, "units": {{"x": 5}}}}', r"units\['x'\]=5 must be text"),
        ("t.json", f'{HARD}, "energy_scheme": 5}}', "energy_scheme=5 must be text"),
        ("t.json", f'{HARD}, "energy_scheme": ""}}', "energy_scheme='' must be text"),
    ],
)
def test_a_file_that_is_no_table_says_so(write, name, text, said):
    with pytest.raises(ValueError, match=said):
        read_table(write(text, name=name))


@pytest.mark.parametrize("energies", [[True, -1.0], np.array([True, False]), pd.Series([True, False])])
def test_truth_values_are_no_numbers(energies):
    assert read_number(True).problem == read_number(np.False_).problem == "a truth value, not a number"
    with pytest.raises(ValueError, match=r"formation_energy\[0\]=True is a truth value"):
        Dataset.from_formulas(["NaCl", "LiF"], energies)
    frame = pd.DataFrame({"formula": ["NaCl", "LiF"], "formation_energy": energies, "single_phase": [True, False]})
    table = read_table(frame)
    assert np.isnan(table.formation_energy[0]) and table.labels["single_phase"].tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="a truth value, not a number"):
        read_table(frame, strict=True)


def test_numbers_of_every_type_are_read_alike():
    columns: list[Any] = [[Decimal("-2.5"), None], [Fraction(-5, 2), np.nan], [np.float32(-2.5), pd.NA]]
    for values in columns:
        table = read_table(pd.DataFrame({"formula": ["NaCl", "LiF"], "formation_energy": values}))
        data = Dataset.from_formulas(["NaCl", "LiF"], values)
        for energies in (table.formation_energy, data.formation_energy):
            assert energies[0] == -2.5 and np.isnan(energies[1])
        assert table.report.good
    assert read_number(10**400).problem == "beyond the largest number in floating point"
