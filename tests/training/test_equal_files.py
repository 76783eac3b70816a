"""Two equal trainings write equal files: no clock, no path and no order of a dictionary gets into what is learned.

Dates stand on the cards beside the weights. Of agents `tests/agents/test_resuming.py` says the same.
"""

import numpy as np
import pytest
from matenv.agents.formula_policy import pretrain
from matenv.agents.formula_policy.prior import write

import matenv
from matenv.latent.training.distil import distil
from matenv.latent.training.finetune import finetune
from matenv.latent.training.train import train
from matenv.properties.training import distil as students
from matenv.properties.training import train as predictors
from matenv.properties.training.from_table import train_property
from tests.bundle.small import QUICK, columns
from tools.fit_formula_prior import spelled


@pytest.fixture
def quick(monkeypatch):
    """Short measurements: they stand on the cards, which are not compared."""
    for name, value in QUICK.items():
        monkeypatch.setattr(name, value)


@pytest.fixture
def table():
    """Rows of the embedded table, enough for every network."""
    data = matenv.load_dataset("mp-ground-states")
    return data.subset(np.random.default_rng(0).choice(len(data), 800, replace=False), "small")


def _space(name):
    def make(out, table):
        table.to_pandas().to_csv(out.parent / "table.csv", index=False)
        return train(name, out, epochs=1, data=out.parent / "table.csv", progress=False)

    return make


def _lean_space(out, table):
    return distil(_space("vae")(out, table), out / "lean", epochs=1, data=out.parent / "table.csv", progress=False)


def _tuned_space(out, table):
    return finetune("vae", columns(), out, epochs=1, replay=0.0, progress=False)


def _predictor(out, table):
    config = predictors.TrainConfig(members=1, epochs=1, width=4, layers=1, max_rows=100)
    return predictors.train_and_export(out, config)


def _student(out, table):
    config = students.DistilConfig(epochs=1, width=4, layers=1, transfer=64, max_rows=100)
    return students.distil_and_export(out, config)


def _property(out, table):
    return train_property(out, columns(), "heaviness")


def _prior(out, table):
    out.mkdir()
    write(pretrain(spelled(table, "train"), 1, seed=0), out / "prior.safetensors")
    return out / "prior.safetensors"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [_space("vae"), _space("vae-elawady"), _space("cvae"), _space("wgan-gp"), _space("dkl-vae"), _lean_space,
     _tuned_space, _predictor, _student, _property, _prior],
    ids=["vae", "vae-elawady", "cvae", "wgan-gp", "dkl-vae", "lean", "fine-tuned", "predictor", "student", "property",
         "prior"],
)  # fmt: skip
def test_two_equal_trainings_write_equal_bytes(make, table, tmp_path, quick):
    np.random.seed(1)
    one = make(tmp_path / "one", table)
    np.random.seed(2)  # of nobody's concern
    two = make(tmp_path / "two", table)
    assert one != two and one.read_bytes() == two.read_bytes()
