"""Start of a fresh process with an environment, and memory of many environments, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.measure import Report, timed

GROUP = "environment"

START = """
import gymnasium, matenv, numpy
env = gymnasium.make("MaterialLatent-v0")
env.reset(seed=0)
env.step(env.action_space.sample())
"""

MEMORY = """
import json, sys
import gymnasium, matenv, numpy
from benchmarks.processes import peak_memory, resident_memory
rows = int(sys.argv[1])
small = gymnasium.make_vec("MaterialLatent-v0", num_envs=2)
small.reset(seed=0)
small.step(small.action_space.sample())
before = resident_memory()
envs = gymnasium.make_vec("MaterialLatent-v0", num_envs=rows)
envs.reset(seed=0)
for _ in range(33):  # two episodes: two resets of all rows
    envs.step(envs.action_space.sample())
print(json.dumps([before, peak_memory()]))
"""
"""Memory of a process with models, table and hull loaded, and its peak once it has stepped many environments."""


def measure(report: Report, quick: bool) -> None:
    """Measure both into `report`, once if `quick`."""

    def run(code: str, *arguments: str) -> str:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

    seconds = timed(lambda: run(START), 1 if quick else 5)
    report.add(GROUP, "process start to first step (make, reset, step)", "s", seconds, at_most=3)
    before, peak = json.loads(run(MEMORY, "4096"))
    report.add(GROUP, "4,096 environments: memory above that of two", "MiB", (peak - before) / 2**20, at_most=1024)
    report.add(GROUP, "4,096 environments: peak of the whole process", "MiB", peak / 2**20)


def resident_memory() -> int:
    """Memory of this process now [bytes]."""
    return _memory("VmRSS")


def peak_memory() -> int:
    """Largest memory this process has had [bytes]."""
    return _memory("VmHWM")


def _memory(field: str) -> int:
    """A field of /proc/self/status [bytes]; elsewhere the peak by `resource` stands for both."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
