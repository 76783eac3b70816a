"""``matenv``: the commands, gathered; explain and version; and how a mistake is answered."""

from __future__ import annotations

import itertools
import json
import shlex
import sys
from typing import Annotated, Any

try:
    import typer
except ImportError:  # pragma: no cover - only without the extra
    sys.exit("The command line needs the extra 'agents': pip install 'matenv[agents]'")

from matenv.cli import agents, benchmark, build, data, latent, predictor


def explain(
    formulas: Annotated[list[str], typer.Argument(help="Formulas, such as LiFePO4.")],
    reference: Annotated[str, typer.Option(help="Phases of the hull: all or train.")] = "all",
    predictor: Annotated[str, typer.Option(help="The proxy; accurate errs least.")] = "default",
    max_atoms: Annotated[
        int | None, typer.Option(min=2, help="Leave phases with more atoms in their formula out of the hull.")
    ] = None,
    own: Annotated[
        list[str] | None,
        typer.Option("--property", help="File of a property of one's own (matenv predictor train --data); repeat."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object for each card.")] = False,
) -> None:
    """Everything known or predicted about formulas: a candidate card for each.

    A formula that cannot be explained is named on stderr, the others are answered, and the exit status is 1.
    """
    from matenv import Oracle, explain

    # A wrong option is one mistake, not one of every formula.
    known = Oracle(reference, predictor=predictor, properties=own or ()).properties
    cards = []
    for formula in formulas:
        try:
            cards.append(explain(formula, reference, predictor, known, max_atoms=max_atoms))
        except ValueError as error:
            print(f"matenv: {error}", file=sys.stderr)
    if as_json:
        print(json.dumps([card.to_dict() for card in cards], indent=2))
    elif cards:
        print("\n\n".join(map(str, cards)))
    if len(cards) < len(formulas):
        raise typer.Exit(1)


def version() -> None:
    """Print the version."""
    import matenv

    print(matenv.__version__)


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reinforcement-learning environments for the inverse design of inorganic materials.",
)
for command in (
    agents.demo, agents.train, agents.tune, agents.evaluate, agents.design, build.build, benchmark.compare,
    benchmark.equal_budget, explain, benchmark.gap, version,
):  # fmt: skip
    app.command()(command)
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(data.app, name="data")
app.add_typer(latent.app, name="latent")
app.add_typer(predictor.app, name="predictor")


INTERRUPTED = 130
"""Exit status after Ctrl-C, as of shells."""


def main() -> None:
    """Run the command line; a user's mistake is one line, not a traceback."""
    _refuse_empty(sys.argv)
    try:
        code = app(prog_name="matenv", standalone_mode=False)
    except (ValueError, TypeError, OSError, ImportError) as error:
        sys.exit(f"matenv: {error}")
    except typer.Abort:
        code = INTERRUPTED
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer keeps the class of what it says of wrong use to itself
            raise
        if message := error.format_message():  # none where help was asked for, and is printed
            print(f"matenv: {message}{_given(error)}{_help(error)}", file=sys.stderr)
        sys.exit(2)
    if code == INTERRUPTED:
        again = shlex.join(["matenv", *sys.argv[1:]])
        print(f"\nmatenv: stopped; a run that keeps what is finished goes on with: {again}", file=sys.stderr)
    sys.exit(code)


def _refuse_empty(words: list[str]) -> None:
    """End where a value is empty, as of a shell's variable that is not set: a path would be the folder at hand."""
    for before, word in itertools.pairwise(words):
        if not word or (word.startswith("--") and word.endswith("=")):
            named = word.removesuffix("=") or before
            sys.exit(f"matenv: {named}='' is empty; give a value after {named}, or leave it out")


def _given(error: Any) -> str:
    """The value that could not be read, where what typer reads values with names it."""
    errors = getattr(error.__cause__, "errors", None)
    return f" (given: {errors()[0]['input']!r})" if errors else ""


def _help(error: Any) -> str:
    return "" if error.ctx is None else f" (see {error.ctx.command_path} --help)"
