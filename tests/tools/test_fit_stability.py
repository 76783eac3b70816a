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
    for key in ("intercept", "slope", "ceiling"):
        assert found["default"][key] == pytest.approx(SHIPPED["default"][key], abs=2e-3)
    for name in SHIPPED.keys() - {"default"}:
        assert found[name] == SHIPPED[name]


def test_what_cannot_be_fitted_is_refused(tmp_path):
    with pytest.raises(ValueError, match="choose among default"):
        fit_stability.main(["gold"], tmp_path / "stability.json")
