"""Training wheels are called so everywhere, and point and retrieval stand beside every result."""

import numpy as np
import pytest
from matenv.agents.equal_budget import equal_budget
from typer.testing import CliRunner

from matenv import load_task
from matenv.benchmark import plans, read_results, sweep
from matenv.benchmark.leaderboard import boards, leaderboard
from matenv.benchmark.references import references
from matenv.benchmark.trivial import trivial_runs, wheel_line
from matenv.cli import app
from matenv.tasks import BENCHMARK, TASKS, TRAINING_WHEELS

METHODS = {"random", "point", "retrieval"}


def rows_of(text, method):
    return [line for line in text.splitlines() if line.startswith(f"| | *{method}*") or f"|  | *{method}* |" in line]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_runs_of_the_trivial_methods_to_show(name):
    found = trivial_runs(TASKS[name], 1_000)
    assert set(found) == METHODS and all(each.calls == 1_000 and len(each.runs) >= 3 for each in found.values())
    known = references(TASKS[name])
    if known is not None:
        for method, value in (("random", known.floor), ("point", known.point), ("retrieval", known.retrieval)):
            assert found[method].mean("gold100") == pytest.approx(value, rel=1e-4)
    assert not trivial_runs(load_task(name, exclude=["H"]), 1_000)  # another task


def test_of_more_calls_only_training_wheels_show_fewer():
    """Of few calls beside many it would flatter; of a training wheel it is still to be seen."""
    assert trivial_runs(TASKS["superhard"], 60)["point"].calls == 1_000
    assert "point" not in trivial_runs(TASKS["superhard"], 10_001)
    for name in TRAINING_WHEELS:
        assert set(trivial_runs(TASKS[name], 10**6)) == METHODS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Short runs of one method."""
    out = tmp_path_factory.mktemp("results")
    sweep(plans(["random"], "single", ["stiff-stable"], 2, 20), out)
    return out


def test_a_leaderboard_of_one_method_has_point_and_retrieval_beside_it(folder):
    text = leaderboard(read_results([folder]))
    line = wheel_line(TASKS["stiff-stable"])
    assert line is not None and line in text and "not run" not in text
    for method in ("point", "retrieval"):
        (row,) = rows_of(text, method)
        found = trivial_runs(TASKS["stiff-stable"], 20)[method]
        assert row.startswith(f"| | *{method}*, stored, with 1,000 calls | ")
        low, high = (f([run["gold100"] for run in found.runs.values()]) for f in (np.min, np.max))
        assert low <= float(row.split("|")[3].split("[")[0]) <= high
    assert len(rows_of(text, "random")) == 1


def test_runs_in_the_folder_replace_stored_ones_task_by_task(folder, tmp_path):
    sweep(plans(["point"], "single", ["stiff-stable"], 1, 20), tmp_path)
    text = leaderboard(read_results([folder, tmp_path]))
    assert rows_of(text, "point") == [row for row in rows_of(text, "point") if "stored" not in row]
    sweep(plans(["random"], "single", ["superhard", "stable-novel"], 1, 20), tmp_path)
    text = leaderboard(read_results([folder, tmp_path]))
    assert "*point* (1 of 3 tasks)" in text and len([r for r in rows_of(text, "point") if "stored" in r]) == 1
    assert "| stiff-stable (training wheel) |" in text and "| superhard |" in text
    (board,) = boards(read_results([folder, tmp_path]))
    assert set(board.runs) == {"random", "point"}  # what is stored is shown, and compared with nothing


def test_a_task_of_ones_own_has_no_stored_runs(tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text("name: stiff-stable\nobjectives: [{kind: Window, property: band_gap_pbe, low: 1, high: 4}]\n")
    sweep(plans(["random"], tasks=[file], seeds=1, budget=20), tmp_path)
    text = leaderboard(read_results([tmp_path]))
    assert "*point*, not run" in text and "training wheel" not in text


def test_training_wheels_are_called_so():
    show = CliRunner().invoke
    for name in TRAINING_WHEELS:
        said = show(app, ["benchmark", "show", name]).output
        assert said.startswith(f"{name}, a training wheel: ") and "beside any result, best 10 / best 100" in said
        assert wheel_line(TASKS[name]) is not None
    for name in BENCHMARK:
        assert "training wheel" not in show(app, ["benchmark", "show", name]).output
        assert wheel_line(TASKS[name]) is None


def test_equal_budget_says_so_on_a_training_wheel(tmp_path, capsys):
    equal_budget(tmp_path, 20, 1, ["stiff-stable"], ["random"])
    said = capsys.readouterr().out
    assert wheel_line(TASKS["stiff-stable"]) in said.splitlines() and "*retrieval*, stored" in said
