"""Result files: run, resumed, checked, ranked."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from matenv.benchmark import Result, plans, read_results, run, sweep, validate
from matenv.benchmark.leaderboard import boards, leaderboard
from matenv.cli import app

OWN = "tests.benchmark.own_method:Oxides"
invoke = CliRunner().invoke


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of three methods in the single track, and of one in each of the others."""
    out = tmp_path_factory.mktemp("results")
    sweep(plans(["random", "genetic", OWN], "single", ["stiff-stable", "stable-novel"], 2, 60), out)
    sweep(plans(["random"], "amortised", seeds=1, budget=20, training=1), out)
    sweep(plans(["random"], "systems", seeds=1, systems=4), out)
    return out


def test_honest_results_hold(folder):
    assert len(list(folder.glob("*.json"))) == 14
    assert not [path for path in folder.glob("*.json") if validate(path)]
    result = invoke(app, ["benchmark", "validate", str(folder)])
    assert result.exit_code == 0 and result.output.count("holds") == 14


def altered(folder, tmp_path, name, change):
    content = json.loads((folder / name).read_text())
    change(content)
    path = tmp_path / name
    path.write_text(json.dumps(content))
    return path


SINGLE, WISHES = "single-random-stiff-stable-60-1000.json", "amortised-random-wishes-20-1-1000.json"
SYSTEMS = "systems-random-phases-10-4-1000.json"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (SINGLE, lambda c: c["answers"][0]["scores"].__setitem__(3, 0.9), "1 scores differ; first"),
        (SINGLE, lambda c: c["measures"]["60"].update(gold_hits=7.0), "gold_hits at 60 calls: 7 in the file, 0"),
        (SINGLE, lambda c: c["plan"].update(budget=50), "60 calls, 50 were allowed"),
        (SINGLE, lambda c: c["answers"][0]["formulas"].__setitem__(1, c["answers"][0]["formulas"][0]), "occurs twice"),
        (SINGLE, lambda c: c["answers"][0]["scores"].pop(), "60 formulas and 59 scores"),
        (SYSTEMS, lambda c: c["answers"][0]["scores"].__setitem__(0, 0.5), "1 scores differ"),
        (SYSTEMS, lambda c: c["plan"].update(seed=7), "its problems are not those of track 'systems' with seed 7"),
        (WISHES, lambda c: c["trained_on"].extend(["NaCl", "MgO"]), "training assessed 2 formulas, 1 were allowed"),
    ],
)  # fmt: skip
def test_altered_results_are_refused_and_what_differs_is_named(folder, tmp_path, name, change, message):
    path = altered(folder, tmp_path, name, change)
    assert any(message in wrong for wrong in validate(path)), validate(path)
    result = invoke(app, ["benchmark", "validate", str(path)])
    assert result.exit_code == 1 and "refused" in result.output


def test_a_result_may_begin_with_a_byte_order_mark(folder, tmp_path):
    path = sorted(folder.glob("*.json"))[0]
    marked = tmp_path / path.name
    marked.write_text(path.read_text(), encoding="utf-8-sig")
    assert Result.read(marked) == Result.read(path)


def test_another_protocol_and_other_files_are_refused(folder, tmp_path):
    path = altered(folder, tmp_path, SINGLE, lambda c: c.update(protocol=0))
    with pytest.raises(ValueError, match="protocol=0 is not 2, which this package knows"):
        validate(path)
    path.write_text("[1, 2]")
    with pytest.raises(ValueError, match="is not a result"):
        Result.read(path)
    with pytest.raises(ValueError, match="there are no result files"):
        read_results([tmp_path / "empty.d"] if (tmp_path / "empty.d").mkdir() else [tmp_path / "empty.d"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(measures=[]), r"measures='\[\]' must be an object"),
        (lambda c: c["measures"].update({"60": 5}), r"measures\['60'\] must be an object"),
        (lambda c: c["measures"]["60"].update(gold100="0.1"), r"measures\['60'\]\['gold100'\]='0.1' must be a number"),
        (lambda c: c.update(reported=None), "reported='None' must be an object"),
        (lambda c: c["reported"].update(cpu_seconds="a"), r"reported\['cpu_seconds'\]='a' must be a number"),
        (lambda c: c["plan"].update(track="nope"), "track='nope'"),
        (lambda c: c["plan"].update(systems=5), "systems=5 belongs to track 'systems'"),
        (lambda c: c["plan"].update(method="a|b"), r"method='a\|b' holds '\|', which would break tables"),
        (lambda c: c["answers"][0]["scores"].__setitem__(0, None), r"answers\[0\]: a score=None must be a number"),
        (lambda c: c["answers"][0].update(scores=5), r"answers\[0\]: scores must be a list"),
        (lambda c: c["answers"][0].update(formulas=None), r"answers\[0\]: formulas must be a list of formulas"),
        (lambda c: c.update(answers=[]), "answers must be a list with one entry"),
        (lambda c: c.update(trained_on=[[1]]), "trained_on must be a list of formulas"),
        (lambda c: c.update(protocol=True), "protocol=True is not 2"),
        (lambda c: c.update(date=5), "date=5 must be text"),
        (lambda c: c.pop("date"), "date is missing"), (lambda c: c.update(more=1), "more is no field"),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_kind_is_named_with_its_file(folder, tmp_path, change, message):
    path = altered(folder, tmp_path, SINGLE, change)
    with pytest.raises(ValueError, match=f"{SINGLE} is not a result.*: .*{message}"):
        Result.read(path)
    result = invoke(app, ["benchmark", "validate", str(path), str(folder / WISHES)])
    assert result.exit_code == 1 and "refused" in result.output and "holds" in result.output


def test_results_that_no_table_can_hold_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=f"{SINGLE}: task='nope' is unknown here"):
        read_results([altered(folder, tmp_path, SINGLE, lambda c: c["plan"].update(task="nope"))])
    with pytest.raises(ValueError, match=f"{SINGLE}: measures lack those at 61 calls"):
        read_results([altered(folder, tmp_path, SINGLE, lambda c: c["plan"].update(budget=61))])
    path = altered(folder, tmp_path, SINGLE, lambda c: c["answers"][0]["formulas"].__setitem__(0, "Xx"))
    assert "formula 'Xx' cannot be read" in validate(path)[0]


OWN_SEARCH = """
class Mine:
    def __init__(self, seed): ...
    def ask(self, n):
        return ["HfN", "NaCl"][:n]
"""


def test_a_method_that_was_changed_or_shares_a_file_is_refused(tmp_path):
    (path := tmp_path / "mine.py").write_text(OWN_SEARCH + "class mine(Mine): ...\n")

    def run_of(*names):
        sweep(plans([f"{path}:{name}" for name in names], "single", ["stiff-stable"], 1, 2), tmp_path / "out")

    run_of("Mine")
    run_of("Mine")
    path.write_text(OWN_SEARCH.replace("NaCl", "TiC"))
    with pytest.raises(ValueError, match=r"was made by '.*mine.py:Mine' before its file was changed; remove"):
        run_of("Mine")
    with pytest.raises(ValueError, match="would both be written to single-.*-mine-.*json; rename one"):
        path.write_text(OWN_SEARCH + "class mine(Mine): ...\n")
        run_of("Mine", "mine")


def test_an_error_of_a_method_from_outside_keeps_its_cause(tmp_path):
    (path := tmp_path / "bad.py").write_text(
        OWN_SEARCH + "    def tell(self, batch, scores):\n        raise ValueError('boom')\n"
        "class Made(Mine):\n    def __init__(self, seed):\n        raise TypeError('no')\n"
        "class Ends(Mine):\n    def ask(self, n):\n        raise SystemExit(0)\n"
        "class Plays:\n    def __init__(self, seed): ...\n    def play(self, problem, seed):\n        return 5\n"
    )
    for name, kind, message in (
        ("Mine", RuntimeError, r"Mine.tell\(\) failed: ValueError: boom"),
        ("Made", RuntimeError, "bad.py:Made' failed at seed 1000: TypeError: no"),
        ("Ends", RuntimeError, r"Ends.ask\(\) failed: SystemExit"),
        ("Plays", ValueError, r"Plays.play\(\)='5' must be a Moves"),
    ):
        (plan,) = plans([f"{path}:{name}"], "single", ["stiff-stable"], 1, 2)
        with pytest.raises(kind, match=message):
            run(plan)


def test_random_draws_differ_from_system_to_system(folder):
    answers = Result.read(folder / SYSTEMS).answers
    first = [tuple(answer.compositions.counts[0, : answer.compositions.size[0]].tolist()) for answer in answers[:4]]
    assert len(set(first)) > 1, first


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_killed(tmp_path):
    command = [sys.executable, "-m", "matenv.cli", "benchmark", "run", "--method", "random", "--task", "stiff-stable"]
    command += ["--budget", "50", "--seeds", "3", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("*.json")) and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    goes_on(tmp_path, command[3:])


def test_a_run_goes_on_where_it_was_interrupted(tmp_path, monkeypatch):
    command = ["benchmark", "run", "--method", "random", "--task", "stiff-stable"]
    command += ["--budget", "50", "--seeds", "3", "--out", str(tmp_path)]
    write, left = Result.write, [1]

    def write_or_stop(*arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Result, "write", write_or_stop)
        assert invoke(app, command).exit_code != 0
    assert len(list(tmp_path.glob("*.json"))) == 1
    goes_on(tmp_path, command)


def goes_on(folder, command):
    """The command again: what is there stands, the rest is run, and a file of other settings is refused."""
    first = sorted(folder.glob("*.json"))[0]
    written = first.stat().st_mtime_ns
    result = invoke(app, command)
    assert result.exit_code == 0, result.output
    assert first.stat().st_mtime_ns == written and len(list(folder.glob("*.json"))) == 3
    assert not [path for path in folder.glob("*.json") if validate(path)]
    content = json.loads(first.read_text())
    content["plan"]["training"] = 5
    first.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="holds another run"):
        sweep(plans(["random"], "single", ["stiff-stable"], 3, 50), folder)


def test_seeds_of_a_system_are_no_further_systems(folder):
    once = Result.read(folder / SYSTEMS)
    copies = [replace(once, plan=replace(once.plan, seed=seed)) for seed in range(5)]
    few, many = (boards(each)[0] for each in ([once], copies))
    for measure in ("first", "auc", "recall"):
        assert few.estimate(once.plan.method, measure) == pytest.approx(many.estimate(once.plan.method, measure))


def test_runs_that_left_calls_unspent_are_named(folder):
    whole, *_ = [each for each in read_results([folder]) if each.plan.track == "single"]
    measures = {"60": {**whole.measures["60"], "calls": 55.0}}
    short = replace(whole, plan=replace(whole.plan, seed=99), measures=measures)
    assert "with calls left" not in leaderboard([whole])
    assert f"counts 0 among the best 100: {whole.plan.method} 1 of 2." in leaderboard([whole, short])


@pytest.mark.slow
def test_processes_change_nothing(tmp_path):
    wanted = plans(["genetic"], "single", ["stiff-stable"], 2, 60)
    files = sweep(wanted, tmp_path, processes=2)
    for plan, file in zip(wanted, files, strict=True):
        there, here = Result.read(file), run(plan)
        assert there.answers == here.answers and there.measures == here.measures


def test_a_longer_run_read_off_at_fewer_calls_stands_in_but_replaces_none(folder):
    short, *_ = [each for each in read_results([folder]) if each.plan.track == "single"]
    measures = {name: 0.25 for name in short.measures["60"]}
    plan = replace(short.plan, budget=90)
    long, other = (
        replace(short, plan=replace(plan, seed=seed), measures={"60": measures, "90": measures})
        for seed in (short.plan.seed, 7)
    )
    for results in ([short, long, other], [other, long, short]):
        few = next(board for board in boards(results) if board.calls == "60 calls")
        runs = few.runs[plan.method][plan.task]
        assert runs[short.plan.seed]["gold100"] == short.measures["60"]["gold100"] and runs[7]["gold100"] == 0.25


def test_the_leaderboard_ranks_whoever_made_the_files(folder, tmp_path):
    results = read_results([folder])
    text = leaderboard(results)
    assert [board.track for board in boards(results)] == ["single", "amortised", "systems"]
    single = boards(results)[0]
    assert single.complete() == sorted(single.runs, key=lambda m: -single.estimate(m, "gold100").value)
    better = single.improvement("genetic", "random")
    assert better is not None and 0 <= better.low <= better.value <= better.high <= 1
    for words in (
        "## single, 60 calls",
        "## systems, 10 proposals, 4 of each size",
        "| *random* |",
        "| | *retrieval*, stored, with 1,000 calls |",
        "| | *memory retrieval*, not run |",
    ):
        assert words in text
    assert f"| {OWN} |" in text and "| 1 | " in text
    board = tmp_path / "board.md"
    result = invoke(app, ["benchmark", "leaderboard", str(folder), "--out", str(board)])
    assert result.exit_code == 0 and text in board.read_text() and (tmp_path / "board.png").stat().st_size > 10_000
    partly = [r for r in results if not (r.plan.method == OWN and r.plan.task == "stable-novel")]
    assert f"{OWN} (1 of 2 tasks)" in leaderboard(partly)
    with pytest.raises(ValueError, match="two results of 'random'"):
        path = altered(folder, tmp_path, SINGLE, lambda c: c["measures"]["60"].update(top1=1.0))
        boards([*results, Result.read(path)])


def test_what_there_is_can_be_listed_and_shown(folder):
    said = invoke(app, ["benchmark", "list"]).output
    assert all(word in said for word in ("amortised", "stiff-stable", "genetic", "PPO, latent"))
    assert "best 100 by gold" in invoke(app, ["benchmark", "show", str(folder / SINGLE)]).output
    assert "electronegativity balance; novelty" in invoke(app, ["benchmark", "show", "wide-gap-ionic-novel"]).output
    assert "tracks single, amortised" in invoke(app, ["benchmark", "show", "genetic"]).output
    assert "REINVENT's loss" in invoke(app, ["benchmark", "show", "REINVENT"]).output
    assert "Args:" not in invoke(app, ["benchmark", "show", "screening"]).output


def test_a_task_from_a_file_is_kept_as_the_file_said(tmp_path):
    """Not by where the file lies: changed since, it is another task, and the old result can still be checked."""
    file, out = tmp_path / "mine.yml", tmp_path / "out"
    words = "objectives: [{{kind: Window, property: band_gap_pbe, low: {low}, high: 4}}]\n"
    file.write_text(words.format(low=1))
    (path,) = sweep(plans(["random"], tasks=[file], seeds=1, budget=20), out)
    file.write_text(words.format(low=3))
    assert validate(path) == []
    with pytest.raises(ValueError, match="holds another run"):
        sweep(plans(["random"], tasks=[file], seeds=1, budget=20), out)
    sweep(plans(["random"], tasks=[file], seeds=1, budget=20), tmp_path / "other")
    with pytest.raises(ValueError, match="not the same in all of these results"):
        read_results([out, tmp_path / "other"])
