"""The paper of El-Awady (arXiv:2401.06779), repeated: ``python -m examples.reproductions.elawady`` makes the report."""
