"""Which formula is this: keys, comparison and look-up agree with the formulas as text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matenv import composition as comp
from matenv.composition import CompositionBatch, FormulaIndex
from matenv.oracle.ledger import Ledger

# Few elements and small counts, so that formulas repeat and near misses are common; the empty composition among them.
rows = st.lists(st.dictionaries(st.integers(40, 44), st.integers(1, 3), max_size=4), min_size=1, max_size=40)


def packed(formulas):
    counts = np.zeros((len(formulas), 89), np.int64)
    for row, formula in enumerate(formulas):
        counts[row, list(formula)] = list(formula.values())
    return CompositionBatch.from_counts(counts, allow_empty=True)


@settings(max_examples=200, deadline=None)
@given(rows, st.integers(0, 2**31))
def test_keys_and_rows_are_the_same_where_formulas_are(formulas, seed):
    batch = packed(formulas)
    names = np.array(batch.formulas())
    equal = names[:, None] == names
    np.testing.assert_array_equal(batch.keys(seed)[:, None] == batch.keys(seed), equal)
    for shift in range(len(batch)):
        rolled = np.roll(np.arange(len(batch)), shift)
        np.testing.assert_array_equal(batch.same_as(batch[rolled]), names == names[rolled])


@settings(max_examples=200, deadline=None)
@given(rows, rows)
def test_distinct_and_look_up_agree_with_text(formulas, others):
    batch, table = packed(formulas), packed(others)
    names, known = batch.formulas(), table.formulas()
    assert [names[row] for row in batch.distinct()] == list(dict.fromkeys(names))
    assert FormulaIndex(table).find(batch).tolist() == [known.index(n) if n in known else -1 for n in names]
    systems = [tuple(sorted(formula)) for formula in formulas]
    assert [systems[row] for row in batch.systems().distinct()] == list(dict.fromkeys(systems))


@settings(max_examples=100, deadline=None)
@given(st.lists(rows, max_size=4), st.integers(1, 12))
def test_the_ledger_counts_what_is_distinct(batches, budget):
    ledger = Ledger(budget)
    order: list[str] = []
    for batch in map(packed, batches):
        accepted = ledger.register(batch)
        for name, taken in zip(batch.formulas(), accepted.tolist(), strict=True):
            if name and name not in order and len(order) < budget:
                order.append(name)
            assert taken == (not name or name in order)
    assert ledger.history().formulas() == order


def test_the_ledger_grows(data):
    ledger = Ledger()
    for start in range(0, 6000, 1500):
        ledger.register(data.compositions[start : start + 2000])
    assert len(ledger) == 6500 and ledger.history().same_as(data.compositions[:6500]).all()
    assert len(data.compositions.distinct()) == len(data)


def test_a_table_has_no_other_lengths_and_no_pure_elements(data):
    with pytest.raises(ValueError, match="2 rows; expected 3"):
        packed([{1: 1}] * 3).same_as(packed([{1: 1}] * 2))
    assert data.find(packed([{1: 1}, {}])).tolist() == [-1, -1]
    assert len(FormulaIndex(packed([])).find(packed([{1: 1}]))) == 1


def test_every_way_of_writing_is_one_formula():
    written = ["LiFePO4", "Li2Fe2P2O8", "Ag0.5GeS4"]
    batch = comp.read(written)
    assert batch.formulas() == ["LiFePO4", "LiFePO4", "Ag(GeS4)2"] and comp.read(batch) is batch
    assert comp.read(comp.fractions(written).astype(np.float32)).same_as(batch).all()
    assert comp.read("Al997Cr10", whole=True).formulas() == ["Al997Cr10"]
    with pytest.raises(ValueError, match="fractional amounts"):
        comp.read("Ag0.5GeS4", whole=True)
