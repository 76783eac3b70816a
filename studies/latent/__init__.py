"""Trials with latent spaces (docs/latent_checks.md, docs/dkl.md)."""
