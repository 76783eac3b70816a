"""How far a score can be trusted: proxy, gold and truth."""
