import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
WALK = Path(__file__).parent.parent / "examples" / "random_walk.py"


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_and_prints(path, capsys):
    runpy.run_path(str(path), run_name="__main__")
    assert len(capsys.readouterr().out) > 50


def test_the_random_walk_goes_somewhere(capsys):
    runpy.run_path(str(WALK), run_name="__main__")
    assert len(set(re.findall(r"^step +\d+  (\S+)", capsys.readouterr().out, re.M))) > 3
