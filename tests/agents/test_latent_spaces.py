"""The map of a latent space, and the page that compares all of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matenv.agents import latent_spaces
from typer.testing import CliRunner

import matenv
from matenv.cli import app
from matenv.composition import CompositionBatch
from matenv.report.latent_map import ALLOY_FAMILIES, FAMILIES, draw_map, family_of, properties_of

ROW = {
    "task": "stiff-stable",
    "metrics": {"dim": 32, "parameters": 1000, "test_element_set": 0.997, "test_elbo": -29.8, "formula_detour": 2.2},
    "steps_per_second": 1000.0,
    "random": (1.0, 0.1),
    "ppo": (7.0, 0.5),
    "ppo_score": (0.5, 0.05),
}


def test_families_of_compounds():
    names = [name for name, *_ in FAMILIES]
    batch = CompositionBatch.from_fractions(
        matenv.fractions(["LiFePO4", "BiOCl", "GaAs", "CuS", "Ni3Al", "TiC", "LiH"])
    )
    expected = [
        "oxides",
        "halides",
        "pnictides",
        "chalcogenides",
        "intermetallics",
        "of B, C, Si, Ge, Sn, Pb",
        "hydrides",
    ]
    assert [names[k] for k in family_of(batch)] == expected


def test_families_of_alloys():
    batch = CompositionBatch.from_fractions(
        matenv.fractions(["CrMnFeCoNi", "AlCoCrFeNi", "NbMoTaW", "AuCu", "GdTbDy", "SnPb", "TiZrHf"])
    )
    names = [ALLOY_FAMILIES[k][0] for k in family_of(batch, ALLOY_FAMILIES)]
    assert names[0] == "of V, Cr, Mn, Fe, Co, Ni, Cu" and names[1] == "with Al, Ti or light metals"
    assert names[2] == names[6] == "with heavy refractory metals"
    assert names[3:6] == ["with noble metals", "with rare earths, Th, U, Pu", "others"]
    alloys = matenv.load_dataset("hea-phases")
    assert (np.bincount(family_of(alloys.compositions, ALLOY_FAMILIES)) > 50).all()


def test_the_map_of_alloys_shows_their_own_table(tmp_path):
    assert properties_of(matenv.load_dataset("hea-phases")) == ("single_phase", "single_phase_borg")
    assert properties_of(matenv.load_dataset())[0] == "formation_energy"
    out = tmp_path / "map.png"
    result = CliRunner().invoke(app, ["latent", "map", "dvae", "--rows", "120", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(b"\x89PNG")
    space, alloys = matenv.load_latent("dvae"), matenv.load_dataset("hea-phases")
    with pytest.raises(ValueError, match="'formation_energy' is not in the table; choose one of single_phase, single"):
        draw_map(space, alloys, out, "formation_energy")
    bare = replace(alloys, labels={})
    with pytest.raises(ValueError, match="hea-phases has none of formation_energy, .* a map could be coloured by"):
        draw_map(space, bare, out)


def test_map_is_drawn_and_its_arguments_checked(tmp_path):
    space, data = matenv.load_latent("vae"), matenv.load_dataset()
    draw_map(space, data, tmp_path / "map.png", "band_gap_pbe", rows=120)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="property='colour' is not in the table"):
        draw_map(space, data, tmp_path / "map.png", "colour")
    with pytest.raises(ValueError, match="rows=10 "):
        draw_map(space, data, tmp_path / "map.png", rows=10)


def test_tables_show_shares_counts_and_what_is_missing():
    text = latent_spaces.tables({"a": ROW, "b": {**ROW, "steps_per_second": 500.0}}, seeds=3, timesteps=1000)
    assert "| `a` | 32 | 1,000 | 99.7 % | - |" in text and "| -29.8 | 2.200 | - |" in text
    assert "| `b` | stiff-stable | 500 | 0.50 | 1.000 +- 0.100 | 7.000 +- 0.500 | 0.500 +- 0.050 |" in text


def test_page_needs_its_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(ValueError, match="lacks the lines"):
        latent_spaces.write_between_markers(page, "table\n")
    page.write_text(f"head\n{latent_spaces.BEGIN}old\n{latent_spaces.END}\nfoot\n")
    latent_spaces.write_between_markers(page, "new\n")
    assert page.read_text() == f"head\n{latent_spaces.BEGIN}new\n{latent_spaces.END}\nfoot\n"


def test_comparison_resumes_from_what_is_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(latent_spaces, "measure_space", lambda name: ROW["metrics"])
    result = {"ppo": 2.0, "ppo_score": 0.2, "random": 1.0}
    settings = {"task": latent_spaces.TASKS.get("vae", "stiff-stable"), "seed": 0, "timesteps": 10}
    settings = {"spaces": ["vae"], **settings, "files": {}, "matenv": matenv.__version__}
    (tmp_path / "vae-ppo-0.json").write_text(json.dumps({"settings": settings, "result": result}))
    monkeypatch.setattr(latent_spaces, "ROWS", 8)
    monkeypatch.setattr(latent_spaces, "ROUNDS", 1)
    table = latent_spaces.compare_spaces(tmp_path, ["vae"], seeds=1, timesteps=10)
    assert table["vae"]["ppo"][0] == 2.0 and table["vae"]["steps_per_second"] > 0
    assert json.loads((tmp_path / "table.json").read_text())["vae"]["metrics"] == ROW["metrics"]
    with pytest.raises(ValueError, match="another timesteps"):
        latent_spaces.compare_spaces(tmp_path, ["vae"], seeds=1, timesteps=11)
    with pytest.raises(ValueError, match="at least one"):
        latent_spaces.compare_spaces(tmp_path, [])


@pytest.mark.slow
def test_comparison_measures_and_trains(tmp_path):
    result = latent_spaces.compare_spaces(tmp_path, ["vae-elawady"], seeds=1, timesteps=2048)
    assert 0.3 < result["vae-elawady"]["metrics"]["test_element_set"] < 0.6
