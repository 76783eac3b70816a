"""The command line of what runs by ``python -m`` outside the package."""

import importlib
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from tools.command import command, run

ROOT = Path(__file__).parents[2]
MAINS = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for room in ("studies", "tools", "benchmarks")
    for path in sorted((ROOT / room).rglob("*.py"))
    if 'if __name__ == "__main__"' in path.read_text()
]


@pytest.mark.parametrize("module", MAINS)
def test_every_command_explains_itself(module):
    result = CliRunner().invoke(command(importlib.import_module(module).main), ["--help"])
    assert result.exit_code == 0 and result.output.startswith("Usage: ")
    assert f"python -m {module.removesuffix('.__main__')}" in " ".join(result.output.split())


def greet(name: str, times: Annotated[int, typer.Option(help="How often.")] = 1) -> None:
    if times < 0:
        raise ValueError(f"times={times} must not be negative")
    print(f"hello {name} " * times)


@pytest.mark.parametrize(
    ("words", "code"),
    [(["you"], 0), (["you", "--times", "-1"], "error: times=-1 must not be negative"), (["you", "--time", "1"], 2)],
)
def test_a_mistake_is_one_line(words, code, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["greet", *words])
    with pytest.raises(SystemExit) as stopped:
        run(greet)
    assert stopped.value.code == code
    assert ("hello you" in capsys.readouterr().out) == (code == 0)
