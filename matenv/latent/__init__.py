"""Latent spaces: continuous spaces whose points stand for compositions, their training and evaluation."""

from matenv.latent.protocol import LatentSpace
from matenv.latent.space import VAESpace
from matenv.latent.store import SHIPPED, load_latent

__all__ = ["SHIPPED", "LatentSpace", "VAESpace", "load_latent"]
