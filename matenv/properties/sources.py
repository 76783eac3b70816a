"""Where a prediction comes from before calibration: the networks of one family, or several families together.

A source maps compositions to a summary, as `heads.combine`: mean location (B, 5), mean variance (B, 5), variance
between models (B, 5), probability of a zero gap (B, 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.compiled.threads import run_blocks
from matenv.composition import MOST_ATOMS, CompositionBatch
from matenv.data.dataset import PARTS
from matenv.properties import families, heads, student
from matenv.properties.labels import ALL, labelled_rows
from matenv.properties.networks.features import pack_amounts
from matenv.properties.networks.references import References
from matenv.properties.store import CommitteeFile, Weights
from matenv.properties.student import Summary

# Rows computed at a time by torch: bounds the memory of the intermediate arrays.
_BLOCK = 1 << 14

# Smallest block of rows worth a thread of its own (about 0.6 ms of work for the student, 2 ms for the ensemble).
_ROWS_PER_THREAD = 128


class Source(Protocol):
    """What a predictor asks."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def __call__(self, elements: NDArray[np.int16], amounts: NDArray[np.float64], size: NDArray[np.int16]) -> Summary:
        """The summary of B compositions, listed as in `features.pack_amounts`."""


class Networks:
    """Networks of one family and shape: an ensemble, or a student that stands for one.

    On a CPU families with a compiled form use it; the others, and other devices, are left to torch.

    Args:
        contents: Their weights.
        device: Torch device they run on.

    Raises:
        ValueError: The weights do not fit the family's network.
    """

    def __init__(self, contents: Weights, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        family, networks = families.find(contents.family), []
        for parameters in contents.members:
            network = families.build(contents.family, contents.outputs, contents.width, contents.layers)
            try:
                network.load_state_dict(parameters)
            except RuntimeError as error:
                raise ValueError(f"the weights do not fit this version of the network: {error}") from None
            networks.append(network.eval().requires_grad_(False))
        self._references = _table(contents.role) if family.needs_references else None
        self._outputs_per_row = contents.outputs
        self._combine = student.decode if contents.outputs == student.OUTPUTS else heads.combine
        compiled = family.compiled if self.device.type == "cpu" else None
        self._fast = compiled(networks) if compiled else None
        self._networks = [] if compiled else [network.to(self.device) for network in networks]

    def __call__(self, elements: NDArray[np.int16], amounts: NDArray[np.float64], size: NDArray[np.int16]) -> Summary:
        """The summary of B compositions; compiled families give a row the same bits whatever the other rows."""
        if self._fast is None:
            return self._combine(self._by_torch(elements, amounts, size), size)
        fast, combine = self._fast, self._combine

        def run(rows: slice) -> Summary:
            return combine(fast(elements[rows], amounts[rows], size[rows]), size[rows])

        parts = run_blocks(run, len(size), _ROWS_PER_THREAD)
        return parts[0] if len(parts) == 1 else tuple(map(np.concatenate, zip(*parts, strict=True)))  # type: ignore[return-value]

    @torch.inference_mode()
    def _by_torch(self, elements: NDArray, amounts: NDArray, size: NDArray) -> NDArray[np.float32]:
        """Outputs of all networks (members, B, outputs)."""
        outputs = np.empty((len(self._networks), len(size), self._outputs_per_row), np.float32)
        for start in range(0, len(size), _BLOCK):
            rows = slice(start, start + _BLOCK)
            told = None
            if self._references is not None:
                told = _told(self._references, elements[rows], amounts[rows], size[rows])
            tokens, order = pack_amounts(elements[rows], amounts[rows], size[rows], told)
            moved = tokens.to(self.device)
            for member, network in enumerate(self._networks):
                outputs[member, start + order] = network(moved).cpu().numpy()
        return outputs


@lru_cache(maxsize=2)
def _table(role: str) -> References:
    """What networks of a role are told: the rows they have fitted."""
    return References(*labelled_rows(ALL if role == "gold" else PARTS[0]))


def _told(references: References, elements: NDArray, amounts: NDArray, size: NDArray) -> NDArray[np.float32]:
    """What the table says of each listed element; of amounts that are no formula, by the nearest integer formula."""
    if (amounts == np.floor(amounts)).all() and amounts.max(initial=0) <= MOST_ATOMS:
        counts = amounts.astype(np.int32)
        return references.describe(CompositionBatch(elements, counts // np.gcd.reduce(counts, axis=1)[:, None], size))
    dense = np.zeros((len(size), alphabet.NUM_ELEMENTS))
    row, place = np.nonzero(elements >= 0)
    dense[row, elements[row, place]] = amounts[row, place]
    formulas = CompositionBatch.from_fractions(dense)
    # A trace may be missing from the formula: elements are matched, not places.
    match = (elements[:, :, None] == formulas.elements[:, None, :]) & (elements >= 0)[:, :, None]
    described = np.take_along_axis(references.describe(formulas), match.argmax(axis=2)[:, :, None], axis=1)
    return np.where(match.any(axis=2)[:, :, None], described, np.float32(0.0))


class Committee:
    """Several sources as one.

    By the law of total variance: what the sources disagree about joins the variance between models, so that no
    distribution is narrow where the families differ.

    Args:
        parts: The sources, two or more, on one device.
        shares: What share each has in the mean; positive, with sum 1.

    Raises:
        ValueError: Fewer than two parts, or shares that do not fit them.
    """

    def __init__(self, parts: Sequence[Source], shares: Sequence[float]) -> None:
        if len(parts) < 2:
            raise ValueError(f"parts holds {len(parts)} sources; a committee needs two or more")
        if len(shares) != len(parts) or min(shares) <= 0 or abs(sum(shares) - 1.0) > 1e-6:
            raise ValueError(f"shares={list(shares)} must be {len(parts)} positive numbers with sum 1, one per part")
        self.device = parts[0].device
        self._parts, self._shares = tuple(parts), np.array(shares, np.float64)

    def __call__(self, elements: NDArray[np.int16], amounts: NDArray[np.float64], size: NDArray[np.int16]) -> Summary:
        """The summary of B compositions."""
        location, within, between, zero = (
            np.stack(said) for said in zip(*(part(elements, amounts, size) for part in self._parts), strict=True)
        )
        mean = self._mean(location)
        return mean, self._mean(within), self._mean(between + (location - mean) ** 2), self._mean(zero)

    def _mean(self, said: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.tensordot(self._shares, said, axes=1)


def source_of(contents: Weights | CommitteeFile, device: str | torch.device = "cpu") -> Source:
    """What a predictor's file holds, ready to be asked.

    Args:
        contents: As `store.read` returns them.
        device: Torch device to compute on.

    Returns:
        The networks of one family, or a committee of such.

    Raises:
        ValueError: As `Networks`.
    """
    parts = [Networks(part, device) for part in contents.parts]
    return Committee(parts, contents.shares) if len(parts) > 1 else parts[0]
