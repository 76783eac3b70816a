"""A method to compare is one file and one registration: `toy_search.py` beside this one is all there is of it."""

import json

import pytest
from typer.testing import CliRunner

from matenv.benchmark.method import METHODS, register, registered
from matenv.cli import app

TOY = "tests.benchmark.toy_search:my_toy"


def test_a_method_from_outside_runs_beside_the_shipped_ones(tmp_path):
    arguments = ["equal-budget", "--method", TOY, "--method", "uniform random formulas", "--budget", "40"]
    result = CliRunner().invoke(app, [*arguments, "--seeds", "2", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert list(summary["estimates"]["40"]) == ["my_toy", "uniform random formulas"]
    assert "| my_toy |" in result.output
    run = json.loads((tmp_path / "my-toy-stiff-stable-40-1000.json").read_text())
    assert run["method"] == "my_toy" and run["measures"]["40"]["calls"] == 40
    assert registered("my_toy") == registered(TOY) == "my_toy"


def test_names_are_checked():
    with pytest.raises(ValueError, match="name='prior sampling' is taken"):
        register("prior sampling", METHODS["evolutionary search"])
    with pytest.raises(ValueError, match="method='luck' is unknown; choose from uniform random formulas, "):
        registered("luck")
    with pytest.raises(ImportError, match="nowhere"):
        registered("nowhere:luck")
