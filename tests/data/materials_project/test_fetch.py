"""`matenv data fetch`: the real client against a server on loopback."""

import hashlib
import json

import numpy as np
import pytest

pytest.importorskip("mp_api")

from typer.testing import CliRunner

import matenv
from matenv.cli import app
from matenv.data.snapshot import load_entries
from tests.data.materials_project.documents import ODDITIES, documents, thermo_of
from tests.data.materials_project.server import KEY, Server

runner = CliRunner()
PAGE = 50


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("MP_API_KEY", KEY)


@pytest.fixture
def server():
    with Server(*documents()) as server:
        yield server
        server.shutdown()
    assert not server.errors


def fetch(server, out, *more, attempts=3):
    quiet = ["--no-progress", "--wait", "0.01", "--attempts", str(attempts), "--page-size", str(PAGE)]
    return runner.invoke(app, ["data", "fetch", str(out), "--endpoint", server.endpoint, *quiet, *(more or SYSTEM)])


SYSTEM = ("--chemsys", "Li-Fe-P-O")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """A snapshot that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "lifepo"
    with pytest.MonkeyPatch.context() as patch, Server(*documents()) as server:
        patch.setenv("MP_API_KEY", KEY)
        result = fetch(server, out)
        server.shutdown()
    assert result.exit_code == 0, result.output
    return out


def hashes(out):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.glob("*z")}


def test_a_snapshot_is_a_table_like_the_embedded_one_with_material_ids(snapshot, data):
    table = matenv.load_dataset(snapshot)
    place = data.find(table.compositions)
    assert len(table) == 263 and (place >= 0).all() and table.energy_scheme == "mp-gga-gga+u"
    assert np.array_equal(table.formation_energy, data.formation_energy[place])
    assert np.array_equal(table.system_part, data.system_part[place])  # the splits are those of every table
    assert table.labels["log10_bulk_modulus"][0] == 2.0 and np.isnan(table.labels["log10_shear_modulus"]).all()
    assert set(table.labels) == set(table.units) and table.truth("band_gap_pbe").all()
    entries = {entry["material_id"]: entry for entry in load_entries(snapshot)}
    assert entries[table.material_id("Fe4O6")]["formula"] == "Fe2O3" and table.material_id("NaCl") == ""
    assert table.subset(np.arange(3)).extra["material_id"].shape == (3,)
    with pytest.raises(ValueError, match="holds no material ids; a snapshot does"):
        data.material_id("Fe2O3")


def test_the_lowest_of_polymorphs_is_kept_and_their_spread_recorded(snapshot):
    table = matenv.load_dataset(snapshot)
    spread = table.spread["formation_energy"]
    assert np.isclose(spread, 0.05).sum() == 9 and (spread == 0).sum() == len(table) - 9
    entries = load_entries(snapshot)
    assert len(entries) == 276 and sum(entry["ground_state"] for entry in entries) == 263 + 4


def test_the_hull_of_a_snapshot_is_that_of_its_rows(snapshot, data):
    table = matenv.load_dataset(snapshot)
    hull, whole = matenv.ConvexHull.from_dataset(table), matenv.ConvexHull.from_dataset(data)
    assert np.allclose(hull.energy(table.compositions), whole.energy(table.compositions), atol=1e-9)
    assert hull.energy_scheme == "mp-gga-gga+u"


def test_what_is_left_out_is_named(snapshot):
    manifest, report = (json.loads((snapshot / name).read_text()) for name in ("manifest.json", "report.json"))
    assert manifest["counts"] == {"materials_of_the_api": 280, "materials": 276, "left_out": 4, "formulas": 263}
    assert (manifest["database_version"], manifest["licences"]) == ("2026.11.1", ["BY-C"])
    left_out = {name: reason for reason, row in report["left_out"].items() for name in row["first"]}
    assert left_out == {name: ODDITIES[name] for name in list(ODDITIES)[2:]}
    assert report["hull"]["energies"]["agree"] == 276 and report["hull"]["products"]["different"] == 0
    assert not (snapshot / "parts").exists()


def test_disagreements_with_the_hull_of_the_api_are_reported(server, tmp_path):
    server.thermos = [dict(document) for document in server.thermos]
    unstable = [document for document in server.thermos if document["decomposes_to"]]
    unstable[0]["energy_above_hull"] += 0.25
    unstable[1]["decomposes_to"] = [{"material_id": "mp-0", "formula": "Fe1 O1", "amount": 1.0}]
    unstable[2] |= {"energy_above_hull": 0.0, "decomposes_to": None}
    unstable[3]["energy_above_hull"] = None
    result = fetch(server, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "273 of 275 energies above the hull" in result.output and "1 different" in result.output
    hull = json.loads((tmp_path / "out" / "report.json").read_text())["hull"]
    assert hull["energies"]["stable_only_there"] == 1 and hull["energies"]["not_reported"] == 1
    assert hull["products"]["none_reported"] == 1
    assert {row["material_id"] for row in hull["disagreements"]} == {d["material_id"] for d in unstable[:3]}
    assert unstable[0]["material_id"] in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    "place",  # the count, a page of summaries, thermodynamics
    [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)],
)
def test_what_passes_is_asked_again_and_leaves_no_trace(server, snapshot, tmp_path, place):
    faults = [429, 500, 503, "short", "no meta", "not json", "cut", "cut"]
    server.faults = [None] * place + faults
    assert fetch(server, tmp_path / "out", attempts=12).exit_code == 0
    assert hashes(tmp_path / "out") == hashes(snapshot)


@pytest.mark.slow
def test_a_reply_that_never_comes_is_asked_for_again(server, snapshot, tmp_path):
    server.faults = [None, 1.5]
    assert fetch(server, tmp_path / "out", *SYSTEM, "--timeout", "1").exit_code == 0
    assert hashes(tmp_path / "out") == hashes(snapshot)


@pytest.mark.parametrize(
    "fault", ["short", *(pytest.param(fault, marks=pytest.mark.slow) for fault in (500, "no meta", "not json"))]
)
def test_partial_results_never_pass_as_whole_and_the_same_command_goes_on(server, snapshot, tmp_path, fault):
    out = tmp_path / "out"
    server.faults = [None] * 7 + [fault] * 100
    result = fetch(server, out)
    assert result.exit_code and "what has arrived is kept" in str(result.exception)
    with pytest.raises(ValueError, match="unfinished download; go on with: matenv data fetch"):
        matenv.load_dataset(out)
    before, server.faults = len(server.asked), []
    assert fetch(server, out).exit_code == 0
    pages = [given["_page"] for path, given in server.asked[before:] if "_page" in given]
    assert "1" not in pages and "6" in pages  # what was there is not asked for again
    assert hashes(out) == hashes(snapshot)


@pytest.mark.slow
def test_a_damaged_part_is_fetched_again(server, snapshot, tmp_path):
    server.faults = [None] * 7 + [500] * 100
    fetch(server, tmp_path / "out")
    part = next((tmp_path / "out" / "parts").glob("*.gz"))
    part.write_bytes(part.read_bytes()[:100])
    server.faults = []
    assert fetch(server, tmp_path / "out").exit_code == 0
    assert hashes(tmp_path / "out") == hashes(snapshot)


def test_pages_that_overlap_do_not_pass_for_all_materials(server, tmp_path):
    server.summaries = [*server.summaries[:200], *server.summaries[150:230]]  # the same number, 50 of them twice
    result = fetch(server, tmp_path / "out")
    assert "distinct materials arrived of" in str(result.exception)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_database_that_moves_on_is_not_mixed(server, tmp_path):
    server.faults = [None] * 7 + [500] * 100
    fetch(server, tmp_path / "out")
    server.faults, server.version = [], "2026.12.1"
    result = fetch(server, tmp_path / "out")
    assert "database_version: 2026.11.1, now 2026.12.1" in str(result.exception)


def test_folders_are_not_mixed(server, snapshot, tmp_path):
    assert "whole already" in fetch(server, snapshot).output and not server.asked
    other = fetch(server, snapshot, *SYSTEM, "--thermo-type", "R2SCAN")
    assert "is a snapshot of other data (thermo_type: GGA_GGA+U, now R2SCAN)" in str(other.exception)
    (tmp_path / "thesis.tex").write_text("precious")
    assert "folder of something else" in str(fetch(server, tmp_path).exception)


def test_energies_of_one_type_only(server, tmp_path):
    result = fetch(server, tmp_path / "out", *SYSTEM, "--thermo-type", "R2SCAN")
    assert result.exit_code == 0, result.output
    assert all(given["thermo_types"] == "r2SCAN" for path, given in server.asked if "thermo" in path)
    table = matenv.load_dataset(tmp_path / "out")
    assert sorted(table.extra["material_id"]) == ["mp-1", "mp-900004"] and table.energy_scheme == "mp-r2scan"


def test_gnome_on_request_only(server, tmp_path):
    assert fetch(server, tmp_path / "out", *SYSTEM, "--gnome").exit_code == 0
    assert matenv.load_dataset(tmp_path / "out").material_id("LiFeO2") == "mp-900002"
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["licences"] == ["BY-C", "BY-NC"] and "not for commercial use" in manifest["attribution"]


def test_elements_mean_formulas_of_no_other(server, tmp_path):
    assert fetch(server, tmp_path / "out", "--elements", "Fe", "--elements", "O").exit_code == 0
    table = matenv.load_dataset(tmp_path / "out")
    assert set(table.systems) == {"Fe-O"}
    left_out = json.loads((tmp_path / "out" / "report.json").read_text())["left_out"]
    assert left_out["an element outside the 89"]["first"] == ["mp-900005"]


def test_everything_is_paged_and_never_read_from_the_clients_store(server, tmp_path, monkeypatch):
    monkeypatch.setattr("deltalake.DeltaTable.__init__", None)  # the client's way to S3
    server.summaries, server.thermos = server.summaries[:120], server.thermos[:120]
    assert fetch(server, tmp_path / "out", "--thermo-type", "GGA_GGA+U").exit_code == 0
    assert not [given for _, given in server.asked if "chemsys" in given]


def test_a_renamed_field_is_told_and_not_a_table_of_nothing(server, tmp_path):
    server.thermos = [{k.replace("formation_energy_", "enthalpy_"): v for k, v in d.items()} for d in server.thermos]
    result = fetch(server, tmp_path / "out")
    assert "none of 280 materials can serve as GGA_GGA+U" in str(result.exception)
    assert "no formation energy: 278" in str(result.exception)


def test_of_two_documents_of_a_material_the_lower_counts(server, tmp_path):
    server.thermos = [*server.thermos, thermo_of("mp-7", 9.0)]
    assert fetch(server, tmp_path / "out").exit_code == 0
    assert "a second document" in (tmp_path / "out" / "report.md").read_text()
    assert matenv.load_dataset(tmp_path / "out").formation_energy.max() < 9


@pytest.mark.parametrize("given", [None, "short", "z" * 32])
def test_a_key_that_is_none_is_told_without_saying_it(server, tmp_path, monkeypatch, given):
    monkeypatch.setenv("MP_API_KEY", given) if given else monkeypatch.delenv("MP_API_KEY")
    result = fetch(server, tmp_path / "out")
    expected = {None: "set MP_API_KEY", "short": "has 32 characters", "z" * 32: "is MP_API_KEY right?"}[given]
    assert expected in str(result.exception)
    assert given is None or given not in f"{result.output}{result.exception!r}"


def test_a_server_that_sends_the_key_back_does_not_get_it_printed(server, tmp_path):
    server.faults = [None] * 3 + [500] * 100
    result = fetch(server, tmp_path / "out")
    assert "your key is [key]" in str(result.exception) and KEY not in f"{result.output}{result.exception!r}"


def test_mistakes_in_the_question(server, tmp_path):
    wrong = {
        ("--thermo-type", "SCAN"): "thermo_type='SCAN' is unknown; choose one of GGA_GGA",
        ("--chemsys", "Li-Xx"): "chemsys holds 'Xx'",
        ("--chemsys", "Li-O", "--elements", "Li"): "give one of them",
        ("--chemsys", "H-Li-Be-B-C-N-O-F-Na-Mg-Al"): "holds 11 elements and may hold 10",
        ("--chemsys", "Np-Pu"): "no material like this",
    }
    for more, message in wrong.items():
        assert message in str(fetch(server, tmp_path / "out", *more).exception)
