"""The networks behind the predictors, by family."""
