import numpy as np
import pytest
import torch

from matenv.training.muon import Muon, orthogonal


@pytest.fixture(params=[False, True], ids=["float32", "bfloat16"])
def number(request, monkeypatch):
    monkeypatch.setattr("matenv.training.muon.has_bfloat16", lambda: request.param)
    return request.param


@pytest.mark.parametrize("shape", [(3, 8, 32), (2, 32, 8), (1, 16, 16)])
def test_singular_values_become_alike_and_directions_stay(shape, number):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    result = orthogonal(matrices)
    assert result.shape == matrices.shape and result.dtype == torch.float32
    values = torch.linalg.svdvals(result)
    before = torch.linalg.svdvals(matrices)
    assert values[before > 0.1 * before[:, :1]].min() > 0.5 and values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    seen = torch.diagonal(left.mT @ result @ right.mT, dim1=1, dim2=2)  # along the same singular vectors
    assert torch.allclose(seen.sort(descending=True).values, values, atol=0.05 if number else 1e-4)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon to compare with")
def test_steps_are_those_of_torch(number):
    start = [torch.randn(6, 4), torch.randn(4, 6), torch.randn(6, 4)]
    ours, theirs = ([torch.nn.Parameter(matrix.clone()) for matrix in start] for _ in range(2))
    optimizers = [
        Muon(ours, 1e-2, 0.1),
        torch.optim.Muon(theirs, 1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    ]
    random = np.random.default_rng(0)
    for _ in range(5):
        for k in range(len(start)):
            slope = torch.from_numpy(random.normal(size=start[k].shape)).float()
            ours[k].grad, theirs[k].grad = slope.clone(), slope.clone()
        for optimizer in optimizers:
            optimizer.step()
    for first, mine, other in zip(start, ours, theirs, strict=True):
        assert (mine - other).abs().max() < 0.05 * (other - first).abs().max()


def test_vectors_are_refused_and_matrices_without_gradient_stay():
    with pytest.raises(ValueError, match=r"shapes \[\(3,\)\]; Muon moves matrices only"):
        Muon([torch.nn.Parameter(torch.zeros(3))], 1e-3, 0.0)
    matrix = torch.nn.Parameter(torch.ones(2, 2))
    Muon([matrix], 1e-3, 0.1).step()
    assert torch.equal(matrix, torch.ones(2, 2))
