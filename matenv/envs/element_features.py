"""What observations say about an element."""

from __future__ import annotations

import numpy as np

from matenv import elements as alphabet

FEATURES = np.nan_to_num(
    np.stack(
        [
            alphabet.values("electronegativity") / 4.0,  # Pauling; F is 3.98
            alphabet.values("group") / 18.0,
            alphabet.values("period") / 7.0,
            alphabet.values("mendeleev") / 103.0,
        ],
        axis=1,
    )
).astype(np.float32)
"""Electronegativity, group, period and Mendeleev number (89, 4), each in [0, 1]."""
