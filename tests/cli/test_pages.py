"""Commands that pages and cards name are commands that there are, with the options that there are."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer

import matenv
from matenv.cli import app

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "matenv").glob("*/weights/*.md"))]
CARDS = sorted((ROOT / "matenv").glob("*/weights/*.json"))


def understood(text):
    """Whether the command line takes a text, up to running it; a command's bare name is only a mention of it."""
    command, context = typer.main.get_command(app), None
    _, *words = shlex.split(text, comments=True)
    while words and hasattr(command, "commands"):
        name = words.pop(0)
        if name not in command.commands:
            raise ValueError(f"{text}: there is no {name!r}; there are {', '.join(command.commands)}")
        command, context = command.commands[name], command.make_context(name, [], resilient_parsing=True)
    if words:
        command.make_context(command.name, words, parent=context)
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page(page):
    text = page.read_text(encoding="utf-8")
    commands = re.findall(r"`(matenv (?!\w+\.)[^`\n]+)`", text) + re.findall(
        r"^(?:\$ )?(matenv .+)$", text, re.MULTILINE
    )
    assert all(understood(command) for command in commands)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_command_of_a_card(card):
    command = json.loads(card.read_text(encoding="utf-8"))["command"]
    assert not command.startswith("matenv ") or understood(command)


def test_what_there_is_not_is_noticed():
    assert matenv.__version__ and understood("matenv latent train vae --out runs/vae --epochs 3  # a comment")
    for wrong in (
        "matenv latent trian",
        "matenv gap --rewards default",
        "matenv predictor train --epochs many --out x",
    ):
        with pytest.raises(Exception, match="trian|rewards|epochs|integer"):
            understood(wrong)
