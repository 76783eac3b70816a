"""`CountsGAN`: a generator of formulas trained against a critic, and an encoder that inverts it.

A Wasserstein GAN with gradient penalty (Gulrajani et al., NeurIPS 2017: five critic steps for each of the generator,
penalty weight 10). The generator is the decoder of a `CountsVAE`: it turns a draw from N(0, I) into a formula, with
counts up to 24, and the critic sees formulas as zeros and ones for each element with each count, as in MATGAN (Dan et
al., npj Comput. Mater. 6, 84, 2020). What the critic says passes back through these steps as if they were the
probabilities behind them; shown the probabilities themselves, a generator kept them vague, and named six elements
where the data have 3.4. In the last fifth of a run the generator is frozen
and the encoder learns to invert it: to give back the z of formulas it generated, and to raise the evidence lower bound
of real ones. So the space has the encoder, the ELBO and the speed of a `CountsVAE`, and its prior is N(0, I).
`FractionsGAN` is the same over real-valued vectors: the generator's output is a softmax over the elements.

May import: `matenv.latent.counts_vae`, `matenv.latent.elawady_vae`, `matenv.latent.epochs`, `matenv.latent.objectives`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matenv import elements as alphabet
from matenv.latent.counts_vae import DECODER, CountsVAE
from matenv.latent.elawady_vae import ElAwadyVAE
from matenv.latent.epochs import Recipe, Shown, mean_record, one_epoch, set_learning_rate
from matenv.latent.objectives import elbo
from matenv.latent.pairs import Pairs

CRITIC_STEPS = 5
"""Steps of the critic for each of the generator (Gulrajani et al.)."""

PENALTY = 10.0
"""Weight of the gradient penalty (Gulrajani et al.)."""

ADVERSARIAL_SHARE = 0.8
"""Share of a run in which critic and generator learn; in the rest the encoder does."""

ENCODER_RATE = 4.0
"""The encoder's learning rate over the generator's."""

GENERATED_COUNT = 24
"""Largest count that is generated; 95.6 % of the embedded table stays within it."""

SOFTNESS = 8.0
"""Log-odds over which the slope of an element's presence is spread; presence itself is a step."""

UNLIKELY = -12.0
"""Log-odds of an element below which its counts are not worked out: it passes on no slope to speak of."""

ABSENT_AT_FIRST = -8.0
"""Mean log-odds of every element before training: formulas of a few elements."""

NEVER = -30.0
"""Log-odds of counts that are not generated."""


class Critic(nn.Module):
    """Wasserstein critic of compositions written as long, mostly empty vectors.

    Args:
        features: Length of the vectors.
        width: Nodes per layer; half as many in the first.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        entrance = width // 2  # a vector has thousands of places, of which a few are taken
        self.table = nn.Parameter(torch.randn(features, entrance) * 0.2)
        self.rest = nn.Sequential(
            nn.SiLU(), nn.Linear(entrance, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)
        )

    def penalty(self, table: Tensor, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
        """Mean of (norm of the gradient - 1)^2 between real and fake vectors.

        The first layer is linear, so its values between the two are known without multiplying again, and the gradient
        with respect to the vectors is the one with respect to these values times the table.

        Args:
            table: The critic's own, in the precision of the others.
            real: First-layer values of real compositions (B, width / 2).
            fake: Likewise of generated ones.
            share: Position between them (B, 1), 0 to 1.
        """
        between = torch.lerp(fake, real, share)
        score = self.rest(between).float().sum()
        (slope,) = torch.autograd.grad(score, between, create_graph=True)
        squared = ((slope @ (table.T @ table)) * slope).float().sum(1)  # of slope @ table.T
        return (squared.clamp(min=1e-12).sqrt() - 1).square().mean()


class CountsGAN(CountsVAE):
    """A `CountsVAE` whose decoder is trained as a generator.

    Args:
        critic: Width of the critic; 0 for none, once training is over.
        sizes: As `CountsVAE`.
    """

    GENERATOR = DECODER

    def __init__(self, critic: int = 0, **sizes: Any) -> None:
        super().__init__(**sizes)
        self.config: dict[str, Any] = {"critic": critic, **self.config}
        self.critic = Critic(alphabet.NUM_ELEMENTS * GENERATED_COUNT, critic) if critic else None
        with torch.no_grad():
            self.head_out.weight[GENERATED_COUNT:] = 0.0
            self.head_out.bias[GENERATED_COUNT:] = NEVER
            self.presence_head.weight.mul_(SOFTNESS)
            self.presence_head.bias.fill_(ABSENT_AT_FIRST)

    def generate(self, z: Tensor) -> Tensor:
        """Formulas as zeros and ones (B, 89 x 24): each element with each count."""
        h = self.trunk(z)
        odds = self.presence_logits(h).float()
        present = (odds > 0).float()
        if torch.is_grad_enabled():
            present = _with_slope_of(torch.sigmoid(odds / SOFTNESS), present)
            row, element = torch.nonzero(odds > UNLIKELY, as_tuple=True)
        else:
            row, element = torch.nonzero(odds > 0, as_tuple=True)
        about = (self.count_in(h) + present @ self.head_set)[row]
        x = torch.addcmul(self.head_shift[element] + about, about, self.head_scale[element])
        x = F.silu(self.head_norm(x))
        if self.head_hidden is not None:
            x = x + F.silu(self.head_hidden(x))
        weight, bias = self.head_out.weight[:GENERATED_COUNT], self.head_out.bias[:GENERATED_COUNT]
        shares = F.linear(x, weight, bias).float().softmax(1)
        counts = _with_slope_of(shares, F.one_hot(shares.argmax(1), GENERATED_COUNT).float())
        listed = present[row, element, None] * counts
        vectors = listed.new_zeros(len(z), alphabet.NUM_ELEMENTS, GENERATED_COUNT)
        return vectors.index_put((row, element), listed).flatten(1)

    def looked_up(self, table: Tensor, pairs: Pairs) -> Tensor:
        """Sum of the table's rows (89 x 24, width) that real compositions name (B, width)."""
        index = pairs.element * GENERATED_COUNT + pairs.count.clamp(max=GENERATED_COUNT) - 1
        return F.embedding_bag(index, table, pairs.offset, mode="sum")


class FractionsGAN(ElAwadyVAE):
    """The same over atom fractions.

    Args:
        critic: As `CountsGAN`.
        sizes: As `ElAwadyVAE`.
    """

    GENERATOR = ("decoder.",)

    def __init__(self, critic: int = 0, **sizes: Any) -> None:
        super().__init__(**sizes)
        self.config: dict[str, Any] = {"critic": critic, **self.config}
        self.critic = Critic(alphabet.NUM_ELEMENTS, critic) if critic else None

    def generate(self, z: Tensor) -> Tensor:
        """Atom fractions (B, 89)."""
        return F.softmax(self.decoder(z), dim=1)

    def looked_up(self, table: Tensor, pairs: Pairs) -> Tensor:
        """The table's rows (89, width) weighted by real compositions' fractions (B, width)."""
        count = pairs.count.float()
        share = count / count.new_zeros(pairs.rows).index_add(0, pairs.row, count)[pairs.row]
        return F.embedding_bag(pairs.element, table, pairs.offset, mode="sum", per_sample_weights=share.to(table.dtype))


def _with_slope_of(smooth: Tensor, step: Tensor) -> Tensor:
    """The step's values with the smooth function's slope (straight-through: Bengio et al., arXiv:1308.3432)."""
    return step + smooth - smooth.detach()


def small_gan() -> CountsGAN:
    """The shipped architecture, untrained."""
    return CountsGAN(
        critic=256, token=128, encoder=256, decoder=160, decoder_inner=192, head=64, head_hidden=False
    )  # fmt: skip


def small_fractions_gan() -> FractionsGAN:
    """Its counterpart over fractions."""
    return FractionsGAN(critic=256, latent=32, width=256, rule="smallest")


def adam_by_part(network: Any, recipe: Recipe) -> torch.optim.Optimizer:
    """Adam with the betas of Gulrajani et al. for critic and generator, and the usual ones for the encoder."""
    parts: dict[str, list[nn.Parameter]] = {"adversarial": [], "encoder": []}
    for name, parameter in network.named_parameters():
        adversarial = name.startswith(("critic.", *network.GENERATOR))
        parts["adversarial" if adversarial else "encoder"].append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parts["adversarial"], "betas": (0.0, 0.9), "weight_decay": 0.0},
            {"params": parts["encoder"], "betas": (0.9, 0.99), "weight_decay": recipe.weight_decay},
        ],
        lr=recipe.learning_rate, fused=True,
    )  # fmt: skip


def adversarial_epoch(
    network: Any, optimizer: torch.optim.Optimizer, shown: Shown, recipe: Recipe, epoch: int, epochs: int,
    random: np.random.Generator,
) -> dict[str, float]:  # fmt: skip
    """One pass over the training rows: of critic and generator, or in the last fifth of the run, of the encoder.

    Args:
        network: A `CountsGAN` or `FractionsGAN` with a critic.
        optimizer: Of `adam_by_part`.
        shown: What to learn from.
        recipe: How.
        epoch: Epochs finished.
        epochs: Length of the run.
        random: Source of all randomness.

    Returns:
        ``distance`` (the critic's estimate, the Wasserstein distance up to a factor), ``penalty`` and ``generated``
        (mean score of what was generated); or what `one_epoch` records.
    """
    last = max(int(ADVERSARIAL_SHARE * epochs), 1)
    generator = [parameter for name, parameter in network.named_parameters() if name.startswith(network.GENERATOR)]
    if epoch >= last:
        for parameter in [*generator, *network.critic.parameters()]:
            parameter.requires_grad_(False)
        settings = replace(recipe, objective=inversion, learning_rate=ENCODER_RATE * recipe.learning_rate)
        return one_epoch(network, optimizer, shown, settings, epoch - last, epochs - last, random)
    noise = torch.Generator().manual_seed(int(random.integers(2**62)))
    order = random.permutation(np.flatnonzero(shown.formulas.counts.max(axis=1) <= GENERATED_COUNT))
    batch = min(recipe.batch, len(order))
    starts = range(0, len(order) - batch + 1, batch)
    records = []
    for step, start in enumerate(starts):
        set_learning_rate(optimizer, recipe.learning_rate, epoch, last, step, len(starts))
        pairs = Pairs.of(shown.formulas[order[start : start + batch]])
        records.append(_critic_step(network, optimizer, pairs, noise, recipe.bfloat16))
        if (epoch * len(starts) + step) % CRITIC_STEPS == CRITIC_STEPS - 1:
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
                fake = network.generate(torch.randn(batch, network.latent, generator=noise))
                loss = -network.critic.rest(fake @ network.critic.table).float().mean()
            optimizer.zero_grad(set_to_none=True)
            # The critic's own gradients are not wanted here, so they are never computed.
            for parameter, slope in zip(generator, torch.autograd.grad(loss, generator), strict=True):
                parameter.grad = slope
            optimizer.step()
    return mean_record(records)


def _critic_step(
    network: Any, optimizer: torch.optim.Optimizer, pairs: Pairs, noise: torch.Generator, bfloat16: bool
) -> dict[str, float]:
    critic = network.critic
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        with torch.no_grad():
            vectors = network.generate(torch.randn(pairs.rows, network.latent, generator=noise))
        table = critic.table.to(torch.bfloat16) if bfloat16 else critic.table
        fake, real = vectors.to(table.dtype) @ table, network.looked_up(table, pairs)
        generated, true = critic.rest(fake).float().mean(), critic.rest(real).float().mean()
        share = torch.rand(pairs.rows, 1, generator=noise).to(table.dtype)
        penalty = critic.penalty(table, real, fake, share)
    optimizer.zero_grad(set_to_none=True)
    (generated - true + PENALTY * penalty).backward()
    optimizer.step()
    return {"distance": (true - generated).item(), "penalty": penalty.item(), "generated": generated.item()}


def inversion(
    network: Any, pairs: Pairs, labels: Tensor, noise: torch.Generator, beta: float
) -> tuple[Tensor, dict[str, float]]:
    """The ELBO of real rows under the frozen generator, and the likelihood of z given what it generates."""
    loss, record = elbo(network, pairs, labels, noise, beta)
    z = torch.randn(pairs.rows, network.latent, generator=noise)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        generated = network.decode(z)
    named = np.flatnonzero(generated.size)  # fractions may all stay below the threshold
    z, (mean, log_variance) = z[named], network.posterior(Pairs.of(generated[named]))
    miss = 0.5 * ((z - mean).square() / log_variance.exp() + log_variance).sum(1).sum() / pairs.rows
    return loss + miss, record | {"inversion": miss.item()}


def without_critic(network: Any) -> nn.Module:
    """The same network, its critic left behind."""
    config = network.config | {"critic": 0}
    lean = type(network)(**config)
    lean.load_state_dict({key: value for key, value in network.state_dict().items() if not key.startswith("critic.")})
    return lean.eval()
