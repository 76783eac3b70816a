"""One method, one problem: ask, assess, tell, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable

from matenv.benchmark.found import Found
from matenv.benchmark.method import Method, Player, Search, find
from matenv.benchmark.problem import Problem, packed
from matenv.checks import check_made, check_seed
from matenv.oracle import Oracle
from matenv.tasks import Task

PATIENCE = 20
"""Proposals per call of the budget, and `SPARE` besides, after which a run that only repeats itself ends."""

SPARE = 1_000


def play(method: Method, problem: Problem, seed: int = 0) -> Found:
    """Run a method on a problem.

    Args:
        method: A search by ask and tell, or what drives itself.
        problem: The problem, fresh.
        seed: Given to what drives itself.

    Returns:
        What was found: in the single and the amortised track distinct formulas, in the systems track every proposal.

    Raises:
        ValueError: More proposals than asked for, or something that is no method, problem or seed.
    """
    if isinstance(method, type) or not isinstance(method, Search | Player):
        raise ValueError(f"method={method!r} has neither ask() nor play(); make one: find('random').factory(0)")
    check_made("problem", problem, Problem, "matenv.benchmark.Problem")
    check_seed("seed", seed)
    if isinstance(method, Player):
        moves = method.play(problem, seed)
        return Found.of(problem.oracle, problem.task, moves)
    getattr(method, "begin", _nothing)(problem)
    tell: Callable[..., object] = getattr(method, "tell", _nothing)
    patience = PATIENCE * problem.budget + SPARE
    while problem.remaining > 0 and patience > 0:
        most = 1 if problem.system is not None else problem.remaining
        batch = packed(method.ask(most))
        if not len(batch):
            break
        if len(batch) > most:
            raise ValueError(f"{type(method).__name__}.ask({most}) returned {len(batch)} formulas; return at most n")
        patience -= len(batch)
        tell(batch, problem.assess(batch))
    return problem.found()


def search(name: str, task: Task, oracle: Oracle, seed: int = 0) -> Found:
    """Run a method by name on a task with an oracle of one's own.

    Args:
        name: As `find`.
        task: What the score is.
        oracle: What pays the score; fresh, with a budget.
        seed: Of the method.

    Returns:
        What was found.

    Raises:
        ValueError: An unknown method, an oracle without a budget or one already used.
    """
    check_made("oracle", oracle, Oracle, "matenv.Oracle(budget=10_000)")
    check_seed("seed", seed)
    if oracle.budget is None or oracle.calls:
        raise ValueError(
            "oracle must be fresh and have a budget, which is the length of the search; Oracle(budget=10_000)"
        )
    return play(find(name).factory(seed), Problem(task, oracle), seed)


def _nothing(*_: object) -> None:
    """In place of a part that a method leaves out."""
