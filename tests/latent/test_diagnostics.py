"""Annealing of the KL weight, posterior collapse, the round-trip test and smoothness along lines."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import matenv
from matenv.benchmark.smoothness import smoothness
from matenv.cli import app
from matenv.composition import CompositionBatch
from matenv.latent.evaluation.collapse import PosteriorCollapseWarning, unit_statistics, warn_of_dying, warn_of_inactive
from matenv.latent.evaluation.evaluate import LINE_POINTS
from matenv.latent.evaluation.round_trip import held_out, round_trip
from matenv.latent.training.fit import fit
from matenv.latent.training.recipe import kl_weight
from matenv.latent.training.recipes import RECIPES
from matenv.latent.training.train import train

DATA = matenv.load_dataset()
SMALL = DATA.subset(np.random.default_rng(0).choice(len(DATA), 800, replace=False), "small")


def test_kl_weight_rises_once_or_in_cycles():
    once = replace(RECIPES["vae-elawady"], beta=2.0, beta_warmup=0.5)
    assert [kl_weight(once, done) for done in (0.0, 0.25, 0.5, 0.9)] == [0.0, 1.0, 2.0, 2.0]
    cycles = replace(once, beta_cycles=4)
    assert [kl_weight(cycles, done) for done in (0.0, 0.0625, 0.125, 0.2, 0.25, 0.3125, 0.99)] == [0, 1, 2, 2, 0, 1, 2]
    assert "beta_cycles" not in once.settings() and cycles.settings()["beta_cycles"] == 4  # old checkpoints stay valid


def test_cycles_are_recorded_and_tell_runs_apart(tmp_path):
    recipe = replace(RECIPES["vae-elawady"], batch=128, beta_warmup=1.0, beta_cycles=2)
    _, history = fit("vae-elawady", SMALL, tmp_path, epochs=4, seed=0, recipe=recipe, progress=False)
    betas = [record["beta"] for record in history]
    assert betas[0] < betas[1] and betas[2] < betas[1] and betas[2] < betas[3]
    assert all(len(record["kl_per_unit"]) == 10 for record in history)
    with pytest.raises(ValueError, match="another run.*beta_cycles"):
        once = replace(recipe, beta_cycles=1)
        fit("vae-elawady", SMALL, tmp_path, epochs=4, seed=0, recipe=once, progress=False)
    with pytest.raises(ValueError, match="beta_cycles=0 must be a positive whole number"):
        train("vae-elawady", tmp_path, beta_cycles=0)


def test_units_by_hand():
    mean = np.array([[1.0, 0.0, 0.05], [-1.0, 0.0, -0.05]])
    log_variance = np.array([[np.log(0.25), 0.0, 0.0]] * 2)
    found = unit_statistics(mean, log_variance)
    assert found["active_units"] == 1
    wanted = [0.5 * (1 + 0.25 - 1 - np.log(0.25)), 0.0, 0.5 * 0.05**2]
    assert found["kl_per_unit"] == pytest.approx(wanted, abs=1e-4)


def test_dying_and_unused_units_are_warned_of():
    record = {"epoch": 1, "active_units": 3, "kl_per_unit": [1.0, 1.0, 1.0]}
    with pytest.warns(PosteriorCollapseWarning, match=r"epoch 2: 2 latent dimension\(s\) went inactive, 1 left.*beta"):
        warn_of_dying([record, record | {"epoch": 2, "active_units": 1}])
    with pytest.warns(PosteriorCollapseWarning, match="2 of 3 latent dimensions are inactive"):
        warn_of_inactive(record | {"active_units": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_dying([record])
        warn_of_dying([record, record])
        warn_of_inactive(record)


def test_a_collapsing_run_warns(tmp_path):
    # A KL weight of 50 drives every dimension to the prior, whatever it carried in the first epochs.
    recipe = replace(RECIPES["vae-elawady"], batch=64, beta=50.0, beta_warmup=0.9, learning_rate=1e-2)
    with pytest.warns(PosteriorCollapseWarning, match="went inactive"):
        _, history = fit("vae-elawady", SMALL, tmp_path, epochs=30, seed=0, recipe=recipe, progress=False)
    assert max(record["active_units"] for record in history) > history[-1]["active_units"]


@pytest.mark.parametrize("name", ["vae", "vae-elawady"])
def test_the_posterior_is_what_encode_whitens(name):
    space = matenv.load_latent(name)
    batch = DATA.compositions[:50]
    mean, log_variance = space.posterior(batch)
    np.testing.assert_allclose((mean - space.whitening.mean) / space.whitening.std, space.encode(batch))
    assert log_variance.shape == mean.shape == (50, space.dim)
    assert unit_statistics(mean, log_variance)["active_units"] == space.dim


def test_round_trip():
    space, rows = matenv.load_latent("vae"), held_out(DATA, 300)
    trip = round_trip(space, rows)
    assert trip.returned.formulas() == space.decode_batch(space.encode(rows)).formulas()
    same = np.array(trip.returned.formulas()) == np.array(rows.formulas())
    assert (same == trip.exact).all() and trip.exact.mean() > 0.9 and trip.same_elements.mean() > 0.97
    # Draws stray from the mean, so fewer come back; and the paper's space gives back fewer still.
    assert 0.5 < trip.drawn_exact.mean() < trip.exact.mean()
    assert round_trip(matenv.load_latent("vae-elawady"), rows).drawn_exact.mean() < 0.1
    again = round_trip(space, rows)
    assert (again.drawn_exact == trip.drawn_exact).all()
    with pytest.raises(ValueError, match="draws=0"):
        round_trip(space, rows, draws=0)
    with pytest.raises(ValueError, match="rows=0 of"):
        held_out(DATA, 0)


def test_round_trip_as_a_command():
    out = CliRunner().invoke(app, ["latent", "round-trip", "LiFePO4", "NaCl"]).output
    assert out.count("LiFePO4") == 2 and "comes back as" in out
    out = CliRunner().invoke(app, ["latent", "round-trip", "--rows", "50", "--latent", "vae-elawady"]).output
    assert out.startswith("50 compositions: formula back ")


class Straight:
    """A space that is a straight line: its one coordinate is the share of oxygen in Fe-O."""

    dim = 1

    def encode(self, batch):
        return batch.fractions()[:, [matenv.elements.INDEX["O"]]] * 20

    def decode_batch(self, points):
        counts = np.zeros((len(points), 89), np.int64)
        counts[:, matenv.elements.INDEX["O"]] = 1 + np.rint(1000 * np.clip(points[:, 0], 0, 20))
        counts[:, matenv.elements.INDEX["Fe"]] = 1 + 20_000 - counts[:, matenv.elements.INDEX["O"]]
        return CompositionBatch.from_counts(counts)


class Linear:
    def predict(self, batch):
        x = batch.fractions()[:, matenv.elements.INDEX["O"]]
        return {"formation_energy": (-3.0 * x, np.ones(len(x)))}


def test_a_straight_space_has_no_detour():
    found = smoothness(Straight(), DATA, Linear())  # type: ignore[arg-type]
    assert found["formula_detour"] == pytest.approx(1.0, abs=0.02)
    assert found["property_detour"] == pytest.approx(1.0, abs=0.02)
    assert found["formula_change_per_unit"] == pytest.approx(2 / 20, rel=0.05)  # what Fe loses and what O gains
    assert found["property_change_per_unit"] == pytest.approx(3 / 20, rel=0.05)
    assert found["property_largest_jump"] < 0.05 and 1 < found["formulas_per_line"] <= LINE_POINTS


@pytest.mark.slow
def test_smoothness_of_the_shipped_spaces_as_a_command():
    result = CliRunner().invoke(app, ["latent", "smoothness"])
    values = [float(line.split()[-1]) for line in result.output.splitlines() if line.startswith("  ")]
    assert result.exit_code == 0 and len(values) == 16 and all(value > 0 for value in values)
