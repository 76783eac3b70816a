"""The house as it stands: rooms, floors and arrows, read from the imports: ``python -m tools.draw_architecture``.

Writes ``docs/images/architecture.png`` and the list of rooms in ``docs/architecture.md``, a line each, which is the
first line of the room's own docstring. A test holds the list to the code.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "images" / "architecture.png"
START, END = "<!-- rooms: written by `python -m tools.draw_architecture` -->", "<!-- end of rooms -->"
OUTSIDE = ("benchmarks", "studies", "tools", "examples", "tests")
"""What stands beside the package and is not installed."""


def modules() -> dict[str, Path]:
    """Every module that the wheel holds, by its dotted name; ``agents/`` installs as ``matenv.agents``."""
    found = {}
    for folder, package in ((ROOT / "matenv", "matenv"), (ROOT / "agents", "matenv.agents")):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *(part for part in parts if part != "__init__")))
            found[name] = path
    return found


def imports(path: Path, names: dict[str, Path]) -> set[str]:
    """Modules of the package that a file imports, for type checking and inside functions included.

    A name taken from the package's front door is traced to the module that defines it.
    """
    from matenv import _HOMES

    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in names:
                    found.add(whole)
                elif node.module == "matenv":
                    found.add(_HOMES.get(alias.name, "matenv"))
                elif node.module in names:
                    found.add(node.module)
    return found - {"matenv"}


def room_of(module: str) -> str:
    """The room that a module stands in: the first part of its name below the package."""
    return module.split(".")[1]


def room_imports() -> dict[str, set[str]]:
    """Rooms that each room imports."""
    names = modules()
    arrows: dict[str, set[str]] = defaultdict(set)
    for module, path in names.items():
        if module == "matenv":
            continue
        arrows[room_of(module)] |= {room_of(other) for other in imports(path, names)} - {room_of(module)}
    return dict(arrows)


def _reach(name: str, arrows: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    ahead = list(arrows.get(name, ()))
    while ahead:
        other = ahead.pop()
        if other not in seen:
            seen.add(other)
            ahead += arrows.get(other, ())
    return seen


def floors(arrows: dict[str, set[str]]) -> dict[str, int]:
    """Floor of each room: one above the highest that it imports."""
    order = TopologicalSorter(arrows).static_order()  # raises a CycleError that names a circle, if there is one
    height: dict[str, int] = {}
    for room in order:
        height[room] = 1 + max((height[other] for other in arrows.get(room, ())), default=-1)
    return height


def says(room: str) -> str:
    """The first line of the room's docstring."""
    found = modules()
    path = found[f"matenv.{room}"]
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def outside(folder: str) -> str:
    """The same for what is not installed."""
    path = ROOT / folder / "__init__.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path.exists() else ""
    return (text or "").split("\n")[0]


def room_list() -> str:
    """The rooms as a Markdown list, top floor first."""
    height = floors(room_imports())
    lines = []
    for level in sorted(set(height.values()), reverse=True):
        for room in sorted(name for name, floor in height.items() if floor == level):
            where = "agents/" if room == "agents" else f"matenv/{room}"
            lines.append(f"- **{where}** (floor {level}): {says(room)}")
    lines += [f"- **{folder}/** (not installed): {text}" for folder in OUTSIDE if (text := outside(folder))]
    return "\n".join(lines)


def draw(target: Path = PICTURE) -> None:
    """Draw the rooms on their floors; arrows point at what is imported, less those that follow from others."""
    from matplotlib.figure import Figure

    names, arrows = modules(), room_imports()
    height = floors(arrows)
    lines: dict[str, int] = defaultdict(int)
    files: dict[str, int] = defaultdict(int)
    for module, path in names.items():
        if module != "matenv":
            lines[room_of(module)] += len(path.read_text(encoding="utf-8").splitlines())
            files[room_of(module)] += 1
    levels = sorted(set(height.values()))
    place: dict[str, tuple[float, float]] = {}
    for level in levels:
        rooms = sorted(room for room in height if height[room] == level)
        for k, room in enumerate(rooms):
            place[room] = ((k + 0.5) / len(rooms) + (0.06 if level % 2 else -0.06) / len(rooms), level)
    figure = Figure(figsize=(11, 1.15 * len(levels)), layout="constrained")
    axes = figure.subplots()
    boxes = {}
    for room, (x, y) in place.items():
        label = f"{'agents/' if room == 'agents' else room}\n{files[room]} files, {lines[room]:,} lines"
        colour = "#dfe9f5" if files[room] > 1 else "#f4f4f4"
        boxes[room] = axes.text(
            x, y, label, ha="center", va="center", fontsize=9, zorder=2, linespacing=1.3,
            bbox={"boxstyle": "round,pad=0.5", "facecolor": colour, "edgecolor": "0.4"},
        )  # fmt: skip
    for room, others in sorted(arrows.items()):
        plain = {o for o in others if not any(o in _reach(mid, arrows) for mid in others - {o})}
        for other in sorted(plain):
            # Lines that pass a floor are bent, so that they do not run behind a box on it.
            bend = 0.0 if height[room] - height[other] == 1 else -0.25
            axes.annotate(
                "", place[other], place[room], zorder=1,
                arrowprops={
                    "arrowstyle": "-|>", "color": "0.55", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 2,
                    "patchA": boxes[room].get_bbox_patch(), "patchB": boxes[other].get_bbox_patch(),
                    "connectionstyle": f"arc3,rad={bend}",
                },
            )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(levels[0] - 0.6, levels[-1] + 0.6)
    axes.set_axis_off()
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.canvas.draw()  # settles the boxes that arrows end at
    figure.savefig(target, dpi=110)


def main() -> None:
    """Write picture and list."""
    draw()
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    PAGE.write_text(f"{before}{START}\n{room_list()}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)} and the list in {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
