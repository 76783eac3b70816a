"""Learning rates as functions of how far a run is."""

import pytest
import torch

from matenv.training.schedule import (
    Moment,
    one_cycle,
    one_cycle_momentum,
    rise_and_fall,
    set_momentum,
    set_rate,
    warm_cosine,
)


@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (1, 5), (3, 7), (10, 2)])
def test_one_cycle_is_that_of_torch_to_the_bit(epochs, steps):
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    kinds = [lambda: torch.optim.AdamW(parameters), lambda: torch.optim.SGD(parameters, momentum=0.9)]
    for make in kinds:
        theirs, ours = make(), make()
        scheduler = torch.optim.lr_scheduler.OneCycleLR(theirs, 3e-3, total_steps=epochs * steps, pct_start=0.15)
        for number in range(epochs * steps):
            at = Moment(number // steps, epochs, number % steps, steps)
            set_rate(one_cycle, 3e-3, at, ours)
            set_momentum(one_cycle_momentum(at), ours)
            for key in ("lr", "betas", "momentum"):
                assert ours.param_groups[0].get(key) == theirs.param_groups[0].get(key)
            theirs.step()
            scheduler.step()


def test_rates_by_hand():
    assert warm_cosine(2.0, Moment(0, 10, 49, 100)) == pytest.approx(2.0 * 50 / 200, rel=0.01)
    assert warm_cosine(2.0, Moment(5, 10, 0, 100)) == pytest.approx(1.0)
    assert rise_and_fall(1.0, Moment(0, 1, 0, 1000)) == 0.04
    assert rise_and_fall(1.0, Moment(0, 1, 50, 1000)) == 1.0
    assert rise_and_fall(1.0, Moment(0, 1, 525, 1000)) == pytest.approx(0.5)


def test_a_group_may_have_a_factor():
    one, other = ({"params": [torch.nn.Parameter(torch.zeros(1))], "factor": factor} for factor in (1.0, 10.0))
    optimizer = torch.optim.AdamW([one, other])
    set_rate(warm_cosine, 1.0, Moment(5, 10, 0, 100), optimizer)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5, 5.0])
