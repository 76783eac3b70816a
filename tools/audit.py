"""Licences of all that matenv and its extras ask for, as installed, and known vulnerabilities (``make audit``).

pip-audit looks them up in the Python Package Index. Ends with an error where one has a known vulnerability, and where
one could not be looked up: what nobody has answered for is not sound. Command: python -m tools.audit
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from tools import licences
from tools.command import run

COMMAND = (
    sys.executable,
    "-m",
    "pip_audit",
    "--no-deps",
    "--disable-pip",
    "--format",
    "json",
    "--progress-spinner",
    "off",
)


def installed() -> dict[str, str]:
    """Version by name. Without local parts, which no index knows: 2.13.0+cpu is looked up as 2.13.0."""
    return {name: distribution(name).version.partition("+")[0] for name in sorted(licences.needed())}


def look_up(versions: dict[str, str], command: tuple[str, ...] = COMMAND) -> dict[str, list[str] | None]:
    """Known vulnerabilities.

    Args:
        versions: Version by name.
        command: pip-audit, to which ``-r FILE`` is added.

    Returns:
        Of each package its vulnerabilities by their names; None where the index answered nothing.

    Raises:
        OSError: pip-audit gave no answer at all.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "requirements.txt"
        asked.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
        ended = subprocess.run([*command, "-r", str(asked)], capture_output=True, text=True, check=False)
    try:
        answers = json.loads(ended.stdout)["dependencies"]
    except ValueError:
        lines = ended.stderr.strip().splitlines() or [f"it ended with {ended.returncode} and no words"]
        raise OSError(f"the vulnerability service gave no answer: {lines[-1]}") from None
    found: dict[str, list[str] | None] = dict.fromkeys(versions)
    found |= {answer["name"]: [known["id"] for known in answer["vulns"]] for answer in answers if "vulns" in answer}
    return found


def verdict(found: dict[str, list[str] | None]) -> str:
    """A line if all is well.

    Args:
        found: As `look_up` returns it.

    Raises:
        ValueError: A package has a known vulnerability, or could not be looked up.
    """
    bad = [f"{name} ({', '.join(known)})" for name, known in found.items() if known]
    unknown = [name for name, known in found.items() if known is None]
    complaints = [f"{len(bad)} with known vulnerabilities: {', '.join(bad)}"] if bad else []
    if unknown:
        which = "none" if len(unknown) == len(found) else f"not {', '.join(unknown)}"
        why = "the index in use does not answer for vulnerabilities"
        complaints.append(f"of {len(found)} packages {which} could be looked up ({why})")
    if complaints:
        raise ValueError("; ".join(complaints))
    return f"{len(found)} packages looked up, no known vulnerability"


def main() -> None:
    """Print the licences, then look the packages up."""
    licences.main()
    print(verdict(look_up(installed())))


if __name__ == "__main__":
    run(main)
