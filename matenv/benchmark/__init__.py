"""How far a score can be trusted: proxy, gold and truth.

May import: `matenv.data`, `matenv.latent`, `matenv.oracle`, `matenv.properties`, `matenv.stability`, `matenv.tasks`,
`matenv.thermo`.
"""
