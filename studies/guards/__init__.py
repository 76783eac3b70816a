"""Which guard of the environments warns where the predictor is wrong, and what agents do with it (docs/guards.md)."""
