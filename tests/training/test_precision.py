import pytest
import torch

from matenv.training import precision


@pytest.mark.parametrize(
    ("capabilities", "wanted", "number"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, True, torch.float32),
        ({"avx512_bf16": True}, True, torch.bfloat16),
        ({"avx512_bf16": True}, False, torch.float32),
        ({}, True, torch.float32),
    ],
)
def test_products_are_short_only_where_the_processor_has_them(monkeypatch, capabilities, wanted, number):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    precision.has_bfloat16.cache_clear()
    try:
        with precision.quick_products(wanted):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == number
    finally:
        precision.has_bfloat16.cache_clear()


def test_a_torch_that_cannot_tell_means_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    precision.has_bfloat16.cache_clear()
    try:
        assert not precision.has_bfloat16()
    finally:
        precision.has_bfloat16.cache_clear()
