"""``matenv data check``."""

import json

from typer.testing import CliRunner

from matenv.cli import app


def run(*arguments):
    return CliRunner().invoke(app, ["data", "check", *map(str, arguments)])


def test_a_table_is_checked_before_it_is_used(tmp_path):
    path = tmp_path / "my.csv"
    path.write_text("formula,formation_energy,doi\nMgO,-3.0,a\nNaCl,-2.1,b\n")
    result = run(path, "--strict")
    assert result.exit_code == 0 and "2 rows, 2 used, 2 distinct formulas" in result.output
    assert "2 formulas shared with mp-ground-states" in result.output and "carried along as text: doi" in result.output
    path.write_text("formula,formation_energy\nMgO,-3.0\nXyO,-2.1\n")
    assert run(path).exit_code == 0 and run(path, "--strict").exit_code == 1
    report = json.loads(run(path, "--json").output)
    assert report["problems"][0]["line"] == 3 and report["kept"] == 1
    result = run(path, "--column", "gap")
    assert isinstance(result.exception, ValueError) and "none called 'gap'" in str(result.exception)
