"""A snapshot's files: what they hold, and that damage is told."""

import json
import shutil

import numpy as np
import pytest

from matenv import load_dataset
from matenv.data.download import Documents, Request
from matenv.data.ground_states import gather
from matenv.data.snapshot import load_entries, write_snapshot
from tests.data.materials_project.documents import documents


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out, (summaries, thermos) = tmp_path_factory.mktemp("snapshot"), documents()
    request = Request.of("GGA_GGA+U")
    found = Documents("2026.11.1", len(summaries), summaries, thermos[:-1])
    write_snapshot(out, request, found, gather(found, request), {}, "# Report\n")
    return out


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def test_deprecated_and_foreign_energies_are_left_out(whole):
    left_out = json.loads((whole / "report.json").read_text())["left_out"]
    assert left_out["deprecated"]["first"] == ["mp-900001"]
    assert left_out["energies of another type than asked for"]["first"] == ["mp-900004"]
    assert left_out["licence for non-commercial use only"]["materials"] == 2
    assert len(load_dataset(whole)) == 263 and len(load_entries(whole)) == 276


def test_the_order_of_documents_does_not_matter(whole, tmp_path):
    summaries, thermos = documents()
    request = Request.of("GGA_GGA+U")
    found = Documents("2026.11.1", len(summaries), summaries[::-1], thermos[:-1][::-1])
    write_snapshot(tmp_path, request, found, gather(found, request), {}, "")
    for name in ("ground_states.npz", "entries.jsonl.gz"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("name", ["ground_states.npz", "entries.jsonl.gz"])
def test_damage_is_told(copy, name):
    path, load = copy / name, load_dataset if name.endswith("npz") else load_entries
    content = path.read_bytes()
    for changed in (content[:-100], b"", content[:100] + bytes([content[100] ^ 1]) + content[101:]):
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="damaged or changed; fetch the snapshot again"):
            load(copy)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="is missing"):
        load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest | {"version": 99}, "of version 99, this matenv reads"),
        (lambda manifest: manifest | {"format": "other"}, "is 'other' of version"),
        (lambda manifest: {}, "is damaged"),
        (lambda manifest: [], "is damaged"),
    ],
)
def test_a_manifest_that_is_not_ours(copy, change, message):
    path = copy / "manifest.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match=message):
        load_dataset(copy)


def test_a_folder_that_is_no_snapshot(tmp_path):
    with pytest.raises(ValueError, match="is no snapshot"):
        load_dataset(tmp_path)


def test_numbers_that_are_none(tmp_path):
    summary, thermo = (documents()[k][0] for k in (0, 1))
    odd = {"band_gap": "wide", "bulk_modulus": {"vrh": -3.0}, "density": float("nan"), "theoretical": None}
    request = Request.of("GGA_GGA+U")
    (entry,) = gather(Documents("", 1, [summary | odd], [thermo]), request).entries
    assert [entry[k] for k in ("band_gap_pbe", "log10_bulk_modulus", "density", "theoretical")] == [None] * 4
    assert np.isfinite(entry["formation_energy"])
