"""How predictors are trained, calibrated, distilled and written to files."""
