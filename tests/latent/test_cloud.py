"""The pull towards the training points: what a row gets never depends on its batch, and random play stays near them."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import matenv  # noqa: F401
from matenv.envs.latent_moves import moved, project
from matenv.latent import cloud, load_latent
from matenv.latent.store import SHIPPED
from matenv.latent.training.cloud import fit_cloud


@pytest.fixture(scope="module")
def space():
    return load_latent("vae")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_space_knows_where_its_training_points_lie(name):
    found = load_latent(name)
    z = found.sample(4, 0)
    assert found.cloud is not None and found.cloud.shift(z).shape == z.shape


def test_a_row_does_not_depend_on_its_batch(space):
    z = space.sample(1000, 0)
    together = space.cloud.shift(z)
    assert np.array_equal(together[700:701], space.cloud.shift(z[700:701]))
    assert np.array_equal(together[::-1], space.cloud.shift(np.ascontiguousarray(z[::-1])))


def test_no_step_no_pull_and_full_steps_are_pulled(space):
    z, still = space.sample(8, 0), np.zeros((8, space.dim))
    assert np.array_equal(moved(z, still, 0.75, space.cloud, 1.5), z)
    step = np.random.default_rng(0).uniform(-1, 1, z.shape)
    apart = np.linalg.norm(moved(z, step, 0.75, space.cloud, 1.5) - moved(z, step, 0.75, None, 0.0), axis=1)
    assert (apart > 0.3).all()


def test_random_play_stays_in_the_cloud(space):
    data = matenv.load_dataset("mp-ground-states")
    rows = np.random.default_rng(0).permutation(len(data))
    train = space.encode(data.compositions[np.intersect1d(rows[:20_000], data.split("system").train)])
    held_out = space.encode(data.compositions[np.intersect1d(rows[:4_000], data.part("test"))])

    def distance(points):
        apart = (points**2).sum(1)[:, None] - 2 * points @ train.T + (train**2).sum(1)
        return np.median(np.sqrt(np.maximum(apart.min(axis=1), 0)))

    envs = gym.make_vec("MaterialLatent-v0", num_envs=256, task="stable-novel")
    envs.reset(seed=0)
    envs.action_space.seed(0)
    for _ in range(15):
        envs.step(envs.action_space.sample())
    core: Any = envs.unwrapped
    z = core.core.state.z
    assert distance(z) == pytest.approx(distance(held_out), rel=0.1)
    assert (np.linalg.norm(z, axis=1) > 0.999 * space.radius).mean() < 0.1


def test_a_cloud_is_learned_written_and_read(tmp_path):
    random = np.random.default_rng(0)
    points = np.concatenate([random.normal(size=(1500, 1)), 0.05 * random.normal(size=(1500, 2))], axis=1)  # a line
    path = tmp_path / "line.safetensors"
    trained = fit_cloud(points)
    cloud.write(trained, path)
    line = cloud.read(path, 3)
    assert line is not None
    z = np.array([[0.3, 0.5, -0.5], [-1.0, 0.6, 0.0]])
    assert np.allclose(line.shift(z), trained(torch.from_numpy(z).float()).numpy(), atol=1e-4)
    assert (np.abs((z + line.shift(z))[:, 1:]) < 0.2).all()  # back on the line
    assert cloud.read(tmp_path / "other.safetensors", 3) is None
    with pytest.raises(ValueError, match="4 dimensions"):
        cloud.read(path, 4)
    cloud.beside(path).write_bytes(cloud.beside(path).read_bytes()[:-40])
    with pytest.raises(ValueError, match="truncated"):
        cloud.read(path, 3)


def test_pull_without_a_cloud_is_refused(space):
    class Bare:
        """A space of one's own."""

        name, dim, radius = "bare", space.dim, space.radius
        encode, decode, decode_batch, sample, score = (
            space.encode, space.decode, space.decode_batch, space.sample, space.score
        )  # fmt: skip

    with pytest.raises(ValueError, match="pull=1.0"):
        gym.make("MaterialLatent-v0", latent=Bare(), pull=1.0)
    env: Any = gym.make("MaterialLatent-v0", latent=Bare()).unwrapped
    assert env.core.pull == 0.0
    z = space.sample(3, 0) * 3
    assert np.allclose(np.linalg.norm(project(z, space.radius)[0], axis=1), space.radius)
