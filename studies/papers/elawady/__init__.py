"""The paper of El-Awady (arXiv:2401.06779), repeated: ``python -m studies.papers.elawady`` makes the report."""
