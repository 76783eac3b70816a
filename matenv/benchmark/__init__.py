"""The protocol: methods at an equal budget, what they find, and how far a score can be trusted (proxy, gold, truth)."""
