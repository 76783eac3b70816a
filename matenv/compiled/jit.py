"""`njit`: numba's, with compiled code kept on disk that is never stale, never in the way, and never needed.

Numba's own cache looks at the file of a function alone. Compiled code holds more: the functions it calls, which may
stand in other files, and the constants it names. Here the cache is good only while all of these are what they were.
Where no folder can be written to, or a file of the cache is damaged, the code is compiled anew.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba.core.caching import FunctionCache, IndexDataCacheFile, _Cache
from numba.core.dispatcher import Dispatcher

_PACKAGE = __name__.partition(".")[0]


def njit(function: Callable[..., Any] | None = None, /, *, cache: bool = False, **options: Any) -> Any:
    """As `numba.njit`, with `CodeCache` for ``cache=True``.

    Args:
        function: What to compile; None when used with options, as a decorator in brackets.
        cache: Keep the compiled code on disk.
        **options: Numba's.
    """
    if function is None:
        return lambda each: njit(each, cache=cache, **options)
    dispatcher: Any = numba.njit(**options)(function)
    if cache:
        dispatcher._cache = CodeCache(dispatcher)
    return dispatcher


class CodeCache(_Cache):
    """Compiled code on disk, where numba keeps it: `NUMBA_CACHE_DIR`, beside the source, or in the user's own cache.

    Args:
        dispatcher: The compiled function.
    """

    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher = dispatcher
        self._files: Any = None
        self._enabled = True

    @property
    def cache_path(self) -> str | None:
        """Folder of the files; None if none can be written."""
        files = self._open()
        return None if files is None else files.cache_path

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled for a signature, or None."""
        files = self._open()
        if files is None:
            return None
        try:
            return files.load_overload(sig, target_context)
        except Exception:  # a damaged file raises whatever unpickling meets first
            self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled; a full or read-only disk is no reason to stop."""
        files = self._open()
        if files is not None:
            try:
                files.save_overload(sig, data)
            except Exception as error:
                self._files, self._enabled = None, False
                _warn_once(f"{type(error).__name__}: {error}")

    def enable(self) -> None:
        """Use the files."""
        self._enabled = True

    def disable(self) -> None:
        """Neither read nor write the files."""
        self._enabled = False

    def flush(self) -> None:
        """Forget what is kept of this function."""
        files = self._open()
        if files is not None:
            try:
                files.flush()
            except OSError:
                self._enabled = False

    def _open(self) -> Any:
        """The files; found when first needed, once all that the function names is defined."""
        if self._files is None and self._enabled:
            try:
                files: Any = FunctionCache(self._dispatcher.py_func)
            except (RuntimeError, OSError) as error:
                self._enabled = False
                _warn_once(str(error))
                return None
            files._cache_file = IndexDataCacheFile(files.cache_path, files._impl.filename_base, stamp(self._dispatcher))
            self._files = files
        return self._files if self._enabled else None


def stamp(dispatcher: Any) -> str:
    """A digest of everything that goes into the compiled code of a function.

    Args:
        dispatcher: A function compiled by `njit`.

    Returns:
        The digest of its file and options, of those of every compiled function it calls, and of the constants they
        name.
    """
    digest = hashlib.sha256()
    for part in _parts(dispatcher, set()):
        digest.update(part)
        digest.update(b"\0")
    return digest.hexdigest()


def _parts(value: Any, seen: set[int]) -> Iterator[bytes]:
    """What stands for a value that compiled code names, and for all that it names in turn."""
    if isinstance(value, Dispatcher):
        yield _text(value.targetoptions)
        value = value.py_func
    value = getattr(value, "_defn", value)  # of an intrinsic
    if isinstance(value, FunctionType):
        if id(value) not in seen:
            seen.add(id(value))
            yield _source(value.__code__.co_filename)
            for name, named in _named(value):
                yield name.encode()
                yield from _parts(named, seen)
    elif isinstance(value, np.ndarray):
        yield value.dtype.str.encode() + np.ascontiguousarray(value).tobytes()
    elif isinstance(value, bool | int | float | complex | str | bytes | tuple | set | frozenset | np.generic):
        yield _text(value)


def _named(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """The globals, closed-over values and, of this package's modules, attributes that a function names."""
    names = list(dict.fromkeys(_names(function.__code__)))
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            if value.__name__.partition(".")[0] == _PACKAGE:
                yield from ((f"{name}.{other}", getattr(value, other)) for other in names if hasattr(value, other))
        elif value is not None:
            yield name, value
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, cell.cell_contents


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _text(value: Any) -> bytes:
    """The same text in every process: sets and dictionaries in order."""
    if isinstance(value, dict):
        value = sorted((key, _text(each)) for key, each in value.items())
    elif isinstance(value, set | frozenset):
        value = sorted(map(_text, value))
    elif isinstance(value, tuple):
        value = [_text(each) for each in value]
    return repr(value).encode()


@cache
def _source(path: str) -> bytes:
    """Digest of a source file; of its name where there is none (a prompt, a zip file)."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return path.encode()


_warned = False


def _warn_once(reason: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "matenv keeps no compiled code on disk, so every process compiles anew, for a minute or more; set "
            f"NUMBA_CACHE_DIR to a folder that can be written ({reason})",
            RuntimeWarning,
            stacklevel=2,
        )
