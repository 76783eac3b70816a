import doctest
import importlib
import pkgutil
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import typer

import matenv
from matenv.cli import app
from tools.command import command

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = [m.name for m in pkgutil.walk_packages(matenv.__path__, "matenv.") if not m.name.endswith("__main__")]

ROOMS = ("matenv", "agents", "studies", "tools", "benchmarks", "examples", "tests", "docs")
NAMING = [ROOT / name for name in ("README.md", "CHANGELOG.md", "Makefile", "pyproject.toml")]
NAMING += [
    p for room in ROOMS for kind in ("md", "py", "json", "csv") for p in sorted((ROOT / room).rglob(f"*.{kind}"))
]
"""Whatever names commands and files: pages, cards, results, sources."""


SLOW = {"large_formulas.md", "generative.md", "energies.md"}


@pytest.mark.parametrize(
    "page", [pytest.param(p, marks=pytest.mark.slow) if p.name in SLOW else p for p in PAGES], ids=lambda p: p.name
)
def test_examples_in_pages(page):
    result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


@cache
def spans(path):
    """What stands between backticks, each line of a block by itself, and the commands of JSON files."""
    text = path.read_text()
    found: list[str] = []
    for ticks, span in re.findall(r"(?<!`)(`{1,3})(?!`)(.+?)(?<!`)\1(?!`)", text, re.S) if "`" in text else []:
        found += span.splitlines() if len(ticks) == 3 else [" ".join(span.split())]
    return found + (re.findall(r'"command": "([^"]+)"', text) if '"command": ' in text else [])


@cache
def runs(module):
    """Whether there is something that ``python -m module`` runs."""
    file = ROOT / module.replace("matenv.agents", "agents").replace(".", "/")
    script = file.with_suffix(".py")
    return (file / "__main__.py").is_file() or (script.is_file() and '__name__ == "__main__"' in script.read_text())


@cache
def command_of(module):
    """The parsed command line of a study, tool or benchmark."""
    found = importlib.import_module(module)
    main = found.main if hasattr(found, "main") else importlib.import_module(f"{module}.__main__").main
    return typer.main.get_command(command(main))


def misunderstood(words):
    """What is wrong with ``matenv ...`` or ``python -m ...``, up to running it; a bare name is only a mention of it.

    So is a lone option, as in ``matenv gap --out``: it must exist.
    """
    if words[:1] == ["matenv"]:
        parsed, words = typer.main.get_command(app), words[1:]
    elif words[:2] == ["python", "-m"] and words[2].split(".")[0] in ("studies", "tools", "benchmarks"):
        parsed, words = command_of(words[2]), words[3:]
    else:
        return []
    while hasattr(parsed, "commands") and words and not words[0].startswith("-"):
        if words[0] not in parsed.commands:
            return words[:1]
        parsed, words = parsed.commands[words[0]], words[1:]
    if len(words) == 1 and any(words[0] in each.opts for each in parsed.params):
        return []
    try:
        if words:
            parsed.make_context(parsed.name, list(words))
    except typer.Exit:  # --help
        return []
    except Exception as error:  # whatever the parser says, but for what a page leaves to the reader, such as --out
        return [] if type(error).__name__ == "MissingParameter" else [getattr(error, "message", str(error))]
    return []


@pytest.mark.slow
def test_every_command_named_exists():
    wrong = []
    for path in NAMING:
        text = path.read_text()
        modules = [m for m in re.findall(r"python -m ([\w.]*\w)", text) if m.split(".")[0] in ROOMS]
        wrong += [f"{path.relative_to(ROOT)}: python -m {module}" for module in modules if not runs(module)]
        scripts = re.findall(r"python ([\w/]+\.py)", text)
        wrong += [f"{path.relative_to(ROOT)}: python {name}" for name in scripts if not (ROOT / name).is_file()]
        for span in spans(path):
            if re.match(r"(\$ |\.venv/bin/)?(matenv [a-z]|python -m )", span):
                words = shlex.split(span.removeprefix("$ ").removeprefix(".venv/bin/"), comments=True)
                wrong += [f"{path.relative_to(ROOT)}: {span}: {word}" for word in misunderstood(words)]
    assert not wrong


@cache
def resolves(name):
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            if part in getattr(found, "__annotations__", {}):  # a field without a default
                return True
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_every_name_in_backticks_exists():
    wrong = []
    for path in NAMING:
        named = [re.match(r"((?:matenv|studies|tools|benchmarks)(?:\.\w+)+)(?:\(.*\))?$", s) for s in spans(path)]
        wrong += [f"{path.relative_to(ROOT)}: {name[1]}" for name in named if name and not resolves(name[1])]
    assert not wrong


def test_every_file_named_exists():
    wrong = []
    for path in NAMING:
        named = [s for s in spans(path) if re.fullmatch(rf"({'|'.join(ROOMS)})/[\w./*-]+", s)]
        wrong += [f"{path.relative_to(ROOT)}: {name}" for name in named if not any(ROOT.glob(name.rstrip("/")))]
        if path.suffix == ".md":
            links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
            wrong += [f"{path.relative_to(ROOT)}: {link}" for link in links if not (path.parent / link).exists()]
    assert not wrong
