"""What a policy's habits look like to the study of repeat decay and guards."""

import json

import gymnasium as gym
import numpy as np
import pytest
from matenv.agents.policies import RandomPolicy

from studies.guards import habits as guard_study


class ToAndFro:
    """Moves along one direction and back again."""

    def __init__(self, dim):
        self.move, self.dim = 1.0, dim

    def predict(self, observation, *, deterministic=False):
        self.move = -self.move
        return np.full((len(observation), self.dim), self.move, np.float32), None


def test_habits_tell_a_cheat_from_a_wanderer():
    space = gym.make("MaterialLatent-v0").action_space
    assert space.shape is not None
    cheat = guard_study.watch(ToAndFro(space.shape[0]), "cheat", "stiff-stable", 16)
    wanderer = guard_study.watch(RandomPolicy(space, 0), "wanderer", "stiff-stable", 16)
    assert cheat.distinct <= 8 < 10 < wanderer.distinct
    assert cheat.back > 0.4 and wanderer.back < 0.2 and cheat.favourite.split(", ")[1] != "1 times"
    assert cheat.once < 0.5 * cheat.score and wanderer.once > 0.8 * wanderer.score
    for habits in (cheat, wanderer):
        assert 0 < habits.gold < 1 and 0 < habits.paid < 1 and 0 <= habits.still <= 1
        assert set(habits.beyond) == set(guard_study.GUARDS)
    assert cheat.setting in guard_study.repeats_table([cheat]) and cheat.setting in guard_study.guards_table([cheat])


@pytest.mark.slow
def test_the_study_runs_and_resumes(tmp_path, capsys):
    for _ in range(2):
        guard_study.main(timesteps=2048, out=tmp_path)
    written = json.loads((tmp_path / "guard-study.json").read_text())
    assert [h["setting"] for h in written["wide-gap-novel"]] == [f"PPO, {name}" for name in guard_study.GUARDED]
    assert len(written["stiff-stable"]) == 6
    assert (tmp_path / "guard-study.md").read_text().strip() in capsys.readouterr().out
