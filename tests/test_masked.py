"""Masked entries: missing in a column of a table, refused by parameter and row everywhere else."""

from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

import matenv
from matenv.data import read_table


def test_masked_entries_of_a_column_are_missing():
    hidden = np.ma.array([-1.0, -999.0], mask=[False, True])
    columns: list[Any] = [hidden, [-1.0, np.ma.masked], [-1.0, None], pd.Series([-1.0, None], dtype="Float64")]
    for given in columns:
        data = matenv.Dataset.from_formulas(["NaCl", "LiF"], given, {"hardness": given})
        assert data.formation_energy.tolist()[0] == -1.0 and np.isnan(data.formation_energy[1])
        assert np.isnan(data.labels["hardness"]).tolist() == [False, True]
    table = {
        "formula": ["NaCl", "LiF"],
        "formation_energy": hidden,
        "hardness": np.ma.array([3, 4], mask=[True, False]),
    }
    read = read_table(table)
    assert np.isnan(read.formation_energy).tolist() == [False, True]
    assert np.isnan(read.labels["hardness"]).tolist() == [True, False] and read.labels["hardness"][1] == 4.0


@pytest.mark.parametrize("name", ["vae", "dkl-vae"])
def test_masked_points_are_refused(name):
    space = matenv.load_latent(name)
    z = np.ma.zeros((3, space.dim))
    assert len(space.decode(z)) == 3  # nothing is hidden
    z[2, 1] = np.ma.masked
    doors = [space.decode, space.decode_batch, *([space.predict] if hasattr(space, "predict") else [])]
    for door in doors:
        for given, where in ((z, " row 2"), (z[2], r"\[1\]"), (list(z), " row 2")):
            with pytest.raises(ValueError, match=f"[ZX]{where} is masked"):
                door(given)


def test_masked_amounts_name_their_row():
    x = np.ma.array(matenv.fractions(["NaCl", "LiF"]))
    x[1, 2] = np.ma.masked
    for door in (matenv.formula, matenv.Oracle().assess, matenv.CompositionBatch.from_counts):
        with pytest.raises(ValueError, match=" row 1 is masked"):
            door(x)


@pytest.mark.parametrize("env_id", ["MaterialLatent-v0", "MaterialElements-v0", "MaterialSystem-v0"])
def test_masked_actions_are_refused(env_id):
    env, envs = gym.make(env_id, disable_env_checker=True).unwrapped, gym.make_vec(env_id, num_envs=2)
    for walk in (env, envs):
        walk.reset(seed=0)
    one, two = np.ma.array(env.action_space.sample(), mask=True), np.ma.array(envs.action_space.sample())
    two[1] = np.ma.masked
    with pytest.raises(ValueError, match="action.* is masked"):
        env.step(one)
    with pytest.raises(ValueError, match=r"actions(\[1\]| row 1) is masked"):
        envs.step(two)
    with pytest.raises(ValueError, match=r"reset_mask\[0\] is masked"):
        envs.reset(options={"reset_mask": np.ma.array([True, False], mask=[True, False])})


def test_masked_values_elsewhere_are_refused():
    data = matenv.Dataset.from_formulas(["NaCl", "LiF"], [-2.0, -3.0])
    hull, hidden = matenv.ConvexHull.from_dataset(data), np.ma.array([-1.0, -999.0], mask=[False, True])
    with pytest.raises(ValueError, match=r"formation_energy\[1\] is masked"):
        hull.window(["LiF", "NaCl"], "Li", hidden)
    with pytest.raises(ValueError, match=r"rows\[0\] is masked"):
        data.subset(np.ma.array([0, 1], mask=[True, False]))
    with pytest.raises(ValueError, match=r"low\[1\] is masked"):
        matenv.Oracle().assess(["NaCl", "LiF"]).prob("formation_energy", low=hidden)
    own = matenv.Property("mine", "GPa", lambda x: np.ma.array(np.ones(len(x)), mask=True))
    with pytest.raises(ValueError, match=r"predict returned means:\[0\] is masked"):
        matenv.Oracle(properties=[own]).assess("NaCl")
