"""What docs/benchmark.md prints as files and commands is saved and run, with small numbers."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from matenv.benchmark import Result
from matenv.cli import app

PAGE = (Path(__file__).parent.parent.parent / "docs" / "benchmark.md").read_text()
SMALL = {"--budget": "30", "--seeds": "1", "--timesteps": "64"}
FILES = re.findall(r"Save this as `([\w.]+)`:\n\n```python\n(.*?)```\n\n```console\n(.*?)```", PAGE, re.S)


def smaller(line):
    """The words of a command, its numbers replaced; a budget that it leaves to the default is named."""
    words = shlex.split(line)[1:]
    for option, number in SMALL.items():
        if option in words:
            words[words.index(option) + 1] = number
    return [*words, "--budget", SMALL["--budget"]] if words[1:2] == ["run"] and "--budget" not in words else words


def test_every_file_on_the_page_is_run():
    assert [name for name, *_ in FILES] == ["mine.py", "my_module.py"]
    assert len(re.findall("```python\n(?!>>>)", PAGE)) == PAGE.count("```console") == len(FILES)


@pytest.mark.parametrize(("name", "text", "commands"), FILES, ids=[name for name, *_ in FILES])
def test_a_file_of_the_page_runs_as_printed(name, text, commands, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    Path(name).write_text(text)
    try:
        for line in commands.splitlines():
            said = CliRunner().invoke(app, smaller(line), catch_exceptions=False)
            assert said.exit_code == 0, said.output
    finally:
        sys.modules.pop(name.removesuffix(".py"), None)
    methods = re.findall(r"--method (\S+)", commands)
    results = [Result.read(path) for path in Path("runs").glob("*/single-*.json")]
    assert {result.plan.method for result in results} == set(methods) and len(results) == len(methods)
    assert all(len(result.answers[0].formulas) == 30 for result in results)
    assert "board.md" not in commands or "Borides" in Path("runs/mine/board.md").read_text()
