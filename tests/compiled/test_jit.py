"""The cache of compiled code: never stale, never in the way."""

import subprocess
import sys
from pathlib import Path

import pytest

CALLEE = """
from matenv.compiled.jit import njit
from constants import FACTOR

@njit(inline="{inline}")
def callee(x):
    return {expression}
"""
CALLER = """
import sys
from matenv.compiled.jit import njit
from callee import callee

@njit(cache=True)
def caller(x):
    return callee(x) + 1

print(caller(2.0), sum(caller._cache._open().load_overload(caller.signatures[0], caller.targetctx) is not None
                       for _ in (0,)) if caller._cache._open() else "uncached", len(caller.stats.cache_hits))
"""


def write(folder: Path, expression: str = "2 * x", factor: int = 1) -> None:
    (folder / "constants.py").write_text(f"FACTOR = {factor}\n")
    (folder / "callee.py").write_text(CALLEE.format(expression=expression, inline="never"))
    (folder / "caller.py").write_text(CALLER)


def run(folder: Path, *prepare: str, **environment: str) -> tuple[list[str], str]:
    """What the caller prints (value, whether it is cached, hits), and its warnings."""
    command = [sys.executable, "-c", ";".join((*prepare, "import caller"))]
    paths = {"PYTHONPATH": f"{folder}:{Path(__file__).parent.parent.parent}", "PATH": "/usr/bin:/bin"}
    said = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=paths | environment)
    assert said.returncode == 0, said.stderr
    return said.stdout.split(), said.stderr


@pytest.mark.slow
def test_an_edit_of_a_callee_or_of_a_constant_is_seen(tmp_path):
    write(tmp_path)
    assert run(tmp_path)[0] == ["5.0", "1", "0"]
    assert run(tmp_path)[0] == ["5.0", "1", "1"]
    write(tmp_path, "10 * x * FACTOR")
    assert run(tmp_path)[0] == ["21.0", "1", "0"]
    write(tmp_path, "10 * x * FACTOR", factor=3)
    assert run(tmp_path)[0] == ["61.0", "1", "0"]


@pytest.mark.slow
def test_a_damaged_cache_is_written_anew(tmp_path):
    write(tmp_path)
    run(tmp_path)
    for kind in ("nbi", "nbc"):
        (damaged,) = (tmp_path / "__pycache__").glob(f"caller.caller-*.{kind}")
        damaged.write_bytes(damaged.read_bytes()[:100])
        assert run(tmp_path)[0] == ["5.0", "1", "0"]
        assert run(tmp_path)[0] == ["5.0", "1", "1"]


@pytest.mark.parametrize("configured", [True, False])
def test_nowhere_to_write_is_one_line(tmp_path, configured):
    write(tmp_path)
    names = "('InTreeCacheLocator', '_InTreeCacheLocator')"  # since numba 0.61, and before
    no_folder = (
        f"from numba.core import caching; [setattr(getattr(caching, name), 'from_function', lambda *_: None) "
        f"for name in {names} if hasattr(caching, name)]"
    )
    home = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere"}
    if configured:
        home["NUMBA_CACHE_DIR"] = str(tmp_path / "cache")
    said, errors = run(tmp_path, no_folder, **home)
    assert said == (["5.0", "1", "0"] if configured else ["5.0", "uncached", "0"])
    assert errors.count("set NUMBA_CACHE_DIR to a folder") == (0 if configured else 1)
