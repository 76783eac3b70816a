import os

import pytest
import torch

os.environ.setdefault("OMP_NUM_THREADS", "2")
torch.set_num_threads(2)


@pytest.fixture(scope="session")
def data():
    from matenv import load_dataset

    return load_dataset("mp-ground-states")


@pytest.fixture(scope="session")
def oracle():
    from matenv import Oracle

    return Oracle("train")
