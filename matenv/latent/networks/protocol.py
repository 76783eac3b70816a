"""`Network`: what a latent space asks of its network; and `register`, by which a new one becomes known.

A latent space of one's own is one file: a subclass of `Network` with `posterior`, `log_likelihood` and `decode`, and
`@register` above it. Training it (`matenv.latent.training.train`), its weights file and the environments then need to
know nothing else; tests/latent/test_registering.py shows one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from matenv.composition import CompositionBatch
from matenv.latent.networks.gaussian_process import GaussianProcess
from matenv.latent.networks.objectives import kl_to_prior
from matenv.latent.networks.pairs import Pairs


class Network(nn.Module):
    """An encoder and a decoder of compositions. Subclasses set `config` and write the three methods without a body.

    Attributes:
        config: Keyword arguments that make the same network again, as a weights file holds them; ``latent`` is among
            them.
        table: Dataset that it is made for: where episodes start, and what metrics are taken on.
        rules: Ways in which decoded fractions become an integer formula, ``config["rule"]`` being the one in use;
            empty for a network that decodes integers.
        label_coordinate: Latent coordinate that holds the log-odds of a yes-or-no label; None if there is none.
        recipe: Name of the recipe by which a trained one goes on learning; None if it is not fine-tuned.
        instead: Then why not, and what to do.
    """

    config: dict[str, Any]
    table: ClassVar[str] = "mp-ground-states"
    rules: ClassVar[tuple[str, ...]] = ()
    label_coordinate: ClassVar[int | None] = None
    recipe: ClassVar[str | None] = None
    instead: ClassVar[str] = ""

    @property
    def latent(self) -> int:
        """Dimension n of the latent space."""
        return self.config["latent"]

    def posterior(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (B, n)."""
        raise NotImplementedError

    def log_likelihood(self, z: Tensor, pairs: Pairs) -> Tensor:
        """Log p(x|z) (B,) in nats."""
        raise NotImplementedError

    def decode(self, z: Tensor) -> CompositionBatch:
        """Most probable formula of each latent vector (B, n)."""
        raise NotImplementedError

    def kl(self, mean: Tensor, log_variance: Tensor, pairs: Pairs) -> Tensor:
        """KL(q(z|x) || p(z)) (B,) in nats; here p(z) = N(0, I), whatever the composition."""
        return kl_to_prior(mean, log_variance)

    @classmethod
    def check_rule(cls, rule: str) -> None:
        """Raise ValueError unless a rule is one of `rules`."""
        if rule not in cls.rules:
            raise ValueError(f"rule={rule!r} must be one of {', '.join(cls.rules)}")

    def with_rule(self, rule: str) -> Network:
        """The same network, weights shared, with another one of `rules`.

        Raises:
            ValueError: Not one of them.
        """
        self.check_rule(rule)
        other = copy(self)
        other.config = {**self.config, "rule": rule}
        return other

    def exported(self, labels: Sequence[str]) -> tuple[Network, GaussianProcess | None]:
        """What becomes of it after training: the network of the weights file, and the process on it if there is one.

        Args:
            labels: Names of the labels that it learnt from.
        """
        return self, None

    def settings(self) -> dict[str, Any]:
        """What its card lists of its making beside the recipe."""
        return {}

    def about(self) -> str:
        """What its card says of it: the docstring of its module."""
        return (sys.modules[type(self).__module__].__doc__ or "").strip()


class Encoder(Protocol):
    """The encoder of a network, compiled."""

    def posterior(self, batch: CompositionBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and log-variance of q(z|x), each (B, n)."""
        ...


class Decoder(Protocol):
    """The decoder of a network, compiled."""

    def decode(self, z: NDArray[np.float32]) -> CompositionBatch:
        """Formula of each latent vector (B, n)."""
        ...


@dataclass(frozen=True)
class Kind:
    """A class of networks, and what is made of one of them.

    Attributes:
        network: The class.
        encoder: Makes the compiled encoder that is used on a CPU; None leaves encoding to torch.
        decoder: Likewise the decoder.
        space: Class of space that wraps it; None for `matenv.latent.VAESpace`.
    """

    network: type[Network]
    encoder: Callable[[Any], Encoder] | None = None
    decoder: Callable[[Any], Decoder] | None = None
    space: type | None = None


N = TypeVar("N", bound=Network)

KINDS: dict[str, Kind] = {}
"""Networks that a weights file may name."""


def register(
    network: type[N],
    *,
    encoder: Callable[[Any], Encoder] | None = None,
    decoder: Callable[[Any], Decoder] | None = None,
    space: type | None = None,
) -> type[N]:
    """Make a class of networks known, so that weights files may name it; also a decorator.

    Args:
        network: The class.
        encoder: As `Kind`.
        decoder: As `Kind`.
        space: As `Kind`.

    Returns:
        The class.

    Raises:
        ValueError: A class of another module has the name.
    """
    former = KINDS.get(network.__name__)
    if former and former.network.__module__ != network.__module__:
        raise ValueError(f"network={network.__name__} is the name of a class in {former.network.__module__}; rename it")
    KINDS[network.__name__] = Kind(network, encoder, decoder, space)
    return network


def kind_of(network: Network) -> Kind:
    """What was registered of a network's very class; nothing compiled if it was not."""
    kind = KINDS.get(type(network).__name__)
    return kind if kind and kind.network is type(network) else Kind(type(network))
