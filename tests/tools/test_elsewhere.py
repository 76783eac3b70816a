"""Which Pythons and versions are tested elsewhere agrees with what pyproject.toml declares."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from tools.elsewhere import main, oldest_versions

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in lines
    if not line.startswith("matenv[")
]


def test_every_requirement_has_a_lower_and_an_upper_bound():
    unbounded = [str(asked) for asked in ASKED if not re.search(r"==|>=.*<|<.*>=", str(asked.specifier))]
    assert not unbounded


def test_a_package_asked_for_twice_has_the_same_bounds():
    bounds: dict[str, set[str]] = {}
    for asked in ASKED:
        bounds.setdefault(asked.name, set()).add(str(asked.specifier))
    assert not {name: found for name, found in bounds.items() if len(found) > 1}


def test_what_is_pinned_lies_within_the_bounds():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = {asked.name: next(iter(asked.specifier)).version for asked in map(Requirement, lines)}
    both = [asked for asked in ASKED if asked.name in pinned]
    assert both and not [asked.name for asked in both if not asked.specifier.contains(pinned[asked.name])]


def test_the_classifiers_name_the_pythons_that_are_tested():
    named = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r"Python :: 3\.", line)]
    recipe = re.search(r"tools.elsewhere (3[0-9. ]+) \$", (ROOT / "Makefile").read_text())
    assert recipe and recipe[1].split() == named
    after = f"3.{int(named[-1].split('.')[1]) + 1}"
    assert PROJECT["requires-python"] == f">={named[0]},<{after}"


def test_the_oldest_versions_are_the_lower_bounds_and_torch_without_cuda():
    oldest = [Requirement(line) for line in oldest_versions()]
    bounds = {asked.name: asked.specifier for asked in ASKED}
    for pin in oldest:
        version = next(iter(pin.specifier)).version
        assert bounds[pin.name].contains(version.partition("+")[0])
        assert Version(version.partition("+")[0]) in {Version(each.version) for each in bounds[pin.name]}
    assert {"numpy", "torch", "typer", "botorch", "pytest"} <= {pin.name for pin in oldest}
    assert any("+cpu" in str(pin) for pin in oldest)


def test_a_python_that_is_not_here_is_left_out(capsys):
    main(["2.99"])
    assert capsys.readouterr().out == "Python 2.99: left out: there is no such Python on this machine\n"
