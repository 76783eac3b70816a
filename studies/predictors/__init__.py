"""Predictors on published folds (docs/predictors.md)."""
