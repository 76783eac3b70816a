"""The audit answers for every package or fails; no package is looked up here."""

import json
import sys

import pytest

from tools.audit import installed, look_up, verdict
from tools.licences import licence

VERSIONS = {"numpy": "2.4.6", "torch": "2.13.0"}


def saying(answers):
    """Stands in for pip-audit: prints an answer, whatever it is asked."""
    return sys.executable, "-c", f"print({answers!r})"


def test_what_is_asked_for_is_found_with_its_licence():
    versions = installed()
    assert {"numpy", "torch", "pymatgen-core", "stable-baselines3", "pytest"} <= set(versions)
    assert not [version for version in versions.values() if "+" in version]
    assert licence("gymnasium") == "MIT" or "MIT" in licence("gymnasium")


def test_vulnerabilities_and_packages_that_nobody_answers_for_are_failures():
    sound = {"name": "numpy", "version": "2.4.6", "vulns": []}
    bad = {"name": "torch", "version": "2.13.0", "vulns": [{"id": "CVE-1"}, {"id": "CVE-2"}]}
    unknown = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}
    answers = [look_up(VERSIONS, saying(json.dumps({"dependencies": [sound, other]}))) for other in (bad, unknown)]
    assert answers == [{"numpy": [], "torch": ["CVE-1", "CVE-2"]}, {"numpy": [], "torch": None}]
    with pytest.raises(ValueError, match=r"1 with known vulnerabilities: torch \(CVE-1, CVE-2\)"):
        verdict(answers[0])
    with pytest.raises(ValueError, match="of 2 packages not torch could be looked up"):
        verdict(answers[1])
    with pytest.raises(ValueError, match="of 2 packages none could be looked up"):
        verdict(dict.fromkeys(VERSIONS))
    assert verdict({"numpy": []}) == "1 packages looked up, no known vulnerability"


def test_no_answer_is_an_error_with_the_last_line_of_pip_audit():
    with pytest.raises(OSError, match="the vulnerability service gave no answer: ConnectionError: no route"):
        look_up(VERSIONS, (sys.executable, "-c", "import sys; sys.exit('Traceback\\nConnectionError: no route')"))
