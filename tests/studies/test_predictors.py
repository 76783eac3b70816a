"""The comparison of predictors on published folds: joins, folds and metrics. The training itself is not run."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import laplace

from studies.predictors import matbench
from studies.predictors import published as predictors
from tools import build_tables as build


def test_five_folds_cover_every_row_once():
    parts = [predictors.five_fold(1003, fold) for fold in range(5)]
    assert sorted(np.concatenate([test for _, test in parts]).tolist()) == list(range(1003))
    for train, test in parts:
        assert not set(train.tolist()) & set(test.tolist()) and len(train) + len(test) == 1003
        assert len(test) in (200, 201)


def test_median_of_a_hurdle_errs_least():
    rng = np.random.default_rng(0)
    location, scale, zero = (
        np.array([1.0, 0.3, 2.0, 1.0]),
        np.array([0.2, 0.3, 0.5, 0.4]),
        np.array([0, 0.2, 0.45, 0.6]),
    )
    ours = predictors.median(location, scale, zero)
    for k in range(4):
        drawn = laplace.rvs(location[k], scale[k], 200_000, random_state=rng)
        drawn = np.where(rng.random(200_000) < zero[k], 0.0, drawn)
        assert ours[k] == pytest.approx(max(np.median(drawn), 0.0), abs=0.01)


def test_stability_by_hand():
    report = predictors.stability(np.array([-0.1, 0.0, 0.2, -0.3, 0.1]), np.array([-0.2, 0.1, 0.1, -0.1, -0.1]))
    assert (report["precision"], report["recall"], report["accuracy"]) == pytest.approx((2 / 3, 2 / 3, 3 / 5))
    assert report["f1"] == pytest.approx(2 / 3) and report["mae"] == pytest.approx(0.14)
    assert predictors.stability(np.ones(2), np.ones(2))["f1"] == 0.0


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Both wheels with five rows; row k from 1 is id k."""
    with zipfile.ZipFile(tmp_path / "crabnet-0.whl", "w") as wheel:
        rows = ["NaCl,5.0", "Na2Cl2,5.1", "SiO2,6.0", "Fe,0", "NaN,0.1"]
        wheel.writestr(build.MATBENCH["band_gap_pbe"], "\n".join(["formula,target", *rows]))
    with zipfile.ZipFile(tmp_path / "matbench-0.whl", "w") as wheel:
        fold = {"train": ["mb-mp-gap-000001", "mb-mp-gap-000005"], "test": ["mb-mp-gap-000002", "mb-mp-gap-000004"]}
        splits = {"splits": {"matbench_mp_gap": {"fold_0": fold}}}
        wheel.writestr("matbench/matbench_v0.1_validation.json", json.dumps(splits))
    for name, module, constant in (("crabnet-0", build, "SHA256"), ("matbench-0", matbench, "FOLDS_SHA256")):
        digest = hashlib.sha256((tmp_path / f"{name}.whl").read_bytes()).hexdigest()
        monkeypatch.setattr(module, constant, digest)
    return tmp_path


def test_rows_join_their_folds_by_position(wheels):
    fold = matbench.load("band_gap_pbe", wheels)
    assert fold.train.tolist() == [0, 4] and fold.test.tolist() == [1, 3]
    assert fold.values[fold.test].tolist() == [5.1, 0.0]
    assert fold.batch.formulas()[:2] == ["NaCl", "NaCl"] and fold.batch.size[4] == 2  # NaN is sodium nitride
    assert fold.known == 0.5  # NaCl is in train, Fe is not


def test_another_wheel_is_refused(wheels, monkeypatch):
    monkeypatch.setattr(matbench, "FOLDS_SHA256", "0" * 64)
    with pytest.raises(RuntimeError, match="expected 0000"):
        matbench.load("band_gap_pbe", wheels)


def test_the_page_quotes_the_written_results():
    document = json.loads(predictors.RESULT.read_text())
    lines = predictors.table(document["parts"]).splitlines()
    assert {line.split(" | ")[0].strip("| ") for line in lines[2:]} <= set(predictors.PEERS)
    page = (Path(__file__).parents[2] / "docs" / "predictors.md").read_text()
    assert all(line in page for line in lines)
    assert "Roost 0.056" in lines[2] and f"{document['parts']['energies']['mae']:.4f}" in lines[2]
