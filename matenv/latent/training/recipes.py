"""How each latent space is trained."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from matenv.latent.networks import dvae
from matenv.latent.networks.conditional import CONDITIONS, conditional_elbo, small_conditional
from matenv.latent.networks.counts_vae import CountsVAE
from matenv.latent.networks.elawady_vae import ElAwadyVAE
from matenv.latent.networks.generators import small_fractions_gan, small_gan
from matenv.latent.training.adversarial import adam_by_part, adversarial_epoch, inversion, without_critic
from matenv.latent.training.joint import DeepKernelVAE, elbo_with_label, label_only
from matenv.latent.training.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    "vae": Recipe(
        CountsVAE, epochs=220, batch=1024, learning_rate=2e-3, weight_decay=0.02, beta=0.1, beta_warmup=0.25,
        augment=True, oversample=1, bfloat16=True,
    ),
    # The paper trains 2,000 epochs, optimiser unnamed; on this schedule the second half of 600 raises the ELBO by 1 %.
    "vae-elawady": Recipe(
        ElAwadyVAE, epochs=600, batch=1024, learning_rate=2e-3, weight_decay=0.0, beta=1.0, beta_warmup=0.1,
        augment=False, oversample=10, bfloat16=False,
    ),
    "dvae": Recipe(
        dvae.DisentangledVAE, epochs=300, batch=64, learning_rate=3e-3, weight_decay=1e-3, beta=0.1, beta_warmup=0.5,
        augment=True, oversample=1, bfloat16=False, labels=("single_phase",), objective=dvae.objective,
        table=dvae.TABLE,
    ),
    "cvae": Recipe(
        small_conditional, epochs=36, batch=512, learning_rate=2e-3, weight_decay=0.02, beta=0.3, beta_warmup=0.25,
        augment=True, oversample=1, bfloat16=True, labels=tuple(CONDITIONS), objective=conditional_elbo,
    ),
    "wgan-gp": Recipe(
        small_gan, epochs=50, batch=128, learning_rate=4e-4, weight_decay=0.02, beta=1.0, beta_warmup=0.1,
        augment=False, oversample=1, bfloat16=True, objective=inversion, run_epoch=adversarial_epoch,
        optimizer=adam_by_part, finish=without_critic,
    ),
    "dkl-vae": Recipe(
        DeepKernelVAE, epochs=40, batch=1024, learning_rate=1e-3, weight_decay=0.02, beta=0.1, beta_warmup=0.01,
        augment=True, oversample=1, bfloat16=True, labels=("formation_energy",), objective=elbo_with_label,
        prepare=DeepKernelVAE.prepare, optimizer=DeepKernelVAE.optimizer,
    ),
    # What joint training is measured against: the same process on the latent space that it starts from.
    "vae-gp": Recipe(
        partial(DeepKernelVAE, frozen=True), epochs=20, batch=1024, learning_rate=1e-3, weight_decay=0.0, beta=0.1,
        beta_warmup=0.01, augment=False, oversample=1, bfloat16=False, labels=("formation_energy",),
        objective=label_only, prepare=DeepKernelVAE.prepare, optimizer=DeepKernelVAE.optimizer,
    ),
    # Not shipped: the same over real-valued vectors, for comparison (docs/generative.md).
    "wgan-gp-fractions": Recipe(
        small_fractions_gan, epochs=50, batch=128, learning_rate=4e-4, weight_decay=0.02, beta=1.0, beta_warmup=0.1,
        augment=False, oversample=1, bfloat16=False, objective=inversion, run_epoch=adversarial_epoch,
        optimizer=adam_by_part, finish=without_critic,
    ),
}  # fmt: skip
RECIPES["dkl-vae-gap"] = replace(RECIPES["dkl-vae"], labels=("band_gap_pbe",))
RECIPES["vae-gp-gap"] = replace(RECIPES["vae-gp"], labels=("band_gap_pbe",))
"""The latent spaces that can be trained, by name."""
