"""From a table to a bundle and an environment; and what is refused."""

import json
import shutil
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import matenv
from matenv.bundle import build
from matenv.bundle.manifest import write_manifest
from matenv.tasks import Task
from tests.bundle.small import OPTIONS, QUICK, columns


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    said: list[str] = []
    folder = tmp_path_factory.mktemp("made") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUICK.items():
            patch.setattr(name, value)
        table = columns()
        table["formula"][0], table["formation_energy"][0] = "Na3Cl5", -1.9
        bundle = build(table, folder, say=said.append, **OPTIONS)
    return bundle, said


@pytest.fixture
def copied(made, tmp_path):
    return shutil.copytree(made[0].path, tmp_path / "bundle")


def test_a_bundle_holds_table_space_properties_and_hull(made):
    bundle, said = made
    assert [line.split(":")[0] for line in said[1:]] == ["table", "latent", "properties/heaviness"]
    assert len(bundle.dataset) == 80 and bundle.dataset.energy_scheme == "mp-legacy-pbe-u"
    assert bundle.dataset.units["heaviness"] == "u" and bundle.latent.dim == 32
    (heaviness,) = bundle.properties
    assert (heaviness.name, heaviness.unit) == ("heaviness", "u")
    oracle = bundle.oracle(budget=3)
    a = oracle.assess(["Na3Cl5", "NaCl", "Na2Cl3"])
    assert a.known.tolist() == [True, True, False] and "Na3Cl5" in oracle.hull.formulas
    assert np.isfinite(a.mean["heaviness"]).all() and (a.std["heaviness"] > 0).all()
    assert oracle.calls == 3 and oracle.budget == 3
    assert bundle.oracle().calls == 0 and bundle.oracle().hull is oracle.hull


def test_its_files_are_plain_and_the_manifest_has_the_hash_of_each(made):
    folder = made[0].path
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {*made[0].manifest["files"], "manifest.json", ".lock"}
    assert {name.rsplit(".", 1)[1] for name in made[0].manifest["files"]} == {"safetensors", "npz", "json", "md", "txt"}
    page = (folder / "card.md").read_text()
    listed = {name: entry for name, entry in made[0].manifest["files"].items() if name != "card.md"}
    assert all(entry["sha256"] in page for entry in listed.values())


@pytest.mark.parametrize("env_id", ["MaterialLatent-v0", "MaterialElements-v0", "MaterialLatentGoal-v0"])
def test_environments_take_a_bundle(made, env_id):
    bundle, _ = made
    env: Any = gym.make(env_id, bundle=str(bundle.path), budget=50)
    _, info = env.reset(seed=0)
    core = env.unwrapped.core
    assert "heaviness" in info["predicted"] and core.oracle.hull is bundle.oracle().hull
    assert core.oracle.budget == 50 and info["start_formula"] in set(bundle.dataset.formulas.tolist())
    env.step(env.action_space.sample())
    again: Any = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.core.bundle is core.bundle


def test_a_batch_equals_single_environments_and_tasks_ask_for_the_own_property(made):
    path = str(made[0].path)
    heavy = Task("heavy", "Heavy.", (matenv.maximise("heaviness", 10, 200), matenv.Window("price", high=1e9)))
    env: Any = gym.make("MaterialLatent-v0", bundle=path, task=heavy)
    envs = gym.make_vec("MaterialLatent-v0", num_envs=2, bundle=path, task=heavy)
    assert env.unwrapped.core.latent is made[0].latent
    seen, info = env.reset(seed=3)
    both, _ = envs.reset(seed=3)
    assert seen == pytest.approx(both[0], abs=1e-5) and info["terms"]["heaviness"] > 0
    with pytest.raises(ValueError, match="property_name='hardness', which the oracle does not predict"):
        gym.make("MaterialLatent-v0", bundle=path, task=Task("hard", "", (matenv.maximise("hardness", 1, 2),)))


@pytest.mark.parametrize("other", ["latent", "oracle", "reference", "predictor"])
def test_a_bundle_beside_what_it_brings_is_refused(made, other):
    value: Any = matenv.Oracle() if other == "oracle" else {"latent": "vae", "reference": "all"}.get(other, "default")
    with pytest.raises(ValueError, match=f"bundle= and {other}="):
        gym.make("MaterialLatent-v0", bundle=str(made[0].path), **dict[str, Any]({other: value}))


def test_a_file_that_is_truncated_changed_or_missing_is_named(copied):
    for name in json.loads((copied / "manifest.json").read_text())["files"]:
        path = copied / name
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        with pytest.raises(ValueError, match=f"{path.name} is truncated: .*build it again: matenv build"):
            matenv.load_bundle(copied)
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ValueError, match=f"{path.name} is not the file that was written"):
            gym.make("MaterialLatent-v0", bundle=str(copied))
        path.unlink()
        with pytest.raises(FileNotFoundError, match=f"{path.name} is missing"):
            matenv.load_bundle(copied)
        path.write_bytes(content)
    assert len(matenv.load_bundle(copied).dataset) == 80


def test_a_manifest_of_another_version_or_changed_is_refused(copied):
    path = copied / "manifest.json"
    whole = json.loads(path.read_text())

    def refused(match, error=ValueError):
        with pytest.raises(error, match=match):
            matenv.load_bundle(copied)

    path.write_text(json.dumps({**whole, "version": 2}))
    refused("a bundle of version 2, this matenv reads version 1")
    path.write_text(json.dumps({**whole, "format": "matenv-snapshot"}))
    refused("is no bundle but 'matenv-snapshot'")
    path.write_text(json.dumps({**whole, "latent": "latent/other.safetensors"}))
    refused("manifest.json is not what was written")
    path.write_text(path.read_text()[:-9])
    refused("manifest.json is damaged")
    rest = {key: value for key, value in whole.items() if key not in ("format", "version", "seal")}
    write_manifest(copied, {**rest, "files": {"../outside": {"sha256": "", "bytes": 0}}})
    refused("lies outside the bundle")
    write_manifest(copied, {**rest, "stands_on": {**whole["stands_on"], "predictor": "another"}})
    refused("which shipped another predictor; .* build it again")
    path.unlink()
    refused("is no bundle, it has no manifest.json")
    (copied / ".build").mkdir()
    refused("is an unfinished bundle; go on")
    shutil.rmtree(copied)
    refused("there is no such bundle; make one", FileNotFoundError)


def test_the_same_command_again_keeps_it_and_another_one_is_refused(made, tmp_path):
    bundle, _ = made
    before = (bundle.path / "manifest.json").stat().st_mtime_ns
    table = columns()
    table["formula"][0], table["formation_energy"][0] = "Na3Cl5", -1.9
    assert build(table, bundle.path, **OPTIONS) is bundle
    assert (bundle.path / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="of another columns, seed; give another --out"):
        build(table, bundle.path, **OPTIONS, columns=[], seed=1)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds other files \(notes.txt\)"):
        build(table, tmp_path, **OPTIONS)


def shifted(rows=400):
    table = columns(rows, "my-scheme")
    oxygen = matenv.fractions(table["formula"])[:, matenv.elements.INDEX["O"]]
    table["formation_energy"] = (np.array(table["formation_energy"]) + 0.3 * oxygen).tolist()
    return table


def test_energies_of_another_scheme_are_refused_with_the_way_out(tmp_path):
    with pytest.raises(ValueError, match=r"scheme 'my-scheme', the predictor's are .*--convert"):
        build(shifted(), tmp_path / "out", columns=[], **OPTIONS)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_step_between_schemes_is_fitted_shown_and_stored(tmp_path, monkeypatch):
    for name, value in QUICK.items():
        monkeypatch.setattr(name, value)
    said: list[str] = []
    table = shifted()
    table["formula"].append("Na3Cl5O4")
    for key, value in (("heaviness (u)", 30.0), ("formation_energy", -1.5), ("energy_scheme", "my-scheme")):
        table[key].append(value)
    bundle = build(table, tmp_path / "out", columns=[], convert=True, say=said.append, **OPTIONS)
    assert "my-scheme -> mp-legacy-pbe-u: fitted on 400 shared formulas" in said[0]
    again = bundle.energies.conversion
    assert again is not None and again.residual < 0.01 and bundle.properties == ()
    assert again.offsets[matenv.elements.INDEX["O"]] == pytest.approx(-0.3, abs=0.02)
    reference = bundle.reference
    assert reference.formation_energy[:-1] == pytest.approx(matenv.load_dataset().formation_energy)
    assert reference.formation_energy[-1] == pytest.approx(-1.5 - 0.3 * 4 / 12, abs=0.02)
    assert bundle.dataset.formation_energy[-1] == -1.5


WRONG = {
    "columns": (["hardness"], "columns: .*no column of numbers 'hardness'; it has heaviness"),
    "units": ({"mass": "u"}, "unit: .*no column of numbers 'mass'"),
    "log10": (["density"], "log10: .*no column of numbers 'density'"),
    "latent": ("wgan-gp", "which is not fine-tuned"),
    "holdout": ("row", "holdout='row' is unknown; choose one of system, formula"),
    "epochs": (0, "epochs"),
    "convert": ("yes", "convert='yes' must be True or False"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_built_is_said_before_anything_is_written(name, tmp_path):
    value, match = WRONG[name]
    with pytest.raises((ValueError, TypeError), match=match):
        build(columns(), tmp_path / "out", **{**OPTIONS, name: value})
    assert not (tmp_path / "out").exists()


def test_columns_without_unit_or_values_are_named(tmp_path):
    table = columns()
    table["heaviness"] = table.pop("heaviness (u)")
    with pytest.raises(ValueError, match="column 'heaviness' states no unit; give one: --unit heaviness=GPa"):
        build(table, tmp_path / "out", **OPTIONS)
    table["heaviness"] = [1.0] * 80
    with pytest.raises(ValueError, match="80 values of 'heaviness'; 30 that differ are due"):
        build(table, tmp_path / "out", columns=["heaviness"], units={"heaviness": "u"}, **OPTIONS)


@pytest.mark.slow
def test_the_command_builds_from_a_file_and_from_a_snapshot(tmp_path, monkeypatch):
    import pandas as pd
    from typer.testing import CliRunner

    from matenv.cli import app

    for name, value in QUICK.items():
        monkeypatch.setattr(name, value)

    def run(*words):
        return CliRunner().invoke(app, ["build", *map(str, words), "--epochs", "1", "--replay", "0", "--no-progress"])

    table = columns()
    table["heaviness"] = table.pop("heaviness (u)")
    pd.DataFrame(table).to_csv(tmp_path / "mine.csv", sep=";", index=False)
    out = tmp_path / "bundle"
    assert "states no unit; give one: --unit heaviness=GPa" in str(run(tmp_path / "mine.csv", "--out", out).exception)
    assert "must be COLUMN=UNIT" in str(run(tmp_path / "mine.csv", "--out", out, "--unit", "u").exception)
    said = run(tmp_path / "mine.csv", "--out", out, "--unit", "heaviness=u", "--log10", "heaviness")
    assert said.exit_code == 0 and f'gym.make("MaterialLatent-v0", bundle="{out}")' in said.output
    bundle = matenv.load_bundle(out)
    assert [(each.name, each.unit) for each in bundle.properties] == [("log10_heaviness", "log10(u)")]

    snapshot = tmp_path / "snapshot"
    write_small_snapshot(snapshot)
    assert "--convert" in str(run(snapshot, "--out", tmp_path / "second").exception)
    assert "is a snapshot, which says all of it" in str(
        run(snapshot, "--out", tmp_path / "second", "--energy", "e").exception
    )
    assert run(snapshot, "--out", tmp_path / "second", "--convert").exit_code == 0
    second = matenv.load_bundle(tmp_path / "second")
    assert second.energies.kind == "converted" and [each.name for each in second.properties] == ["density"]
    assert second.dataset.material_id(str(second.dataset.formulas[0])) == "mp-0"


def write_small_snapshot(folder):
    """A snapshot's files with rows of the embedded table, as matenv.data.snapshot writes them."""
    import hashlib
    import io

    from matenv.data.ground_states import LABELS

    data = matenv.load_dataset().subset(np.arange(0, 80_000, 400))
    absent = np.full(len(data), np.nan)
    batch = data.compositions
    density = data.fractions @ matenv.elements.values("mass")
    arrays: dict[str, Any] = {"elements": batch.elements, "counts": batch.counts, "size": batch.size}
    arrays |= {"formation_energy": data.formation_energy, "spread.formation_energy": absent}
    arrays |= {f"label.{name}": density if name == "density" else absent for name in LABELS}
    arrays |= {f"spread.{name}": absent for name in LABELS}
    arrays["material_id"] = np.array([f"mp-{row}" for row in range(len(data))])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    folder.mkdir()
    contents = {"ground_states.npz": buffer.getvalue(), "entries.jsonl.gz": b""}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    manifest = {"format": "matenv-snapshot", "version": 1, "energy_scheme": "mp-gga-gga+u", "sha256": sha256}
    (folder / "manifest.json").write_text(json.dumps(manifest))
