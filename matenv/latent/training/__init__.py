"""How latent spaces are trained, distilled and fine-tuned."""
