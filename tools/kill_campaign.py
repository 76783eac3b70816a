"""Kills commands at random moments, start-up included, repeats them, and compares with the uninterrupted result.

Command: python -m tools.kill_campaign --kills 15 --out /tmp/kills
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMANDS: dict[str, list[str]] = {
    "train ppo": ["train", "ppo", "--timesteps", "60000", "--no-progress"],
    "train sac": ["train", "sac", "--timesteps", "6000", "--no-progress"],
    "train maskable_ppo": ["train", "maskable_ppo", "--env", "MaterialElements-v0", "--timesteps", "30000",
                           "--no-progress"],
    "train dqn": ["train", "dqn", "--env", "MaterialElements-v0", "--timesteps", "6000", "--no-progress"],
    "demo": ["demo", "--timesteps", "4096", "--no-progress"],
}  # fmt: skip
"""Commands that write, by a name; ``--out`` is added."""

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def run(command: list[str], out: Path, kill_after: float | None, number: int = signal.SIGKILL) -> bool:
    """Run a command, killed after some seconds.

    Returns:
        Whether it ended by itself, without an error.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "matenv.cli", *command, "--out", str(out)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        _, errors = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        process.communicate()
        return False
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{errors}")
    return True


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by its path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def campaign(name: str, kills: int, folder: Path) -> list[str]:
    """Kill one command `kills` times, then let it end.

    Returns:
        The files that differ from those of the uninterrupted run; leftovers of a kill (``.partial``) do not count.
    """
    whole, parts, draws = folder / "whole", folder / "parts", random.Random(0)
    for each in (whole, parts):
        shutil.rmtree(each, ignore_errors=True)
    started = time.perf_counter()
    run(COMMANDS[name], whole, None)
    seconds = time.perf_counter() - started
    for kill in range(kills):
        if run(COMMANDS[name], parts, draws.uniform(0.2, seconds), SIGNALS[kill % len(SIGNALS)]):
            break
    run(COMMANDS[name], parts, None)
    one, two = contents(whole), {k: v for k, v in contents(parts).items() if not k.endswith((".partial", ".part"))}
    return sorted(key for key in one.keys() | two.keys() if one.get(key) != two.get(key))


def main() -> None:
    """Run the campaign over every command, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("runs/kills"))
    parser.add_argument("--only", nargs="*", choices=list(COMMANDS), default=list(COMMANDS))
    given = parser.parse_args()
    for name in given.only:
        differing = campaign(name, given.kills, given.out / name.replace(" ", "-"))
        verdict = f"files differ: {', '.join(differing)}" if differing else "same bytes"
        print(f"{name}: up to {given.kills} kills, {verdict}", flush=True)


if __name__ == "__main__":
    main()
