"""What tests of agents share."""

import pytest
from matenv.agents.hyperparameters import load_hyperparameters
from matenv.agents.tune import SPACES

from matenv.agents import tune as tuning  # isort: skip


@pytest.fixture
def small(monkeypatch):
    """Rollouts of a few steps."""
    read = load_hyperparameters

    def little(algorithm, env_id, path=None):
        return read(algorithm, env_id, path) | {"n_envs": 4, "n_steps": 4, "batch_size": 16, "n_epochs": 1}

    monkeypatch.setattr("matenv.agents.train.load_hyperparameters", little)
    monkeypatch.setattr(tuning, "SPACES", {"ppo": {"learning_rate": SPACES["ppo"]["learning_rate"]}})
