"""The tool behind the shipped P(stable) maps."""

import json

import pytest

from matenv.properties.store import FOLDER
from tools import fit_stability

SHIPPED = json.loads((FOLDER / "stability.json").read_text())["predictors"]


@pytest.mark.slow
def test_the_shipped_map_is_what_the_tool_fits(tmp_path, capsys):
    path = tmp_path / "stability.json"
    fit_stability.main(["default"], path)
    assert "AUC" in capsys.readouterr().out
    found = json.loads(path.read_text())["predictors"]
    for hull in ("train", "all"):
        mine, shipped = found["default"][hull], SHIPPED["default"][hull]
        assert mine["slope"] == pytest.approx(shipped["slope"], abs=2e-2)
        assert mine["test"]["calibrated"] == pytest.approx(shipped["test"]["calibrated"], abs=2e-3)
        for end in ("lower", "upper"):
            assert mine["interval"][end] == pytest.approx(shipped["interval"][end], abs=2e-2)
    for name in SHIPPED.keys() - {"default"}:
        assert found[name] == SHIPPED[name]


def test_shipped_maps_are_better_than_ceilings_were():
    for name in SHIPPED.keys() - {"gold"}:
        for hull, brier in (("train", 0.183), ("all", 0.170)):
            tested = SHIPPED[name][hull]["test"]["calibrated"]
            assert tested["brier"] < brier and tested["ece"] < 0.025 and tested["auc"] > 0.79


def test_what_cannot_be_fitted_is_refused(tmp_path):
    with pytest.raises(ValueError, match="choose among default"):
        fit_stability.main(["gold"], tmp_path / "stability.json")
