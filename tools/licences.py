"""The licence of every installed package that matenv or one of its extras asks for, as a table.

Command: python -m tools.licences
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any


def needed(name: str = "matenv", extras: bool = True) -> set[str]:
    """Names of the installed packages that a package asks for, and those that they ask for in turn."""
    found: set[str] = set()
    waiting = [(name, extras)]
    while waiting:
        package, optional = waiting.pop()
        try:
            requirements = distribution(package).requires or []
        except PackageNotFoundError:
            continue  # of another platform, or of an extra that is not installed
        found.add(package)
        for requirement in requirements:
            other = re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement)[0]).lower()
            if (optional or "extra ==" not in requirement) and other not in found and other != name:
                waiting.append((other, False))
    return found - {name}


def licence(package: str) -> str:
    """What a package says of its licence, in a line."""
    about: Any = distribution(package).metadata
    said = about.get("License-Expression") or ""
    classifiers = [
        line.split(" :: ")[-1] for line in about.get_all("Classifier") or [] if line.startswith("License ::")
    ]
    return said or ", ".join(classifiers) or (about.get("License") or "not said").partition("\n")[0]


def main() -> None:
    """Print the table."""
    for package in sorted(needed()):
        print(f"{package:28s} {distribution(package).version:18s} {licence(package)}")


if __name__ == "__main__":
    main()
