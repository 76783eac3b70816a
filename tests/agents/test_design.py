"""What is wanted in words, and candidates that come out."""

import csv
import json
from collections import Counter

import pytest
from matenv.agents.candidates import families
from matenv.agents.design import ALIKE, design, design_task, parse_want, verdict
from typer.testing import CliRunner

from matenv import CompositionBatch, Window, fractions
from matenv.cli.main import app


def test_ranges_in_words():
    assert parse_want("band_gap_expt=1.1..1.6") == Window("band_gap_expt", 1.1, 1.6)
    assert parse_want(" price = ..50") == Window("price", None, 50.0)
    assert parse_want("bulk_modulus=100..1000") == Window("log10_bulk_modulus", 2.0, 3.0)


@pytest.mark.parametrize("text", ["band_gap_expt", "x=1.1", "x=..", "=1..2", "x=a..b", "bulk_modulus=-1..5"])
def test_other_words_are_refused(text):
    with pytest.raises(ValueError, match="is no range such as"):
        parse_want(text)


def test_candidates_hold_what_is_asked_for():
    task = design_task(["band_gap_expt=1.1..1.6"], ["Cu", "S|Se"], ["Pb", "Cd"], max_elements=4)
    found = design(task, top=5, calls=150)
    assert 0 < len(found) <= 5
    scores = [candidate.score for candidate in found]
    assert scores == sorted(scores, reverse=True)
    for candidate in found:
        elements = candidate.chemical_system.split("-")
        assert "Cu" in elements
        assert {"S", "Se"} & set(elements)
        assert not {"Pb", "Cd"} & set(elements)
        assert candidate.novel
        assert candidate.status == "not in table"
        assert candidate.gold_score != candidate.score
    batch = CompositionBatch.from_fractions(fractions([candidate.formula for candidate in found]))
    assert max(Counter(families(batch)).values()) <= ALIKE


def test_families_and_whether_a_wish_is_met():
    like, *others = families(CompositionBatch.from_fractions(fractions(["EuSmCuSe3", "PrNdAgTe3", "BaPrCuSe3"])))
    assert [each == like for each in others] == [True, False]
    impossible = design_task(["band_gap_pbe=20..30"])
    found = design(impossible, top=2, calls=60)
    assert verdict(found, impossible).startswith("No candidate meets what is wanted" if found else "Nothing was found")
    easy = design_task(["band_gap_pbe=0.."])
    assert verdict(design(easy, top=2, calls=60), easy) == ""


def test_an_unknown_property_is_named():
    with pytest.raises(ValueError, match="colour"):
        design(design_task(["colour=1..2"]), calls=10)


def test_the_command_prints_cards_as_json_and_writes_a_table(tmp_path):
    path = tmp_path / "found.csv"
    arguments = ["design", "--want", "band_gap_pbe=2..", "--contains", "Li,O", "--calls", "60", "--top", "2"]
    result = CliRunner().invoke(app, [*arguments, "--json", "--csv", str(path)])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [each["formula"] for each in found] == [row["formula"] for row in csv.DictReader(path.open())]
    assert all("Li" in each["chemical_system"] and each["card"] for each in found)
