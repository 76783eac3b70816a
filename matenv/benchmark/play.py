"""One method, one problem: ask, assess, tell, until the budget is spent."""

from __future__ import annotations

from typing import Any

from matenv.benchmark.found import Found
from matenv.benchmark.method import Method, Player, Search, find
from matenv.benchmark.moves import Moves
from matenv.benchmark.problem import Problem, packed
from matenv.checks import check_made, check_seed
from matenv.composition import CompositionBatch
from matenv.oracle import Oracle
from matenv.tasks import Task


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
        RuntimeError: A method from outside failed; the error that it raised is its cause.
    """
    if isinstance(method, type) or not isinstance(method, Search | Player):
        raise ValueError(f"method={method!r} has neither ask() nor play(); make one: find('random').factory(0)")
    check_made("problem", problem, Problem, "matenv.benchmark.Problem")
    check_seed("seed", seed)
    if isinstance(method, Player):
        moves = _call(method, "play", problem, seed)
        if moves is not None:
            check_made(f"{type(method).__name__}.play()", moves, Moves, "matenv.benchmark.moves.Moves, or return None")
        return Found.of(problem.oracle, problem.task, moves) if problem.system is None else problem.found()
    _call(method, "begin", problem)
    patience = problem.patience
    while problem.remaining > 0 and patience > 0:
        most = 1 if problem.system is not None else problem.remaining
        batch = _proposed(method, most)
        if not len(batch):
            break
        if len(batch) > most:
            raise ValueError(f"{type(method).__name__}.ask({most}) returned {len(batch)} formulas; return at most n")
        patience -= len(batch)
        _call(method, "tell", batch, problem.assess(batch))
    return problem.found()


def _proposed(method: Method, most: int) -> CompositionBatch:
    """What a method asks for."""
    proposals = _call(method, "ask", most)
    try:
        return packed(proposals)
    except ValueError as error:
        raise ValueError(f"{type(method).__name__}.ask({most}): {error}") from error


def _call(method: Method, name: str, *given: Any) -> Any:
    """Call a part of a method if it has it; of one from outside an error keeps its traceback, and ends nothing else."""
    part = getattr(method, name, None)
    if part is None:
        return None
    try:
        return part(*given)
    except (TypeError, ValueError, SystemExit) as error:
        if type(method).__module__.startswith("matenv.") and isinstance(error, ValueError):
            raise
        raise RuntimeError(f"{type(method).__name__}.{name}() failed: {type(error).__name__}: {error}") from error


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
