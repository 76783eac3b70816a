"""What a predictor is worth on held-out rows, and how fast it is."""
