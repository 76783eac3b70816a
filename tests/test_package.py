import ast
import importlib
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import matenv
from tools import draw_architecture as house

ROOT = Path(__file__).parent.parent

# Rooms in import order: a room may import those above it (DESIGN: one direction, no cycles).
ROOMS = [
    "elements", "checks", "atomic", "compiled", "composition", "training", "chemistry", "data", "thermo", "latent",
    "properties", "oracle", "bundle", "guards", "tasks", "card", "benchmark", "envs", "wrappers", "report", "agents",
    "cli",
]  # fmt: skip


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_matenv_is_light():
    heavy = "'torch', 'stable_baselines3', 'pymatgen', 'numba'"
    assert run(f"import sys, matenv; print([m for m in ({heavy}) if m in sys.modules])") == "[]"


def test_every_public_name_exists_and_agents_import_as_a_submodule():
    for name in matenv.__all__:
        assert getattr(matenv, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = matenv.nothing
    assert set(matenv.__all__) <= set(dir(matenv))
    assert "agents" in str(importlib.import_module("matenv.agents.train").__file__)


def test_rooms_import_one_way():
    arrows = house.room_imports()
    assert set(arrows) == set(ROOMS)
    place = {room: k for k, room in enumerate(ROOMS)}
    assert not [(room, other) for room, others in arrows.items() for other in others if place[other] > place[room]]


def test_no_modules_import_each_other_in_a_circle():
    modules = house.modules()
    graph = {name: house.imports(path, modules) for name, path in modules.items() if name != "matenv"}
    TopologicalSorter(graph).prepare()  # raises a CycleError that names the circle


def test_the_page_of_the_house_lists_the_rooms_that_there_are():
    assert house.room_list() in house.PAGE.read_text()  # written by python -m tools.draw_architecture


def test_studies_stand_on_the_package_and_never_the_other_way():
    outside = ("tools", "benchmarks", "studies")  # each may import those before it
    wrong = []
    for place, folder in enumerate(("matenv", "agents", *outside)):
        forbidden = outside[max(place - 1, 0) :]
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                wrong += [f"{path.relative_to(ROOT)} imports {n}" for n in names if n.split(".")[0] in forbidden]
    assert not wrong


def test_no_file_is_long():
    folders = ("matenv", "agents", "studies", "tools", "benchmarks", "tests", "examples")
    sources = [p for folder in folders for p in (ROOT / folder).rglob("*.py")]
    assert not [(p.name, n) for p in sources if (n := len(p.read_text().splitlines())) > 500]


@pytest.mark.slow
def test_wheel_holds_agents_as_a_submodule_and_all_data(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), str(ROOT)], check=True
    )
    wheel = next(tmp_path.glob("*.whl"))
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True)
    assert not (target / "agents").exists()
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r}); import matenv, matenv.agents.train as t;"
        "from matenv.agents.hyperparameters import load_hyperparameters as l; l('ppo', 'MaterialLatent-v0');"
        "matenv.Oracle(); matenv.load_latent('vae'); matenv.is_charge_neutral('NaCl');"
        "print(t.__file__, matenv.__file__)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert out.count(str(target)) == 2
