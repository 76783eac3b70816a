"""The kill campaign: no command that writes is left out, and a process dies where it is told to."""

import itertools
import json
import signal
import subprocess
import sys

import pytest

from tests.cli.commands import commands
from tools import kill_campaign
from tools.kill_campaign import Outcome, contents, table
from tools.kill_commands import WRITERS, Writer, make_inputs

WRITES = {"out", "csv"}
"""Parameters that say where to write."""

THREE_FILES = """
import sys
from pathlib import Path
from tools.dying import watch
seen = watch(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
for name in "abc":
    Path(sys.argv[1], name).write_text(name)
print(seen[0])
"""


def test_no_command_that_writes_is_left_out():
    writing = [" ".join(words) for words, command in commands() if WRITES & {each.name for each in command.params}]
    assert [name for name in writing if not any(each.words.startswith(f"{name} ") for each in WRITERS.values())] == []


@pytest.mark.parametrize(("at", "left"), [(0, "abc"), (1, ""), (3, "ab")])
def test_a_process_dies_just_before_a_file_is_changed(tmp_path, at, left):
    given = [sys.executable, "-c", THREE_FILES, str(tmp_path), str(at), str(int(signal.SIGKILL))]
    ended = subprocess.run(given, capture_output=True, text=True)
    assert "".join(sorted(path.name for path in tmp_path.iterdir())) == left
    assert ended.returncode == (-signal.SIGKILL if at else 0) and (at or ended.stdout.strip() == "3")


def test_what_is_compared(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").write_text(
        json.dumps({"date": "today", "score": 1, "reported": {"cpu_seconds": 2}})
    )
    for name in ("a.csv", "study.db", ".b.csv.17.part", ".lock"):
        (tmp_path / name).write_text("x")
    (tmp_path / "card.md").write_text("Good.\nCore-microseconds a row: 58.3\n")
    found = contents(tmp_path, Writer("tune", differing=(("study.db", "holds times"),)))
    assert found == {"a.csv": [b"x"], "card.md": [b"Good.\n"], "run/result.json": {"score": 1, "reported": {}}}


def test_a_command_is_killed_and_compared(tmp_path, monkeypatch):
    """Ends of a stand-in for the command line: it writes a file that a kill must not change."""
    dies, writes = itertools.cycle([True, False]), iter(["right", "right", "right", "wrong"])

    def start(given, out, at=0, number=0, after=None):
        if number:
            return next(dies), ""
        (out / "result").write_text(next(writes, "right"))
        return False, "changes: 1\n"

    monkeypatch.setattr(kill_campaign, "start", start)
    outcome = kill_campaign.uninterrupted("gap", tmp_path, tmp_path)
    kill_campaign.kill("gap", outcome, 3, tmp_path, tmp_path)
    assert outcome.kills == 3 and outcome.signals == {"SIGKILL": 2, "SIGTERM": 1} and outcome.endings >= 2
    assert outcome.differing == ["result"]
    assert "differs: result" in table({"gap": outcome})
    assert "as uninterrupted" in table({"gap": Outcome("matenv gap", 1.0, 1)})


def test_the_table_for_commands_can_be_read(tmp_path):
    from matenv.data import read_table

    make_inputs(tmp_path)
    read = read_table(tmp_path / "table.csv", strict=True)
    assert len(read) == 80 and read.units["heaviness"] == "u" and read.energy_scheme == "mp-legacy-pbe-u"
