import numpy as np
import pytest

from matenv import elements


def test_the_alphabet_reproduces_the_positions_printed_in_the_paper():
    one_based = {"Ac": 1, "Ag": 2, "Al": 3, "Ga": 26, "Mo": 44, "S": 66}
    assert {symbol: elements.INDEX[symbol] + 1 for symbol in one_based} == one_based
    assert elements.NUM_ELEMENTS == 89 and list(elements.SYMBOLS) == sorted(elements.SYMBOLS)
    assert not {"Po", "At", "Rn", "Fr", "Ra", "Am"} & set(elements.SYMBOLS)


def test_reference_values():
    x = elements.values("electronegativity")
    assert x.shape == (89,) and x[elements.INDEX["F"]] == 3.98
    assert {elements.SYMBOLS[i] for i in np.flatnonzero(np.isnan(x))} == {"He", "Ne", "Ar"}
    assert elements.values("mass")[elements.INDEX["Fe"]] == pytest.approx(55.845)


def test_errors_name_the_culprit():
    with pytest.raises(ValueError, match="name='colour'"):
        elements.values("colour")
    with pytest.raises(ValueError, match=r"exclude holds \['Xx'\]"):
        elements.positions(["Li", "Xx"], "exclude")
    with pytest.raises(ValueError, match="must be a list"):
        elements.positions("Li")
