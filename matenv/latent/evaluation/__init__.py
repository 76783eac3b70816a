"""What a latent space is worth: recovery of held-out formulas, prior samples, smoothness."""
