"""`DeepKernel`: a Gaussian process on latent vectors that trains together with what makes the vectors, in gpytorch.

The process is sparse and variational (`matenv.latent.networks.gaussian_process` has its formulas), which lets it learn
from mini-batches. Gradients reach the latent vectors, so that whatever made them becomes part of the kernel (deep
kernel learning: Wilson et al., AISTATS 2016).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from matenv.latent.networks.gaussian_process import JITTER, GaussianProcess

try:
    import gpytorch
except ImportError as error:  # pragma: no cover - only without the extra
    raise ImportError("training a deep kernel needs the extra 'gp': pip install 'matenv[gp]'") from error


class _SparseProcess(gpytorch.models.ApproximateGP):
    """Inducing points, constant mean, Matern 5/2 kernel with a length scale per dimension."""

    def __init__(self, inducing: int, latent: int) -> None:
        distribution = gpytorch.variational.CholeskyVariationalDistribution(inducing)
        points = torch.randn(inducing, latent)
        super().__init__(gpytorch.variational.VariationalStrategy(self, points, distribution))
        self.mean_module = gpytorch.means.ConstantMean()
        self.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.MaternKernel(2.5, ard_num_dims=latent))
        self.covar_module.base_kernel.lengthscale = latent**0.5  # typical distance of two points of N(0, I), halved

    def forward(self, z: Tensor) -> gpytorch.distributions.MultivariateNormal:
        return gpytorch.distributions.MultivariateNormal(self.mean_module(z), self.covar_module(z))


class DeepKernel(nn.Module):
    """A sparse Gaussian process on latent vectors that predicts one property.

    Args:
        latent: Dimension n of the latent vectors.
        inducing: Number of inducing points.
    """

    def __init__(self, latent: int, inducing: int = 256) -> None:
        super().__init__()
        self.process = _SparseProcess(inducing, latent)
        self.likelihood = gpytorch.likelihoods.GaussianLikelihood()
        self.likelihood.noise = 0.5
        self.shift: Tensor
        self.scale: Tensor
        self.number: Tensor
        self.register_buffer("shift", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("number", torch.ones(()))

    @torch.no_grad()
    def prepare(self, z: Tensor, y: Tensor, number: int) -> None:
        """Start from what a sample of the training rows says.

        Inducing points are its first rows; the variational distribution is the best one for the sample under the
        initial kernel, in closed form (Titsias, AISTATS 2009), which saves many small steps.

        Args:
            z: Latent vectors of random training rows (B, n).
            y: Their labels (B,).
            number: Number of all training labels.
        """
        self.shift.copy_(y.mean())
        self.scale.copy_(y.std(correction=0).clamp(min=1e-6))
        self.number.fill_(number)
        strategy, noise = self.process.variational_strategy, self.likelihood.noise.double()
        points, kernel = strategy.inducing_points, self.process.covar_module
        rows = torch.arange(len(points)) % len(z)
        points.copy_(z[rows] + 0.01 * torch.randn(points.shape))  # never two alike: their covariance would be singular
        prior = kernel(points).to_dense().double() + JITTER * torch.eye(len(points))
        across = kernel(points, z).to_dense().double()
        seen = torch.linalg.solve_triangular(torch.linalg.cholesky(prior), across, upper=False) / noise.sqrt()
        covariance = torch.linalg.inv(torch.eye(len(points)) + seen @ seen.T)
        mean = covariance @ seen @ ((y - self.shift) / self.scale).double() / noise.sqrt()
        root = torch.linalg.cholesky(0.5 * (covariance + covariance.T))
        strategy._variational_distribution.variational_mean.copy_(mean)
        strategy._variational_distribution.chol_variational_covar.copy_(root)
        strategy.variational_params_initialized.fill_(1)

    def loss(self, z: Tensor, y: Tensor) -> Tensor:
        """Negative evidence lower bound per label, in nats of the standardised label.

        Args:
            z: Latent vectors (B, n).
            y: Their labels (B,), in the property's unit.
        """
        posterior = self.process(z)
        target = (y - self.shift) / self.scale
        fit = self.likelihood.expected_log_prob(target, posterior).mean()
        return self.process.variational_strategy.kl_divergence() / self.number - fit

    @torch.no_grad()
    def predict(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B,) of the label by gpytorch; `export` predicts the same without it."""
        self.eval()
        prediction = self.likelihood(self.process(z))
        return self.shift + self.scale * prediction.mean, self.scale * prediction.stddev

    @torch.no_grad()
    def export(self, target: str, unit: str) -> GaussianProcess:
        """The process as plain arrays.

        Args:
            target: Name of the property.
            unit: Its unit.
        """
        strategy, kernel = self.process.variational_strategy, self.process.covar_module
        distribution = strategy._variational_distribution
        tensors = (
            strategy.inducing_points, distribution.variational_mean, distribution.chol_variational_covar.tril(),
            kernel.base_kernel.lengthscale[0],
        )  # fmt: skip
        scalars = (
            kernel.outputscale, self.likelihood.noise, self.process.mean_module.constant, self.shift, self.scale
        )  # fmt: skip
        return GaussianProcess(
            target, unit, *(tensor.double().numpy() for tensor in tensors), *(float(value) for value in scalars)
        )
