"""The formula policy: exact probabilities, masks without dead ends, and what the shipped prior knows."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matenv.agents.formula_policy import FormulaPolicy, FormulaRules, Sequences, load_prior, pretrain

from matenv import CompositionBatch, fractions, load_dataset
from matenv.elements import SYMBOLS
from matenv.oracle.rivals import compositions
from matenv.tasks import Task

TINY = Task(
    "tiny", "", (), min_elements=1, max_elements=3, max_atoms=6, max_count=4,
    elements=("Li", "Na", "O", "F"), require=("Li|Na", "O|F"),
)  # fmt: skip


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def policy(context=0, width=24, seed=0):
    torch.manual_seed(seed)
    return FormulaPolicy(context, width)


def batch(*formulas):
    return CompositionBatch.from_fractions(fractions(formulas))


def every_formula(task):
    """All reduced formulas that a task allows, by brute force."""
    allowed = np.flatnonzero(task.allowed)
    grid = np.indices((task.max_count + 1,) * len(allowed)).reshape(len(allowed), -1).T
    dense = np.zeros((len(grid), len(SYMBOLS)), int)
    dense[:, allowed] = grid
    found = CompositionBatch.from_counts(dense[grid.sum(axis=1) > 0])
    found = found[found.distinct()]
    return found[np.flatnonzero(task.allows(found))]


def test_probabilities_of_all_formulas_sum_to_one():
    formulas = every_formula(TINY)
    assert len(formulas) > 100
    log_p = policy().log_prob(Sequences.of(formulas), TINY)
    assert float(log_p.exp().sum().detach()) == pytest.approx(1.0, abs=1e-5)


def test_a_sample_has_the_probability_that_it_was_drawn_with():
    net = policy()
    sampled, log_p = net.sample(500, TINY, seeded())
    assert torch.allclose(net.log_prob(sampled, TINY), log_p, atol=1e-4)
    again, _ = net.sample(500, TINY, seeded())
    assert again.compositions().formulas() == sampled.compositions().formulas()


def test_frequencies_are_the_probabilities():
    net = policy()
    sampled, _ = net.sample(20_000, TINY, seeded())
    keys, counts = np.unique(sampled.compositions().keys(), return_counts=True)
    formulas = every_formula(TINY)
    p = net.log_prob(Sequences.of(formulas), TINY).exp().detach().numpy()
    seen = dict(zip(keys.tolist(), (counts / 20_000).tolist(), strict=True))
    frequency = np.array([seen.get(key, 0.0) for key in formulas.keys().tolist()])
    assert np.abs(frequency - p).max() < 5 * np.sqrt(p.max() / 20_000)


COMMON = [s for s in SYMBOLS if Task("any", "", (), exclude=()).allowed[SYMBOLS.index(s)]]


@st.composite
def tasks(draw):
    elements = draw(st.lists(st.sampled_from(COMMON), min_size=3, max_size=8, unique=True))
    fewest = draw(st.integers(1, 3))
    groups = draw(st.lists(st.sampled_from(elements), max_size=3, unique=True))
    most = draw(st.integers(max(fewest, len(groups)), 6))
    least = max(fewest, len(groups))
    return Task(
        "drawn", "", (), min_elements=fewest, max_elements=most, max_atoms=draw(st.integers(least, 20)),
        max_count=draw(st.integers(1, 15)), elements=tuple(elements), exclude=(), require=tuple(groups),
    )  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(task=tasks(), seed=st.integers(0, 1000))
def test_whatever_the_rules_are_samples_obey_them(task, seed):
    sampled, _ = policy(seed=seed).sample(40, task, seeded(seed))
    found = sampled.compositions()
    assert task.allows(found).all()
    # What was spelled was reduced already: no formula has two spellings.
    assert (found.atoms == sampled.counts.sum(dim=1).numpy()).all()


def test_each_row_keeps_to_its_own_rules():
    two = [TINY, Task("pair", "", (), elements=("K", "Cl"), min_elements=2, max_elements=2)]
    rules, which = FormulaRules.of(*two), torch.arange(100) % 2
    found = policy().sample(100, rules, seeded(), rule=which)[0].compositions()
    assert two[0].allows(found[np.arange(0, 100, 2)]).all()
    assert two[1].allows(found[np.arange(1, 100, 2)]).all()


def test_contexts_and_rules_of_rows_that_begin_alike_stay_apart():
    net, generator = FormulaPolicy(context=2), seeded()
    assert net.asked is not None
    torch.nn.init.normal_(net.asked.weight, generator=generator)
    rules = FormulaRules.of(TINY, Task("pair", "", (), elements=("K", "Cl"), min_elements=2, max_elements=2))
    which, contexts = torch.arange(400) % 2, 3 * torch.eye(2)[torch.arange(400) // 2 % 2]
    for context in (contexts, contexts[:1], contexts[0]):
        sampled, log_p = net.sample(400, rules, generator, context, which)
        again = net.log_prob(sampled, rules, context.expand(400, -1), which)
        assert torch.allclose(again, log_p, atol=1e-4)


def test_a_system_is_spelled_with_all_its_elements():
    system = ("Ca", "O", "Ti")
    task = Task("system", "", (), min_elements=3, max_elements=3, elements=system, exclude=())
    candidates = compositions(sorted(SYMBOLS.index(s) for s in system))
    log_p = load_prior().log_prob(Sequences.of(candidates), task)
    assert float(log_p.exp().sum().detach()) == pytest.approx(1.0, abs=1e-4)
    # The most probable compositions of this system hold the perovskite.
    best = candidates[np.argsort(-log_p.detach().numpy())[:5]].formulas()
    assert "CaTiO3" in best


def test_what_the_rules_forbid_has_no_probability():
    log_p = policy().log_prob(Sequences.of(batch("LiF", "KCl")), TINY)
    assert log_p[0] > -20
    assert log_p[1] < -1e8


def test_sequences_begin_with_the_anion_and_come_back():
    formulas = batch("LiFePO4", "NaCl", "Al2O3")
    spelled = Sequences.of(formulas)
    assert spelled.counts[0].tolist()[:4] == [4, 1, 1, 1]
    assert spelled.compositions().formulas() == formulas.formulas()
    with pytest.raises(ValueError, match="at most 6 elements"):
        Sequences.of(batch("Mg17Al12"))


def test_rules_that_leave_nothing_are_refused():
    with pytest.raises(ValueError, match="leaves no formula"):
        FormulaRules.of(Task("none", "", (), min_elements=7, max_elements=8))


def test_training_is_deterministic_and_learns():
    table = load_dataset("mp-ground-states")
    rows = table.part("train")
    batch = table.compositions[rows]
    some = batch[np.flatnonzero((batch.size == 3) & (batch.counts.max(axis=1) <= 12))]
    formulas = Sequences.of(some[:2000])
    first, second = (pretrain(formulas, epochs=2, batch=250, width=32) for _ in range(2))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    task = Task("all", "", (), exclude=(), max_atoms=100)
    assert first.log_prob(formulas[:200], task).mean() > policy(width=32).log_prob(formulas[:200], task).mean() + 1


def test_the_prior_spells_chemistry_and_ignores_a_context_until_trained():
    net, asked = load_prior(), load_prior(context=3)
    two, task = Sequences.of(batch("MgAl2O4", "Mg7Al2O4")), Task("all", "", (), exclude=())
    log_p = net.log_prob(two, task)
    assert log_p[0] > log_p[1] + 5
    assert torch.allclose(asked.log_prob(two, task, context=torch.randn(2, 3)), log_p)
    with pytest.raises(ValueError, match="context is missing"):
        asked.log_prob(two, task)
