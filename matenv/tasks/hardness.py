"""`Hardness`: an objective worked out from both predicted moduli."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv.oracle import Assessment
from matenv.tasks.objectives import check_finite


@dataclass(frozen=True)
class Hardness:
    """Vickers hardness: utility rises linearly from 0 at `low` to 1 at `high`.

    2 (k^2 G)^0.585 - 3 GPa with Pugh's ratio k = G / K (Chen, Niu, Li & Li, Intermetallics 19, 1275, 2011), of the
    predicted mean moduli. The rule was fitted to polycrystals of strongly bound, brittle compounds; its own error there
    is about a tenth.

    Attributes:
        low: Hardness [GPa] with utility 0; quartz has 12.
        high: With utility 1; cubic boron nitride has 48 and above.
    """

    low: float = 5.0
    high: float = 40.0

    def __post_init__(self) -> None:
        """Check the ends."""
        check_finite("Hardness", low=self.low, high=self.high)
        if not self.low < self.high:
            raise ValueError(f"Hardness: low={self.low} must lie below high={self.high}")

    @property
    def name(self) -> str:
        """Name of the part."""
        return "hardness"

    @property
    def needs(self) -> tuple[str, ...]:
        """Properties that must be predicted."""
        return ("log10_bulk_modulus", "log10_shear_modulus")

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,)."""
        bulk, shear = (10.0 ** assessment.mean[name] for name in self.needs)
        return np.nan_to_num(np.clip((vickers(bulk, shear) - self.low) / (self.high - self.low), 0.0, 1.0))


def vickers(bulk: NDArray[np.float64], shear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vickers hardness (B,) [GPa] from bulk and shear modulus [GPa], as `Hardness` says; soft metals come below 0.

    Examples:
        >>> vickers(np.array([443.0]), np.array([535.5])).round(0).tolist()  # diamond; measured: 96
        [96.0]
    """
    return 2.0 * ((shear / bulk) ** 2 * shear) ** 0.585 - 3.0
