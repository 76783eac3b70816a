"""Matrix products in bfloat16, where the processor has instructions for them.

Elsewhere they would be emulated, and slower than in float32 by far. To see it, with `float32` and `bfloat16`::

    python -m timeit -s "import torch; x = torch.ones(5120, 512, dtype=torch.bfloat16)" "x @ x[:512]"
"""

from __future__ import annotations

from functools import lru_cache

import torch


@lru_cache(maxsize=1)
def has_bfloat16() -> bool:
    """Whether this processor multiplies in bfloat16 (AVX512-BF16, AMX or ARM's BF16), as far as torch can tell."""
    # Older versions of torch cannot.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(value) for name, value in capabilities.items() if "bf16" in name)


def quick_products(wanted: bool = True) -> torch.autocast:
    """A context in which matrix products on the CPU run in bfloat16 if that is faster, else in float32.

    Args:
        wanted: False for float32 on every processor.

    Returns:
        The context. Losses agree to bfloat16's three digits either way; the same seed gives the same bits on
        processors of the same kind alone.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted and has_bfloat16())
