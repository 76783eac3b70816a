"""Policies that read a wish or name the phases of a system: they are told the problem's, and its budget holds."""

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO, SAC
from stable_baselines3.her import HerReplayBuffer

from matenv import Oracle, load_task
from matenv.benchmark import PolicyMethod, Problem, Training, plans, play, run
from matenv.benchmark.policy_envs import make_envs
from matenv.benchmark.systems import PROPOSALS, SystemProblem, stable_phases
from matenv.benchmark.tracks import test_wishes as wishes_of_a_test
from matenv.envs.wishes import WIDTH, Wishes
from matenv.tasks.wishes import Wish
from matenv.wrappers import SB3VecEnv

HERE = "tests.benchmark.test_policy_context"
LATENT, ELEMENTS, SYSTEM = "MaterialLatent-v0", "MaterialElements-v0", "MaterialSystem-v0"
GOALS = ("MaterialLatentGoal-v0", "MaterialElementsGoal-v0")
WISHES = (
    Wish({"band_gap_pbe": (2.0, 0.45)}, ("Zn", "O"), ("Ag", "Pb"), 3),
    Wish({"log10_bulk_modulus": (2.0, 0.1), "band_gap_pbe": (1.5, 0.45)}, ("Hf", "N"), (), None),
)


class Notes(list):
    """What policies were told; copies of a policy write into the same."""

    def __deepcopy__(self, memo):
        return self


SEEN = Notes()


def of(wish, budget=40):
    return Problem(wish.task(), Oracle(budget=budget), wish)


def moves(observation, action_masks=None):
    rows = len(observation["desired_goal"] if isinstance(observation, dict) else observation)
    SEEN.append(observation)
    drawn = np.random.default_rng(len(SEEN))
    if action_masks is None:
        return drawn.uniform(-1, 1, (rows, 32))
    return (drawn.random(action_masks.shape) * action_masks).argmax(axis=1)


goal = PolicyMethod(GOALS[0], moves, rows=4)
flat = PolicyMethod(LATENT, moves, rows=4, wish="draw")


@pytest.fixture(autouse=True)
def seen():
    SEEN.clear()
    return SEEN


@pytest.mark.parametrize("wish", WISHES, ids=str)
@pytest.mark.parametrize("env_id", GOALS)
def test_a_goal_environment_wishes_for_what_the_problem_does_in_every_episode(env_id, wish, seen):
    found = play(PolicyMethod(env_id, moves, rows=3, horizon=2), of(wish))
    assert len(found.formulas) == len(set(found.formulas)) == 40
    wanted = Wishes.of([wish] * 3).vectors()
    assert len(seen) > 4 and all(np.array_equal(each["desired_goal"], wanted) for each in seen)


@pytest.mark.parametrize("env_id", [LATENT, ELEMENTS])
def test_a_flat_observation_holds_the_wish(env_id, seen):
    wish = WISHES[0]
    play(PolicyMethod(env_id, moves, rows=2, horizon=3, wish="draw"), of(wish))
    block = gym.make_vec(env_id, wish="draw").unwrapped.observation_blocks["goal"]  # type: ignore[attr-defined]
    assert all(np.array_equal(each[:, block], Wishes.of([wish] * 2).vectors()) for each in seen)


def test_what_the_environment_pays_is_the_score_of_the_problem():
    for wish in wishes_of_a_test(1000)[:3]:
        problem = of(wish, 2_000)
        envs: Any = make_envs(GOALS[1], problem, 16, {})
        envs.reset(seed=0, options={"formula": f"{wish.required[0]}2{wish.required[1]}3"})
        envs.action_space.seed(0)
        for _ in range(12):
            masks, drawn = envs.unwrapped.action_masks(), np.random.default_rng(envs.unwrapped.core.state.step[0])
            actions = (drawn.random(masks.shape) * masks).argmax(axis=1)
            _, reward, *_, info = envs.step(actions)
            formulas = envs.unwrapped.formulas()
            whole = [row for row, formula in enumerate(formulas) if formula]
            scores = Problem(wish.task(), problem.oracle).assess([formulas[row] for row in whole])
            assert info["score"][whole] == pytest.approx(scores) and reward[whole] == pytest.approx(scores, abs=1e-4)


def test_an_agent_with_hindsight_answers_wishes_from_memory_and_from_a_zip(tmp_path):
    envs = SB3VecEnv(gym.make_vec(GOALS[0], num_envs=2, horizon=4))
    agent = SAC("MultiInputPolicy", envs, replay_buffer_class=HerReplayBuffer, buffer_size=100, seed=0)
    agent.save(tmp_path / "model.zip")
    remembered = play(PolicyMethod(GOALS[0], agent, rows=2), of(WISHES[0]))
    stored = play(PolicyMethod(GOALS[0], tmp_path / "model.zip", algorithm="SAC", rows=2, trust=True), of(WISHES[0]))
    assert stored.formulas == remembered.formulas and len(stored.formulas) == 40


class Reads(torch.nn.Module):
    """A network that reads only the wish."""

    def __init__(self, number):
        super().__init__()
        self.out = torch.nn.Linear(WIDTH, number)

    def forward(self, observation):
        return self.out(observation["desired_goal"])


def test_a_module_reads_the_wish():
    torch.manual_seed(0)
    module = Reads(32)
    one, two = (play(PolicyMethod(GOALS[0], module, rows=2), of(wish)).formulas for wish in WISHES)
    assert one != two


@pytest.mark.parametrize("name", ["goal", "flat"])
def test_the_amortised_track_tells_each_wish(name, seen):
    (plan,) = plans([f"{HERE}:{name}"], "amortised", seeds=1, budget=5, training=1)
    result = run(plan)
    assert len(result.answers) == 20 and all(len(answer.formulas) <= 5 for answer in result.answers)
    assert name == "flat" or all(len(answer.formulas) == 5 for answer in result.answers)  # screened, few formulas pass
    block = gym.make_vec(LATENT, wish="draw").unwrapped.observation_blocks["goal"]  # type: ignore[attr-defined]
    told = {(each["desired_goal"] if name == "goal" else each[:, block])[0].tobytes() for each in seen}
    assert told == {vector.tobytes() for vector in Wishes.of(wishes_of_a_test(plan.seed)).vectors()}


def test_wishes_of_the_training_are_told_too():
    training = Training("amortised", 100)
    wish = training.wish(np.random.default_rng(0))
    assert training.problem(wish).wish == wish
    assert training.problem(training.systems[0]).wish is None


def test_what_does_not_fit_the_problem_is_refused():
    plain = Problem(load_task("stiff-stable"), Oracle(budget=5))
    for method in (PolicyMethod(GOALS[0], moves), PolicyMethod(LATENT, moves, wish="draw")):
        with pytest.raises(ValueError, match="reads a wish.*such a policy is for the track 'amortised'"):
            play(method, plain)
    play(PolicyMethod(GOALS[0], moves, wish=WISHES[0]), plain)  # one wish for all, the user's own
    with pytest.raises(ValueError, match="wish=.*the problem brings its own; give wish='draw'"):
        play(PolicyMethod(GOALS[0], moves, wish=WISHES[0]), of(WISHES[1]))
    with pytest.raises(ValueError, match="oracle=.*the problem brings its own"):
        play(PolicyMethod(LATENT, moves, oracle=Oracle()), plain)
    with pytest.raises(ValueError, match="MaterialSystem-v0 is for the track 'systems'"):
        play(PolicyMethod(SYSTEM, moves), plain)
    with pytest.raises(ValueError, match="env_id='MaterialLatent-v0' does not fit"):
        play(PolicyMethod(LATENT, moves), SystemProblem(("Cr", "O")))
    with pytest.raises(ValueError, match="is not what task='stiff-stable' asks for"):
        Problem(load_task("stiff-stable"), Oracle(budget=5), WISHES[0])


def proposes(observation, reward, info, episode_start):
    SEEN.append((observation.copy(), reward.copy(), info, episode_start.copy()))
    return np.random.default_rng(len(SEEN)).integers(4, size=(1, 4))


system = PolicyMethod(SYSTEM, proposes)


@pytest.mark.parametrize("more", [{}, {"horizon": 3}, {"horizon": 20}, {"rows": 8}, {"info": "numbers"}], ids=str)
def test_proposals_in_a_system_go_to_the_problem(more, seen):
    name = next(s for s, phases in stable_phases("test").items() if len(s) == 2 and len(phases) > 3)
    problem = SystemProblem(name)
    found = play(PolicyMethod(SYSTEM, proposes, **more), problem)
    assert len(found.formulas) == PROPOSALS == len(seen) and problem.remaining == 0 and found.scores.sum() > 0
    assert problem.task.allows(found.compositions).all()  # exactly the elements of the system
    rewards = [each[1][0] for each in seen][1:]
    if "horizon" not in more:  # within one campaign the environment pays what the problem scores
        assert rewards == found.scores[:-1].tolist()
    starts = [bool(each[3][0]) for each in seen]
    assert starts == [step % more.get("horizon", 20) == 0 for step in range(PROPOSALS)]
    blocks = gym.make_vec(SYSTEM, horizon=more.get("horizon", 10)).unwrapped.observation_blocks  # type: ignore[attr-defined]
    assert all(np.array_equal(each[0][:, blocks["system"]], seen[0][0][:, blocks["system"]]) for each in seen)


def test_the_systems_track_runs_a_policy(seen):
    (plan,) = plans([f"{HERE}:system"], "systems", seeds=1, systems=2)
    result = run(plan)
    assert len(result.answers) == 6 and all(len(answer.formulas) == PROPOSALS for answer in result.answers)
    for answer in result.answers:
        assert all(set(answer.name.split("-")) == {*re.findall("[A-Z][a-z]?", f)} for f in answer.formulas)


def test_learning_in_a_system_spends_its_proposals_and_sees_no_other():
    told = []

    def learn(envs, problem):
        envs.reset(seed=0)
        with pytest.raises(ValueError, match="must be the problem's"):
            envs.reset(options={"system": ["Fe", "O"]})
        agent = PPO("MlpPolicy", SB3VecEnv(envs), n_steps=4, batch_size=4, n_epochs=1, seed=0)
        agent.learn(4)
        told.append(problem.remaining)
        while problem.remaining:
            envs.step(np.zeros((1, 4), int))
        with pytest.raises(RuntimeError, match="all 10 proposals are made"):
            envs.step(np.zeros((1, 4), int))

    found = play(PolicyMethod(SYSTEM, proposes, learn=learn), SystemProblem(("Cr", "O")))
    assert told == [6] and len(found.formulas) == PROPOSALS and not SEEN


def test_modules_and_recurrent_agents_name_phases():
    space = gym.make_vec(SYSTEM).single_observation_space
    torch.manual_seed(0)
    module = torch.nn.Linear(space.shape[0], 4 * 12)  # type: ignore[index]
    assert len(set(play(PolicyMethod(SYSTEM, module), SystemProblem(("Cr", "O"))).formulas)) > 3
    agent = RecurrentPPO("MlpLstmPolicy", SB3VecEnv(gym.make_vec(SYSTEM, num_envs=2)), n_steps=8, batch_size=8, seed=0)
    assert len(play(PolicyMethod(SYSTEM, agent), SystemProblem(("Cr", "O"))).formulas) == PROPOSALS
