"""`StableAgainst`: an objective about what a material is in contact with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from matenv.checks import check_number, check_text
from matenv.elements import INDEX
from matenv.oracle import Assessment
from matenv.thermo.open_hull import check_potentials
from matenv.thermo.reservoirs import NAMES


@dataclass(frozen=True)
class StableAgainst:
    """Does not react with a reservoir: utility is the probability of that.

    Formulas of the reference table are judged by their DFT energies there, so utility is 0 or 1; others by the
    distribution of their predicted formation energy. The hull is the oracle's: a product it does not know cannot form.

    Attributes:
        environment: An element's symbol (``"Li"``: in contact with lithium metal), ``"air"``, ``"water"``
            (`matenv.thermo.reservoirs` says what these leave out), or, with `potentials`, a name of one's own.
        tolerance: Energy [eV per atom of the formula] that the reaction may gain all the same.
        potentials: Chemical potentials [eV/atom against the elements] in place of those the environment's name stands
            for, such as ``{"Li": -2.5}`` for 2.5 V against lithium.

    Examples:
        >>> import matenv
        >>> a = matenv.Oracle(reference="all").assess(["LiF", "Li3N", "Li3PS4"])
        >>> StableAgainst("Li").utility(a).tolist()
        [1.0, 1.0, 0.0]
    """

    environment: str
    tolerance: float = 0.0
    potentials: Mapping[str, float] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        """Check what was given."""
        check_text("StableAgainst: environment", self.environment, "an element, 'air', 'water' or a name of your own")
        if self.potentials is not None:
            check_potentials(self.potentials)
        elif self.environment not in (*INDEX, *NAMES):
            raise ValueError(
                f"StableAgainst: environment={self.environment!r} is unknown; choose an element, {' or '.join(NAMES)}, "
                "or give potentials="
            )
        what = "a number of eV/atom, not negative"
        if check_number("StableAgainst: tolerance", self.tolerance, -np.inf, np.inf, what) < 0:
            raise ValueError(f"StableAgainst: tolerance={self.tolerance} must be {what}")

    @property
    def name(self) -> str:
        """Name of the part."""
        return f"stable_against_{self.environment}"

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Probability that each row does not react (B,); 0 where nothing was predicted."""
        return assessment.prob_no_reaction(self.potentials or self.environment, self.tolerance)
