"""Tables of a leaderboard are written below a marker: prose above it stays, pages without one are refused."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from matenv.benchmark import plans, sweep
from matenv.benchmark.board_page import BEGIN, MARKER, page_with, prose_of
from matenv.cli import app

PAGES = sorted(Path("docs").glob("leaderboard*.md"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of two short runs."""
    out = tmp_path_factory.mktemp("results")
    sweep(plans(["random"], "single", ["stiff-stable"], 2, 20), out)
    return out


def write(results, page):
    return CliRunner().invoke(app, ["benchmark", "leaderboard", str(results), "--out", str(page)])


def test_prose_above_the_marker_stays_and_tables_below_it_are_replaced(results, tmp_path):
    page, prose = tmp_path / "board.md", f"# Board\n\nWhat to read off it: Größe.\n\n{MARKER}"
    page.write_text(f"{prose}\n\nold tables\n", encoding="utf-8")
    assert write(results, page).exit_code == 0
    first = page.read_text(encoding="utf-8")
    assert first.startswith(f"{prose}\n\n{BEGIN}") and "old tables" not in first and "| *random* |" in first
    assert first.endswith("\n\n![Leaderboard](board.png)\n") and (tmp_path / "board.png").stat().st_size > 10_000
    assert write(results, page).exit_code == 0 and page.read_text(encoding="utf-8") == first
    assert {path.name for path in tmp_path.iterdir()} == {"board.md", "board.png"}


def test_a_page_without_a_marker_is_refused_before_anything_is_written(results, tmp_path):
    page = tmp_path / "board.md"
    page.write_text("# Mine\n")
    said = write(results, page)
    assert said.exit_code != 0 and MARKER in str(said.exception) and "board.md" in str(said.exception)
    assert page.read_text() == "# Mine\n" and not (tmp_path / "board.png").exists()


@pytest.mark.parametrize("before", [None, "", "Protocol 1; value [95 % interval].\n\n## old\n"])
def test_a_new_page_and_one_of_tables_alone_are_written_with_a_marker(results, tmp_path, before):
    page = tmp_path / "board.md"
    if before is not None:
        page.write_text(before)
    assert write(results, page).exit_code == 0
    text = page.read_text()
    assert text.startswith(f"{MARKER}\n\n{BEGIN}") and "## old" not in text and text.count(MARKER) == 1


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_boards_that_ship_keep_their_prose(page):
    assert len(PAGES) == 3
    text = page.read_text(encoding="utf-8")
    prose = prose_of(page)
    assert prose.startswith("# Leaderboard") and "--out docs/" + page.name in prose
    picture = page.with_suffix(".png").name
    tables = text.removeprefix(f"{prose}\n\n").removesuffix(f"\n\n![Leaderboard]({picture})\n")
    assert tables.startswith(BEGIN) and page_with(prose, tables, picture) == text
