"""The networks behind the latent spaces, one file each."""
