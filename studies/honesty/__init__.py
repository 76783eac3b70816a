"""How far a score can be trusted (docs/honesty.md)."""
