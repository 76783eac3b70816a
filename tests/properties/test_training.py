"""Training, calibration and the predictor's file."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors.torch import save as to_bytes
from scipy.integrate import trapezoid
from scipy.special import expit, logit, ndtr
from scipy.stats import laplace, norm
from scipy.stats import t as student_t

import matenv
from matenv.composition import CompositionBatch
from matenv.properties import heads, store
from matenv.properties.compiled import set_network as inference
from matenv.properties.distribution import Calibration, CalibrationTable, Prediction
from matenv.properties.labels import labelled_rows
from matenv.properties.networks.features import fraction_features, list_tokens, pack
from matenv.properties.networks.set_network import CompositionNetwork
from matenv.properties.training import calibration, train
from matenv.properties.training.export import export
from matenv.training.checkpoint import read_checkpoint, write_checkpoint

TINY = train.TrainConfig(members=1, epochs=3, width=8, layers=1, batch_size=32, max_rows=800)


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    return run, train.train(run, TINY, progress=False)


def batch(*formulas):
    return CompositionBatch.from_fractions(matenv.fractions(list(formulas)))


def arrays(compositions):
    return compositions.elements, compositions.counts.astype(float), compositions.size


def predict(shared, location, within, between, size, zero=None):
    """`Prediction` of n rows for which all five properties are told the same and share a calibration."""
    columns = [np.repeat(np.asarray(v, float)[:, None], len(heads.NAMES), axis=1) for v in (location, within, between)]
    zero = np.full(len(size), 0.5) if zero is None else zero
    table = CalibrationTable(dict.fromkeys(heads.NAMES, shared))
    location, within, between = columns
    return Prediction(location, within, between, np.repeat(zero[:, None], len(heads.HURDLE), axis=1), size, table)


@pytest.fixture(scope="module")
def random_networks():
    torch.manual_seed(0)
    networks = [CompositionNetwork(heads.OUTPUTS, width=16, layers=2).eval() for _ in range(2)]
    with torch.no_grad():
        for network in networks:
            for parameter in network.parameters():  # so that biases and normalisation weights matter too
                parameter.add_(0.2 * torch.randn_like(parameter))
    return networks


@pytest.mark.parametrize("rows", [1, 5, inference._BLOCK, inference._BLOCK + 1, 3 * inference._BLOCK + 5])
def test_fast_inference_equals_the_network(random_networks, rows):
    formulas = ["NaCl", "LiFePO4", "Fe", "YBa2Cu3O7", "Fe2O3", "CsPbI3", "Ga(MoS2)4"]
    compositions = batch(*(formulas[k % len(formulas)] for k in range(rows)))
    fast = inference.FastEnsemble(random_networks)(*arrays(compositions))
    tokens, order = pack(compositions)
    assert fast.shape == (2, rows, heads.OUTPUTS) and fast.dtype == np.float32
    for ours, network in zip(fast, random_networks, strict=True):
        theirs = network(tokens).detach().numpy()
        assert np.abs(theirs).max() > 0.1
        np.testing.assert_allclose(ours[order], theirs, rtol=1e-5, atol=1e-5)


def test_an_ensemble_needs_a_network():
    with pytest.raises(ValueError, match="at least one"):
        inference.FastEnsemble([])


def test_listed_tokens_equal_the_packed_ones():
    compositions = batch("LiFePO4", "NaCl", "Fe", "Fe2O3")
    positions, fractions, features, offsets = list_tokens(*arrays(compositions))
    tokens, order = pack(compositions)
    assert offsets.tolist() == [0, 4, 6, 7, 9]
    listed = np.concatenate([np.arange(offsets[row], offsets[row + 1]) for row in order])
    assert (positions[listed] == tokens.elements.numpy()).all()
    assert (fractions[listed] == tokens.amounts.numpy()[:, 0]).all()
    np.testing.assert_allclose(
        features[listed], fraction_features(tokens.amounts).numpy(), atol=4e-6
    )  # of cos(16 pi x)


def test_combined_outputs_equal_the_decoded_ones():
    rng = np.random.default_rng(0)
    outputs = (5.0 * rng.normal(size=(3, 40, heads.OUTPUTS))).astype(np.float32)  # beyond the range of the log scales
    outputs[0, 0, 1] = 50.0  # beyond the range of softplus
    size = np.full(40, 2, np.int16)
    size[7] = 1
    location, scale, hurdle = (
        v.numpy().reshape(3, 40, -1) for v in heads.decode(torch.from_numpy(outputs).double().flatten(0, 1))
    )
    expected = [location.mean(0), 2 * (scale**2).mean(0), location.var(0), expit(hurdle).mean(0)]
    for values in expected[:3]:
        values[7, 0] = 0.0
    for ours, theirs in zip(heads.combine(outputs, size), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_network_does_not_see_order_or_neighbours():
    torch.manual_seed(1)
    network = CompositionNetwork(3, width=8, layers=2).eval()
    tokens, order = pack(batch("LiFePO4", "NaCl", "Fe2O3"))
    together = network(tokens).detach().numpy()[np.argsort(order)]
    assert order.tolist() == [1, 2, 0]
    for row, formula in enumerate(["LiFePO4", "NaCl", "Fe2O3"]):
        alone, _ = pack(batch(formula))
        np.testing.assert_allclose(network(alone).detach().numpy()[0], together[row], atol=1e-5)


def test_loss_leaves_absent_labels_out():
    outputs = torch.randn(4, heads.OUTPUTS, requires_grad=True)
    targets = torch.full((4, len(heads.NAMES)), float("nan"))
    targets[0, 0] = -1.0
    heads.loss(outputs, targets).backward()
    assert outputs.grad is not None and torch.isfinite(outputs.grad).all()
    used = outputs.grad.abs() > 0
    assert used[0].nonzero().flatten().tolist() == [0, len(heads.NAMES)]
    assert not used[1:].any()


def test_training_learns_and_leaves_the_callers_random_state_alone(tiny_run, tmp_path):
    history = read_checkpoint(tiny_run[1][0])["history"]
    assert history[-1][0] < min(0.65, history[0][0])  # eV/atom; a constant guess is off by 0.9
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    train.train(tmp_path, train.TrainConfig(members=1, epochs=1, width=4, layers=1, max_rows=100), progress=False)
    assert torch.equal(before, torch.random.get_rng_state())


def test_other_settings_do_not_resume(tiny_run):
    with pytest.raises(ValueError, match="another run.*epochs"):
        train.train(tiny_run[0], train.TrainConfig(members=1, epochs=4, width=8, layers=1), progress=False)


def test_damaged_checkpoint_says_what_to_do(tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="delete it"):
        read_checkpoint(path)


def test_training_rows_hold_no_test_system():
    data = matenv.load_dataset("mp-ground-states")
    test_systems = {tuple(row) for row in data.compositions.elements[data.part("test")].tolist()}
    for part in ("train", "validation"):
        rows, targets = labelled_rows(part)
        assert not test_systems & {tuple(row) for row in rows.elements.tolist()}
        assert targets.shape == (len(rows), len(heads.NAMES))


@pytest.fixture(scope="module")
def tiny_file(tiny_run):
    target = tiny_run[0] / "tiny.safetensors"
    card = export(tiny_run[0], target, "a command")
    assert card == json.loads(target.with_suffix(".json").read_text())
    return target


def test_exported_run_loads(tiny_file):
    model = matenv.load_predictor(tiny_file)
    mean, std = model.predict(["NaCl", "Fe2O3"])["formation_energy"]
    assert mean.shape == (2,) and (std > 0).all()
    assert "formation_energy" in tiny_file.with_suffix(".md").read_text()


def test_unfinished_or_missing_run_is_not_exported(tiny_run, tmp_path):
    with pytest.raises(ValueError, match="train first"):
        export(tmp_path, tmp_path / "x.safetensors", "")
    state = read_checkpoint(tiny_run[1][0])
    write_checkpoint(tmp_path / "member-0" / "checkpoint.pt", {**state, "history": state["history"][:2]})
    with pytest.raises(ValueError, match="stopped after epoch 2"):
        export(tmp_path, tmp_path / "x.safetensors", "")


def test_an_ensemble_may_grow(tmp_path, monkeypatch):
    config = train.TrainConfig(members=1, epochs=1, width=4, layers=1, max_rows=100)
    (first,) = train.train(tmp_path, config, progress=False)
    before = first.read_bytes()
    train.train(tmp_path, replace(config, members=2), progress=False)
    assert first.read_bytes() == before
    monkeypatch.setattr("matenv.properties.training.export._finish", lambda members, target, facts, *_, **__: facts)
    assert export(tmp_path, tmp_path / "x.safetensors", "")["config"] == asdict(replace(config, members=2))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_damaged_file_is_refused(tiny_file, tmp_path, damage):
    content = tiny_file.read_bytes()
    flipped = content[:-100] + bytes([content[-100] ^ 0xFF]) + content[-99:]
    damaged = {"truncated": content[:-500], "flipped": flipped, "empty": b"", "text": b"hello" * 50}[damage]
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="train it again"):
        matenv.load_predictor(path)


def test_foreign_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(to_bytes({"a": torch.zeros(2)}))
    with pytest.raises(ValueError, match="not a property predictor"):
        matenv.load_predictor(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        matenv.load_predictor(tmp_path / "absent.safetensors")


def test_file_notices_that_the_element_table_changed(tiny_file, monkeypatch):
    monkeypatch.setattr(store, "element_features", lambda: torch.ones(89, 32))
    with pytest.raises(ValueError, match="other reference values"):
        matenv.load_predictor(tiny_file)


@pytest.mark.parametrize("noise", [norm(), student_t(3), laplace()])
def test_calibration_recovers_coverage_from_overconfident_scales(noise):
    rng = np.random.default_rng(0)
    n = 4000
    sigma = np.exp(rng.normal(-2.0, 0.5, n))
    truth = 1.0 + sigma * noise.rvs(n, random_state=rng)
    said, size = 0.04 * sigma**2, np.full(n, 3)
    train_rows, test_rows = slice(0, n // 2), slice(n // 2, n)
    fitted = calibration.fit(truth[train_rows], np.ones(n // 2), said[train_rows], np.zeros(n // 2), size[train_rows])
    assert sum(w * k**2 for w, k in zip(fitted.weights, fitted.widths, strict=True)) == pytest.approx(1.0)
    prediction = predict(fitted, np.ones(n // 2), said[test_rows], np.zeros(n // 2), size[test_rows])
    position = prediction.cdf("formation_energy", truth[test_rows])
    for level in (0.5, 0.9, 0.95):
        assert (np.abs(position - 0.5) < 0.5 * level).mean() == pytest.approx(level, abs=0.03)


def test_calibration_of_a_hurdle():
    rng = np.random.default_rng(1)
    n = 4000
    raw = rng.uniform(0.02, 0.98, n)
    honest = 1 / (1 + np.exp(-0.5 * np.log(raw / (1 - raw))))  # the raw probability is over-confident by a factor of 2
    zero = rng.random(n) < honest
    truth = np.where(zero, 0.0, np.abs(1.5 + 0.3 * rng.normal(size=n)))
    fitted = calibration.fit(truth, np.full(n, 1.5), np.full(n, 0.01), np.zeros(n), np.full(n, 2), raw)
    assert fitted.slope == pytest.approx(0.5, abs=0.06) and fitted.intercept == pytest.approx(0.0, abs=0.1)
    prediction = predict(fitted, [1.5], [0.01], [0.0], np.array([2]), np.array([0.9]))
    assert prediction.std["formation_energy"] == pytest.approx(0.3, rel=0.1)  # the bell without the zeros
    assert prediction.zero_probability["band_gap_pbe"] == pytest.approx(0.75, abs=0.03)  # odds of 9, square root 3


def test_too_few_rows_to_calibrate():
    few = np.ones(5)
    with pytest.raises(ValueError, match="at least 20"):
        calibration.fit(few, few, few, few, np.full(5, 2))


SHAPE = Calibration(1.5, 0.7, 0.01, 1.2, tuple(np.linspace(0.5, 1.5, 11)), (0.7, 0.3), (0.6, 1.5), 0.8, -0.3)


def test_calibrated_scale_and_distribution_follow_their_formulas():
    location, within, between = np.array([-0.5, 0.2, 3.0]), np.array([0.1, 0.5, 0.2]), np.array([0.0, 0.3, 0.1])
    size, zero = np.array([1, 4, 10]), np.array([0.0, 0.4, 1.0])
    prediction = predict(SHAPE, location, within, between, size, zero)
    scale = np.sqrt((1.5 * within + 0.7 * between + 0.01) ** 1.2 * np.array(SHAPE.by_size)[size])
    np.testing.assert_allclose(prediction.std["formation_energy"], scale, rtol=1e-12)
    p0 = expit(0.8 * logit(np.clip(zero, 1e-6, 1 - 1e-6)) - 0.3)
    np.testing.assert_allclose(prediction.zero_probability["band_gap_expt"], p0, rtol=1e-9)

    def below(value):
        return sum(w * ndtr((value - location) / (k * scale)) for w, k in zip(SHAPE.weights, SHAPE.widths, strict=True))

    for value in (-np.inf, -2.0, 0.0, 0.7, 4.0, np.inf):
        np.testing.assert_allclose(prediction.cdf("formation_energy", value), below(value), rtol=1e-12, atol=1e-15)
        expected = p0 + (1 - p0) * (below(value) - below(0.0)) / (1 - below(0.0)) if value >= 0 else np.zeros(3)
        np.testing.assert_allclose(prediction.cdf("band_gap_pbe", value), expected, rtol=1e-12)
    for name in ("formation_energy", "band_gap_pbe"):
        assert np.isnan(prediction.cdf(name, np.nan)).all()


def test_mixtures_of_different_lengths_share_a_table():
    single = Calibration(1.0, 1.0, 0.0, 1.0, (1.0,) * 11, (1.0,), (1.0,))
    table = CalibrationTable({name: single if k else SHAPE for k, name in enumerate(heads.NAMES)})
    location, within, between = (np.full((1, 5), v) for v in (0.3, 0.5, 0.0))
    prediction = Prediction(location, within, between, np.full((1, 2), 0.5), np.array([2]), table)
    np.testing.assert_allclose(prediction.cdf("log10_bulk_modulus", 1.0), ndtr(0.7 / np.sqrt(0.5)), rtol=1e-12)
    np.testing.assert_allclose(
        prediction.cdf("formation_energy", 1.0), predict(SHAPE, [0.3], [0.5], [0.0], [2]).cdf("formation_energy", 1.0)
    )


def test_hurdle_moments_equal_numerical_integration():
    shape = Calibration(1.0, 1.0, 0.0, 1.0, (1.0,) * 11, (0.7, 0.3), (0.6, 1.5))
    zero = np.array([0.0, 0.3, 0.8])
    prediction = predict(shape, [-0.5, 0.2, 3.0], np.array([0.4, 1.0, 0.5]) ** 2, np.zeros(3), np.full(3, 2), zero)
    y = np.linspace(0, 14, 20_001)
    above = 1.0 - np.stack([prediction.cdf("band_gap_pbe", v) for v in y])
    first = trapezoid(above, y, axis=0)
    second = trapezoid(2 * y[:, None] * above, y, axis=0)
    np.testing.assert_allclose(prediction.mean["band_gap_pbe"], first, rtol=1e-5)
    np.testing.assert_allclose(prediction.std["band_gap_pbe"], np.sqrt(second - first**2), rtol=1e-5)


@pytest.mark.parametrize("change", [{"epochs": 0}, {"members": 0}, {"learning_rate": 0.0}, {"dropout": 1.0}])
def test_impossible_settings_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        train.TrainConfig(**change)


def test_command_line_of_a_run():
    assert train.command_line("/somewhere/predictor", TINY) == (
        "matenv predictor train --out predictor --members 1 --epochs 3 --width 8 --layers 1 "
        "--batch-size 32 --max-rows 800"
    )
