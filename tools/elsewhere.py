"""The fast tests on other Pythons, and with the oldest versions that pyproject.toml admits.

Each in an environment of its own under .elsewhere/, made once. A Python that this machine lacks is left out and named.

    python -m tools.elsewhere 3.11 3.12 3.13                the versions of constraints.txt (make test-pythons)
    python -m tools.elsewhere --oldest 3.11                 the declared minimum versions (make test-minimum)
    python -m tools.elsewhere 3.12 --tests tests/thermo     in part

torch is taken in its CPU build. Where pip's sources have none for that Python, `--torch-index` names one that has, or
`--cuda` takes the build of the Python Package Index, several GB of CUDA packages included.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from tools.command import run

ROOT = Path(__file__).parent.parent
PLACES = ROOT / ".elsewhere"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def interpreter(version: str) -> str | None:
    """The path of a Python, such as "3.12": on the PATH, or among pyenv's; None if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = sorted(pyenv.glob(f"{version}.*/bin/python"), key=lambda path: _parts(path.parts[-3]))
    return str(kept[-1]) if kept else shutil.which(f"python{version}")


def oldest_versions(extra: str = "dev") -> list[str]:
    """Pins of the lower bound of everything that the package and an extra (and the extras in it) ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    waiting = [*project["dependencies"], f"matenv[{extra}]"]
    bounds: dict[str, str] = {}
    while waiting:
        requirement = waiting.pop()
        if inner := re.fullmatch(r"matenv\[(.*)\]", requirement):
            waiting += [asked for name in inner[1].split(",") for asked in extras[name.strip()]]
        elif found := re.match(r"([A-Za-z0-9._-]+)>=([0-9.]+)", requirement):
            name, version = found.groups()
            bounds[name] = max(bounds.get(name, "0"), version, key=_parts)
    torch = bounds.pop("torch")
    return [f"{name}=={version}" for name, version in sorted(bounds.items())] + [
        f'torch=={torch}+cpu; sys_platform == "linux" and platform_machine == "x86_64"',
        f'torch=={torch}; sys_platform != "linux" or platform_machine != "x86_64"',
    ]


def make(python: str, place: Path, pins: list[str], index: str | None, cuda: bool) -> Path:
    """An environment with the package and its extra `dev`, made if it is not there.

    Args:
        python: Path of the interpreter.
        place: Folder of the environment.
        pins: Lines of a constraints file.
        index: Where else to look for torch.
        cuda: Take torch as the Python Package Index has it.

    Returns:
        The environment's Python.

    Raises:
        OSError: The installation failed.
    """
    own, done = place / "bin" / "python", place / "installed.txt"
    lines = [re.sub(r"^(torch==[0-9.]+)\+cpu", r"\1", pin) if cuda else pin for pin in pins]
    if done.exists() and done.read_text().splitlines() == lines:
        return own
    subprocess.run([python, "-m", "venv", "--clear", str(place)], check=True)
    wanted = place / "constraints.txt"
    wanted.write_text("\n".join(lines) + "\n")
    pip = [str(own), "-m", "pip", "install", "--quiet", "--no-compile", "-c", str(wanted)]
    if subprocess.run([*pip, "torch", *(["--extra-index-url", index] if index else [])]).returncode:
        ways = f"give --torch-index {CPU_INDEX}, or --cuda for the build with CUDA packages"
        raise OSError(f"no CPU build of torch for {own}: {ways}")
    if subprocess.run([*pip, "-e", f"{ROOT}[dev]"], cwd=ROOT).returncode:
        raise OSError(f"the packages could not be installed into {place}")
    done.write_text("\n".join(lines) + "\n")
    return own


def main(
    pythons: Annotated[list[str], typer.Argument(help="Versions, such as 3.12.")],
    oldest: Annotated[bool, typer.Option(help="The oldest versions that pyproject.toml admits.")] = False,
    tests: Annotated[str, typer.Option(help="Files or folders of tests, apart by spaces.")] = "tests",
    workers: Annotated[int, typer.Option(help="Processes of pytest.")] = 2,
    torch_index: Annotated[str | None, typer.Option(help="Where else pip may look for torch.")] = None,
    cuda: Annotated[bool, typer.Option(help="Take torch with CUDA if need be: several GB.")] = False,
) -> None:
    """Install and test, one Python after another."""
    pins = oldest_versions() if oldest else (ROOT / "constraints.txt").read_text().splitlines()
    ended: dict[str, str] = {}
    for version in pythons:
        if (python := interpreter(version)) is None:
            ended[version] = "left out: there is no such Python on this machine"
            continue
        own = make(python, PLACES / f"{version}{'-oldest' if oldest else ''}", pins, torch_index, cuda)
        own_cache = {"NUMBA_CACHE_DIR": str(own.parent.parent / "numba")}
        command = [str(own), "-m", "pytest", "-n", str(workers), "--dist", "loadfile", "-m", "not slow", *tests.split()]
        failed = subprocess.run(command, cwd=ROOT, env=os.environ | own_cache).returncode
        ended[version] = f"ended with {failed}" if failed else "passed"
    print("\n".join(f"Python {version}: {how}" for version, how in ended.items()))
    if any(how.startswith("ended") for how in ended.values()):
        raise typer.Exit(1)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


if __name__ == "__main__":
    run(main)
