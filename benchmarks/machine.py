"""The machine that measures: what it is, and how much of it is used."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import time
from pathlib import Path
from typing import Any

PACKAGES = (
    "matenv", "numpy", "scipy", "numba", "torch", "gymnasium", "stable-baselines3", "pymatgen-core", "highspy",
    "scikit-learn", "smact",
)  # fmt: skip
"""Packages whose versions a result file records."""


def use_cores(count: int) -> int:
    """Keep this process and its children to the first `count` processors they may use, so that machines compare.

    Args:
        count: Number of processors.

    Returns:
        How many are used; all there are where the system cannot bind processes.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    os.environ["OMP_NUM_THREADS"] = str(cores())
    return cores()


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def machine() -> dict[str, Any]:
    """Date, command, processor, cores, memory, system and versions."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "command": " ".join([Path(sys.executable).name, *_command()]),
        "processor": _processor(),
        "cores": cores(),
        "cores_present": os.cpu_count(),
        "memory_gib": round(_memory_gib(), 1),
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else [],
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _command() -> list[str]:
    """The command line, with modules and files named instead of their places on this machine."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    script = ["-m", spec.name.removesuffix(".__main__")] if spec is not None else [Path(sys.argv[0]).name]
    return [*script, *(Path(part).name if Path(part).is_absolute() else part for part in sys.argv[1:])]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        if found:
            return found.group(1).replace("(R)", "").replace("(TM)", "").strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return float("nan")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
