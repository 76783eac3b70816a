import numpy as np
import pytest


@pytest.fixture(scope="session")
def held_out(data):
    """A spread-out sample of the test part, 1,500 rows."""
    rows = data.part("test")
    return data.subset(rows[np.linspace(0, len(rows) - 1, 1500).astype(int)])
