"""Spaces that predict a property: closed form beside gpytorch, training, weights files, what is measured, errors."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch
from scipy.stats import norm
from typer.testing import CliRunner

import matenv
from matenv.cli import app
from matenv.composition import CompositionBatch
from matenv.latent import LatentSpace, load_latent
from matenv.latent.evaluation.evaluate import evaluate, recovery
from matenv.latent.evaluation.property_quality import label, neighbours, property_quality, smoothness, widened
from matenv.latent.networks.gaussian_process import GaussianProcess
from matenv.latent.property_space import PropertySpace
from matenv.latent.store import read, write
from matenv.latent.training.anchors import choose_anchors
from matenv.latent.training.joint import DeepKernelVAE
from matenv.latent.training.recipes import RECIPES
from matenv.latent.training.train import train

DATA = matenv.load_dataset()
SMALL = DATA.subset(np.random.default_rng(0).choice(len(DATA), 800, replace=False), "small")


@pytest.fixture(scope="module")
def kernel():
    """A deep kernel that has learnt a function of two latent coordinates, and 300 points with labels."""
    from matenv.latent.networks.deep_kernel import DeepKernel

    torch.manual_seed(0)
    z = torch.randn(300, 4)
    y = 3.0 + torch.sin(z[:, 0]) + 0.5 * z[:, 1] + 0.05 * torch.randn(300)
    kernel = DeepKernel(4, inducing=40)
    kernel.prepare(z, y, len(z))
    optimizer = torch.optim.Adam(kernel.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        kernel.loss(z, y).backward()
        optimizer.step()
    return kernel, z, y


@pytest.fixture(scope="module")
def process(kernel):
    return kernel[0].export("formation_energy", "eV/atom")


@pytest.fixture(scope="module")
def space(process):
    """The shipped `vae` with a process on it that reads its first four coordinates."""
    vae = load_latent("vae")
    wide = np.zeros((len(process.inducing), vae.dim))
    wide[:, :4] = process.inducing
    scales = np.r_[process.length_scale, np.full(vae.dim - 4, 1e4)]
    process = replace(process, inducing=wide, length_scale=scales)
    return PropertySpace("vae", vae.network, vae.whitening, vae.anchors, process=process)


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_closed_form_equals_gpytorch(kernel, process, scale):
    z = scale * torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    expected_mean, expected_std = kernel[0].predict(z)
    mean, std = process.predict(z.double().numpy())
    np.testing.assert_allclose(mean, expected_mean.numpy(), atol=2e-4)
    np.testing.assert_allclose(std, expected_std.numpy(), atol=2e-4)
    assert process.predict(np.zeros((0, 4)))[0].shape == (0,)


def test_it_learnt_the_function_and_knows_where_it_did_not(kernel, process):
    _, z, y = kernel
    mean, std = process.predict(z.double().numpy())
    assert np.abs(mean - y.numpy()).mean() < 0.1 < y.std()
    far, far_std = process.predict(np.full((1, 4), 50.0))
    assert far_std[0] > 3 * std.max() and far[0] == pytest.approx(process.shift + process.scale * process.constant)


def test_arrays_survive_and_are_checked(process):
    arrays = process.arrays()
    again = GaussianProcess.of("formation_energy", "eV/atom", arrays)
    z = np.random.default_rng(0).standard_normal((20, 4))
    np.testing.assert_allclose(again.predict(z), process.predict(z), rtol=1e-5)
    for key, value, message in (
        ("mean", arrays["mean"][:-1], "disagree"),
        ("root", arrays["root"][:-1], "disagree"),
        ("scalars", arrays["scalars"][:-1], "scalars"),
        ("length_scale", -arrays["length_scale"], "not positive"),
    ):
        with pytest.raises(ValueError, match=message):
            GaussianProcess.of("formation_energy", "eV/atom", arrays | {key: value})


def test_a_space_predicts_compositions_and_points_alike(space):
    formulas = ["LiFePO4", "NaCl", "GaAs"]
    mean, std = space.predict(formulas)
    assert mean.shape == std.shape == (3,) and (std > 0).all()
    batch = CompositionBatch.from_fractions(matenv.fractions(formulas))
    for form in (matenv.fractions(formulas), tuple(formulas), space.encode(formulas), batch):
        np.testing.assert_allclose(space.predict(form), (mean, std), rtol=1e-6)
    for single in ("LiFePO4", matenv.fractions("LiFePO4"), space.encode("LiFePO4")[0]):
        np.testing.assert_allclose(space.predict(single)[0], mean[:1], rtol=1e-6)
    with pytest.raises(ValueError, match=r"X has shape \(2, 31\); expected fractions \(B, 89\) or points \(B, 32\)"):
        space.predict(np.zeros((2, 31)))
    with pytest.raises(ValueError, match="row 1 holds NaN"):
        space.predict(np.array([[0.0] * 32, [np.nan] * 32]))


def test_weights_file_holds_the_process(space, tmp_path):
    path = tmp_path / "own.safetensors"
    write(space, path)
    again = load_latent(path)
    assert isinstance(again, PropertySpace) and isinstance(again, LatentSpace)
    assert (again.target, again.unit) == ("formation_energy", "eV/atom")
    z = space.sample(20, 0)
    np.testing.assert_allclose(again.predict(z), space.predict(z), rtol=1e-4)
    other = replace(
        space.process, inducing=space.process.inducing[:, :31], length_scale=space.process.length_scale[:31]
    )
    write(PropertySpace("vae", space.network, space.whitening, process=other), path)
    with pytest.raises(ValueError, match="inducing points have the wrong width"):
        read(path, "own")


def test_widening_makes_validation_rows_likeliest(space):
    tuned = widened(space, SMALL)
    rows = SMALL.part("validation")
    labels, codes = SMALL.formation_energy[rows], space.encode(SMALL.compositions[rows])

    def nll(factor):
        mean, std = replace(space.process, widening=factor).predict(space._raw(codes))
        return -norm.logpdf(labels, mean, std).mean()

    best = tuned.process.widening
    assert nll(best) < min(nll(0.9 * best), nll(1.1 * best))


def test_smoothness_by_hand():
    codes, known = np.array([[0.0], [1.0], [4.0]]), np.array([0.0, 2.0, 8.0])
    nearest, distance = neighbours(codes, np.array([[1.5], [9.0]]), 2)
    assert nearest.tolist() == [[1, 0], [2, 1]]
    np.testing.assert_allclose(distance, [[0.5, 1.5], [5.0, 8.0]], atol=1e-6)
    found = smoothness(codes, known, np.array([[1.5], [9.0], [2.0]]), np.array([3.0, 18.0, 4.0]))
    assert found["linear_r2"] == pytest.approx(1.0) and found["rank_correlation"] == pytest.approx(1.0)
    assert found["change_per_unit"] == pytest.approx(2.0)
    assert found["neighbour_error"] == pytest.approx(np.mean([10 / 3 - 3, 18 - 10 / 3, 4 - 10 / 3]))  # all 3 are near


def test_labels_scattered_at_random_are_not_smooth(space):
    quality = property_quality(space, SMALL)
    shuffled = replace(SMALL, formation_energy=np.random.default_rng(0).permutation(SMALL.formation_energy))
    random = property_quality(space, shuffled)
    assert quality["neighbour_error"] < 0.7 * random["neighbour_error"]
    assert quality["linear_r2"] > 0.2 > random["linear_r2"]
    assert abs(random["rank_correlation"]) < 0.05


@pytest.fixture
def small_training(monkeypatch):
    monkeypatch.setattr("matenv.latent.training.train.load_dataset_as", lambda parameter, name: SMALL)
    monkeypatch.setattr("matenv.latent.training.train.choose_anchors", partial(choose_anchors, number=500))
    monkeypatch.setattr("matenv.latent.training.model_card.evaluate", partial(evaluate, samples=300))
    monkeypatch.setattr("matenv.latent.evaluation.evaluate.LINES", 10)
    for name in ("dkl-vae", "vae-gp"):
        recipe = RECIPES[name]
        build = partial(DeepKernelVAE, frozen=name == "vae-gp", inducing=20)
        monkeypatch.setitem(RECIPES, name, replace(recipe, build=build, batch=128, learning_rate=3e-3))


@pytest.mark.parametrize("name", ["dkl-vae", "vae-gp"])
def test_training_exports_a_space_that_predicts(name, tmp_path, small_training):
    path = train(name, tmp_path, epochs=3, seed=1, progress=False)
    space = load_latent(path)
    assert isinstance(space, PropertySpace) and space.target == "formation_energy" and space.unit == "eV/atom"
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["metrics"]["property_mae"] > 0 and card["recipe"]["labels"] == ["formation_energy"]
    assert card["metrics"]["property_widening"] == pytest.approx(space.process.widening, abs=1e-4)
    start, end = (one.network.state_dict()["posterior_head.weight"] for one in (load_latent("vae"), space))
    moved = not torch.equal(start, end)
    assert moved == (name == "dkl-vae")  # the other one only looks


def test_a_table_without_the_label_is_refused(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("formula,price\n" + "".join(f"{formula},1\n" for formula in SMALL.formulas[:100]))
    arguments = ["latent", "train", "dkl-vae", "--data", str(table), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, arguments)
    message = str(result.exception)
    assert result.exit_code == 1 and "mine has no label 'formation_energy'" in message
    assert "it has price" in message and "add a column 'formation_energy'" in message


@pytest.mark.slow
def test_moving_in_and_predicting_need_no_gpytorch(space, tmp_path):
    path = tmp_path / "own.safetensors"
    write(space, path)
    code = (
        "import sys; sys.modules['gpytorch'] = None; import matenv;"
        f"s = matenv.load_latent({str(path)!r}); print(s.predict('NaCl')[0].shape);"
        "from matenv.latent.training.recipes import RECIPES; RECIPES['dkl-vae'].build()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "(1,)"
    assert "ImportError: training a deep kernel needs the extra 'gp': pip install 'matenv[gp]'" in done.stderr


def test_labels_of_any_column():
    assert np.isnan(label(SMALL, "colour")).all()
    np.testing.assert_array_equal(label(SMALL, "band_gap_pbe"), SMALL.labels["band_gap_pbe"])


@pytest.fixture(scope="module")
def shipped():
    return load_latent("dkl-vae")


def test_shipped_process_equals_gpytorch(shipped):
    from matenv.latent.networks.deep_kernel import DeepKernel

    process = shipped.process
    kernel = DeepKernel(shipped.dim, len(process.inducing))
    strategy, covariance = kernel.process.variational_strategy, kernel.process.covar_module
    distribution = strategy._variational_distribution
    with torch.no_grad():
        for parameter, value in (
            (strategy.inducing_points, process.inducing),
            (distribution.variational_mean, process.mean),
            (distribution.chol_variational_covar, process.root),
            (kernel.process.mean_module.raw_constant, process.constant),
            (kernel.shift, process.shift),
            (kernel.scale, process.scale),
        ):
            parameter.copy_(torch.as_tensor(value))
    covariance.outputscale, kernel.likelihood.noise = process.output_scale, process.noise
    covariance.base_kernel.lengthscale = torch.as_tensor(process.length_scale).float()
    strategy.variational_params_initialized.fill_(1)
    points = np.concatenate([shipped.sample(100, 0), 3.0 * shipped.sample(50, 1)])
    mean, std = kernel.predict(torch.from_numpy(shipped._raw(points)).float())
    found_mean, found_std = shipped.predict(points)
    np.testing.assert_allclose(found_mean, mean.numpy(), atol=2e-3)
    np.testing.assert_allclose(found_std, process.widening * std.numpy(), atol=2e-3)


def test_shipped_space_predicts_held_out_systems(shipped):
    rows = np.random.default_rng(0).choice(DATA.split("system").test, 2000, replace=False)
    batch, labels = DATA.compositions[rows], DATA.formation_energy[rows]
    mean, std = shipped.predict(batch)
    error = np.abs(mean - labels)
    assert error.mean() < 0.15  # all held-out rows: 0.133
    assert 0.85 < (error < 1.645 * std).mean() < 0.95
    rates = recovery(shipped, batch)
    assert rates["element_set"] > 0.99 and rates["exact_formula"] > 0.95
    fifths = np.array_split(error[np.argsort(std)], 5)
    assert fifths[-1].mean() > 1.2 * fifths[0].mean()  # deviations differ little, but in the right order
    assert shipped.predict(3.0 * shipped.encode(batch))[1].mean() > 1.1 * std.mean()  # off the data it is less sure


def test_shipped_space_can_be_moved_in(shipped):
    env = gym.make("MaterialLatent-v0", latent="dkl-vae")
    env.reset(seed=0)
    observation, reward, *_ = env.step(env.action_space.sample())
    assert env.action_space.shape == (shipped.dim,) and np.isfinite(observation).all() and 0 <= float(reward) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cards", "qm9_enthalpy"])
def test_reproductions_run(name, tmp_path):
    """The small versions: both ways of training, a table, a JSON file and a picture; the second call only resumes."""
    if name == "qm9_enthalpy" and not importlib.util.find_spec("qm9pack"):
        pytest.skip("needs the extra 'qm9'")
    command = [sys.executable, "-m", f"studies.papers.{name}", "--quick", "--out", str(tmp_path)]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert first == second and "| DKL-VAE |" in first and "| VAE, then GP |" in first
    stem = name.removesuffix("_enthalpy")
    assert json.loads((tmp_path / f"{stem}.json").read_text())
    assert (tmp_path / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
