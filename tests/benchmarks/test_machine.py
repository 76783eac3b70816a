import sys

from benchmarks.machine import machine


def test_the_command_names_files_and_not_where_they_lie(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["run.py", "hull", "--out", str(tmp_path / "here.json"), "--seeds", "2"])
    assert machine()["command"].endswith("hull --out here.json --seeds 2")
    assert str(tmp_path) not in machine()["command"]
