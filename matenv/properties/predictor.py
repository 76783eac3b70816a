"""`load_predictor`: composition -> calibrated properties, in batches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from matenv import elements as alphabet
from matenv.checks import check_device
from matenv.compiled.jit import njit
from matenv.composition import CompositionBatch, Compositions, amounts_of, check_fractions, check_packed
from matenv.composition.integers import MAX_ELEMENTS
from matenv.data.dataset import UNITS
from matenv.properties import heads, store
from matenv.properties.distribution import Array, Calibration, CalibrationTable, Prediction
from matenv.properties.sources import Source, source_of

# Noble gases have no compound in the data.
_UNKNOWN = np.zeros(alphabet.NUM_ELEMENTS, dtype=bool)
_UNKNOWN[[alphabet.INDEX[symbol] for symbol in alphabet.ABSENT]] = True


class Predictor:
    """Calibrated properties of compositions. Sees the composition and nothing else.

    Attributes:
        units: Unit of each predicted property.
        energy_scheme: Which energies ``formation_energy`` is meant against; a hull must have the same.
        role: ``"proxy"``, or ``"gold"`` for one that has seen the labels of held-out rows: it may judge what a proxy
            led to, but no reward may use it (`matenv.Oracle` refuses it).

    Examples:
        >>> import matenv
        >>> model = matenv.load_predictor()
        >>> mean, std = model.predict("NaCl")["formation_energy"]  # eV/atom
        >>> mean.shape, std.shape
        ((1,), (1,))
    """

    def __init__(
        self, source: Source, calibrations: Mapping[str, Calibration], energy_scheme: str, role: str = "proxy"
    ) -> None:
        """Calibrate a source.

        Args:
            source: What says something about compositions.
            calibrations: How that becomes a distribution, for each name of `heads.NAMES`.
            energy_scheme: Which energies the source learned.
            role: As the attribute.
        """
        self.units = {name: UNITS[name] for name in heads.NAMES}
        self.energy_scheme, self.role = energy_scheme, role
        self.source = source
        self._calibrations = CalibrationTable(calibrations)

    @classmethod
    def from_weights(
        cls, contents: store.Weights | store.CommitteeFile, device: str | torch.device = "cpu"
    ) -> Predictor:
        """What a file holds, with its calibration.

        Args:
            contents: As `store.read` returns them.
            device: Torch device of the networks.

        Raises:
            ValueError: The weights do not fit the network, or its family is not registered.
        """
        return cls(source_of(contents, device), contents.calibrations, contents.energy_scheme, contents.role)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.source.device

    def predict(self, X: Compositions) -> dict[str, tuple[Array, Array]]:
        """Expected value and standard deviation of every property.

        Args:
            X: Fractions or amounts (B, 89) or (89,), a `CompositionBatch`, a formula, or a list of formulas. The
                scale of a row does not matter: "NaCl" and "Na2Cl2" are the same composition.

        Returns:
            For each name in `units` a pair of arrays (B,), in its unit; B = 1 for a single composition.

        Raises:
            ValueError: As `distribution`.
        """
        prediction = self.distribution(X)
        return {name: (prediction.mean[name], prediction.std[name]) for name in heads.NAMES}

    def prob(self, X: Compositions, name: str, low: ArrayLike | None, high: ArrayLike | None) -> Array:
        """Calibrated probability that a property lies in the closed interval [low, high].

        Args:
            X: As `predict`.
            name: Property, a key of `units`.
            low: Lower end in the property's unit, a number or one per row (B,); None for an open end.
            high: Upper end, likewise.

        Returns:
            Probabilities (B,).

        Raises:
            ValueError: As `distribution`; an unknown property; ``low`` not below ``high``.
        """
        return self.distribution(X).prob(name, low, high)

    def distribution(self, X: Compositions) -> Prediction:
        """Predictive distributions of every property, for any way of writing compositions.

        Args:
            X: As `predict`.

        Returns:
            The distributions, with `cdf`, `prob` and `interval`.

        Raises:
            ValueError: An unreadable formula; a wrong shape; a row with negative, infinite or NaN amounts, that is
                empty, or that holds a noble gas (no data).
        """
        if isinstance(X, CompositionBatch):
            return self.predict_batch(X)
        x = check_fractions(amounts_of(X), "X")
        elements = np.argsort(x == 0.0, axis=1, kind="stable")[:, :MAX_ELEMENTS]
        amounts = np.take_along_axis(x, elements, axis=1)
        return self._predict(np.where(amounts > 0.0, elements, -1), amounts, np.count_nonzero(amounts, axis=1))

    def predict_batch(self, batch: CompositionBatch) -> Prediction:
        """Predictive distributions of integer compositions: the path of the environments' step loop.

        Args:
            batch: B compositions, none of them empty.

        Returns:
            The distributions. On a CPU a row's result does not depend on the other rows, bit for bit; the gold
            predictors and ``"accurate"``, which no step loop uses, hold this to rounding.

        Raises:
            ValueError: A row is empty, holds a noble gas or is no packed composition.
        """
        if not isinstance(batch, CompositionBatch):
            raise ValueError(
                f"batch={str(batch)[:60]!r} must be a CompositionBatch; `predict` takes formulas and amounts"
            )
        check_packed("batch", batch)
        return self._predict(batch.elements, batch.counts, batch.size)

    def uncalibrated(self, batch: CompositionBatch) -> tuple[Array, Array, Array, Array]:
        """What the networks say before calibration; `calibration.fit` starts from it.

        Args:
            batch: B compositions, none of them empty.

        Returns:
            Mean of the members' locations (B, 5), mean of their variances (B, 5), variance between their locations
            (B, 5), and mean of their probabilities of a zero gap (B, 2); a student's guess of them if it is one.

        Raises:
            ValueError: As `predict_batch`.
        """
        check_packed("batch", batch)
        return self._outputs(batch.elements, batch.counts, batch.size)

    def _predict(self, elements: NDArray, amounts: NDArray, size: NDArray) -> Prediction:
        return Prediction(*self._outputs(elements, amounts, size), size, self._calibrations)

    def _outputs(self, elements: NDArray, amounts: NDArray, size: NDArray) -> tuple[Array, Array, Array, Array]:
        # One type for what compiled functions see, so that each of them is compiled once.
        elements, size = np.ascontiguousarray(elements, np.int16), np.ascontiguousarray(size, np.int16)
        amounts = np.ascontiguousarray(amounts, np.float64)
        row = _first_refused(elements, size, _UNKNOWN)
        if row >= 0 and size[row] < 1:
            raise ValueError(f"row {row} is an empty composition; leave such rows out")
        if row >= 0:
            raise ValueError(
                f"row {row} holds one of {', '.join(alphabet.ABSENT)}: the data have no compound of these noble gases, "
                "so nothing can be predicted"
            )
        return self.source(elements, amounts, size)


@njit(cache=True, nogil=True)
def _first_refused(elements: NDArray[np.int16], size: NDArray[np.int16], unknown: NDArray[np.bool_]) -> int:
    """First row that is empty or holds an unknown element, -1 if there is none."""
    for row in range(len(size)):
        if size[row] < 1:
            return row
        for k in range(size[row]):
            if unknown[elements[row, k]]:
                return row
    return -1


def load_predictor(name: str | Path = "default", device: str = "cpu") -> Predictor:
    """Load a property predictor.

    Args:
        name: ``"default"`` for the fast student, ``"ensemble"`` for the networks it was distilled from,
            ``"accurate"`` for the least errors (networks that are told of competing phases and of compounds of like
            elements; slower), ``"statistics"`` for a second family of models, ``"two-family"`` for default and
            statistics together, ``"gold"`` for the judge (a third family, trained on all rows; never in a reward),
            ``"gold-train"`` for the same recipe on train rows. Or the path of a .safetensors file made by
            ``matenv predictor train`` or ``matenv predictor distil``, or of a .json file made by ``matenv predictor
            committee``.
        device: Torch device to compute on.

    Returns:
        The predictor.

    Raises:
        ValueError: Unknown name; a file that is truncated, corrupted or not a predictor; a family that is not
            registered (`families.register`); a committee whose parts have changed since it was calibrated.
        FileNotFoundError: A path that does not exist.
    """
    check_device(device)
    return Predictor.from_weights(store.read(name), device)


def open_predictor(parameter: str, name: str | Path, device: str = "cpu") -> Predictor:
    """As `load_predictor`, for a parameter of another name, which errors quote."""
    try:
        return load_predictor(name, device)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"{parameter}={str(name)!r}: {error}") from None
