import os

import pytest
import torch

os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)  # many small batches: more threads only wait for each other


@pytest.fixture(autouse=True)
def one_thread():
    """Whatever a test sets, the next one has one thread again."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data():
    from matenv import load_dataset

    return load_dataset("mp-ground-states")


@pytest.fixture(scope="session")
def oracle():
    from matenv import Oracle

    return Oracle("train")
