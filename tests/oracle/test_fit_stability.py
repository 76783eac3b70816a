"""The tool behind the shipped P(stable) maps."""

import json

import pytest

from matenv.oracle.stability import cards
from matenv.properties.store import FOLDER
from tools import fit_stability


@pytest.mark.slow
def test_the_shipped_map_is_what_the_tool_fits(tmp_path, capsys):
    shipped, path = (FOLDER / "stability.json").read_text(), tmp_path / "stability.json"
    fit_stability.main(["default"])
    assert "AUC" in capsys.readouterr().out and (FOLDER / "stability.json").read_text() == shipped
    fit_stability.main(["default", "--out", str(path)])
    found = json.loads(path.read_text())["predictors"]
    for key in ("intercept", "slope", "ceiling"):
        assert found["default"][key] == pytest.approx(cards()["default"][key], abs=2e-3)
    assert {name: card for name, card in found.items() if name != "default"} == {
        name: card for name, card in cards().items() if name != "default"
    }


def test_what_cannot_be_fitted_is_refused(capsys):
    with pytest.raises(SystemExit):
        fit_stability.main(["gold"])
    assert "choose among default" in capsys.readouterr().err
