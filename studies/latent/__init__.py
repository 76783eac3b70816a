"""Trials with latent spaces (docs/dkl.md, docs/latent_training.md)."""
