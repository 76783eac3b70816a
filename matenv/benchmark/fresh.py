"""Copies of methods: every run begins from the method as it was given, every problem of a test from the training's end.

`copy.deepcopy` takes functions for constants. A policy's `learn` mostly is one, and what it trains is a variable that
it names: so such functions are copied with the variables that they name, as parts of the same copy.
"""

from __future__ import annotations

import copy
import dis
import gc
import sys
from collections.abc import Iterator
from functools import partial
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, TypeVar

T = TypeVar("T")

_SPACES = "matenv.benchmark.fresh"
"""Key of a copy's variables of modules in deepcopy's memo; its own keys are numbers."""


def fresh(method: T, said: str, why: str = "every run begins from it as it was given") -> T:
    """A copy that shares nothing that can change.

    Args:
        method: The method.
        said: What it is called in messages, such as ``"method='mine:trained'"``.
        why: Why it is copied.

    Returns:
        The copy.

    Raises:
        ValueError: A part of it cannot be copied.
    """
    try:
        return copy.deepcopy(method)
    except Exception:  # an agent of Stable-Baselines3, which can be copied with some care
        pass
    try:
        return copy.deepcopy(method, _eased(method))
    except Exception as error:  # whatever the objects that it holds say
        raise ValueError(
            f"{said} cannot be copied ({type(error).__name__}: {error}), and {why}; give a class, or a factory "
            "'def make(seed)' that makes it, and let it hold nothing that cannot be copied, such as open files or locks"
        ) from error


def copied(value: Any, memo: dict[int, Any]) -> Any:
    """As `copy.deepcopy`; a function that is not of an installed package with the variables that it names.

    Args:
        value: What to copy.
        memo: Of `copy.deepcopy`: what is in several places is copied once.

    Returns:
        The copy; functions of installed packages, this one included, as they are.
    """
    if isinstance(value, partial):
        given = copy.deepcopy((value.args, value.keywords), memo)
        return partial(copied(value.func, memo), *given[0], **given[1])
    if not isinstance(value, FunctionType) or _is_library(value.__module__):
        return copy.deepcopy(value, memo)
    if id(value) in memo:
        return memo[id(value)]
    cells = tuple(CellType() for _ in value.__closure__ or ())
    space = _space(value, memo)
    twin = FunctionType(value.__code__, space, value.__name__, value.__defaults__, cells or None)
    memo[id(value)] = twin  # first, for a function may name itself
    twin.__defaults__ = copy.deepcopy(value.__defaults__, memo)
    twin.__kwdefaults__ = copy.deepcopy(value.__kwdefaults__, memo)
    twin.__dict__.update({name: copied(each, memo) for name, each in vars(value).items()})
    twin.__module__, twin.__qualname__, twin.__doc__ = value.__module__, value.__qualname__, value.__doc__
    for own, cell in zip(cells, value.__closure__ or (), strict=True):
        try:
            own.cell_contents = copied(cell.cell_contents, memo)
        except ValueError:  # an empty cell: a variable that was never set
            continue
    for name in _names(value.__code__):
        if name in value.__globals__ and not _is_import(value.__globals__[name], value.__globals__):
            space[name] = copied(value.__globals__[name], memo)
    return twin


def _eased(method: Any) -> dict[int, Any]:
    """Copies, for deepcopy's memo, of what agents of Stable-Baselines3 hold and it cannot copy.

    These are results of a network with their graph, such as the last action distribution, and wrappers of environments,
    which look up every attribute in what they wrap before they have it.
    """
    torch, wrapper = sys.modules.get("torch"), sys.modules.get("stable_baselines3.common.vec_env.base_vec_env")
    memo: dict[int, Any] = {}
    wrappers: list[Any] = []
    seen, found = {id(method)}, [method]
    while found:
        value = found.pop()
        if torch is not None and isinstance(value, torch.Tensor):
            if not value.is_leaf:
                memo[id(value)] = value.detach().clone()
            continue
        if wrapper is not None and isinstance(value, wrapper.VecEnvWrapper):
            memo[id(value)], memo[id(value.class_attributes)] = object.__new__(type(value)), value.class_attributes
            wrappers.append(value)
            seen.add(id(value.class_attributes))
        if isinstance(value, FunctionType):
            held = [each.cell_contents for each in value.__closure__ or () if each != CellType()]
            named = {} if _is_library(value.__module__) else value.__globals__
            held += [named[name] for name in _names(value.__code__) if name in named]
        else:
            held = gc.get_referents(value)
        for each in held:
            if id(each) not in seen and not isinstance(each, ModuleType | type):
                seen.add(id(each))
                found.append(each)
    for each in wrappers:
        vars(memo[id(each)]).update({name: copy.deepcopy(value, memo) for name, value in vars(each).items()})
    return memo


def _space(function: FunctionType, memo: dict[int, Any]) -> dict[str, Any]:
    """The variables of a function's module in this copy, the same for all functions of the module."""
    kept: Any = memo
    spaces = kept.setdefault(_SPACES, {})
    return spaces.setdefault(id(function.__globals__), dict(function.__globals__))


def _names(code: CodeType) -> Iterator[str]:
    """Variables of its module that a function reads or sets, the functions in it included."""
    for step in dis.get_instructions(code):
        if step.opname.endswith(("_GLOBAL", "_NAME")):
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_import(value: Any, space: dict[str, Any]) -> bool:
    """Whether a variable of a module holds what no training changes: a module, a class, a function from elsewhere."""
    return isinstance(value, ModuleType | type) or (isinstance(value, FunctionType) and value.__globals__ is not space)


def _is_library(module: str | None) -> bool:
    """Whether a module is of this package, or installed: its functions are not told from constants."""
    name = str(module)
    file = str(getattr(sys.modules.get(name), "__file__", ""))
    return name == "matenv" or name.startswith("matenv.") or "site-packages" in file
