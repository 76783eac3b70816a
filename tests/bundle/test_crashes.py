"""A build that is killed, interrupted, out of room or out of rights; in a process of its own."""

import re
import signal
import subprocess
import sys
import time

import pytest

import matenv
from matenv.bundle import build
from tests.bundle.small import OPTIONS, QUICK, columns

pytestmark = pytest.mark.slow


def command(folder, pause_after="", before=""):
    code = f"{before}from tests.bundle.small import build_here; build_here({str(folder)!r}, {pause_after!r})"
    return [sys.executable, "-c", code]


def start(folder, home, pause_after="", before=""):
    home.mkdir(exist_ok=True)
    log = (home / f"streams-{time.monotonic_ns()}").open("wb")
    return subprocess.Popen(command(folder, pause_after, before), stdout=log, stderr=subprocess.STDOUT)


def said(home):
    return max(home.glob("streams-*"), key=lambda path: int(path.name.partition("-")[2])).read_text()


def wait_for(home, words, process):
    end = time.monotonic() + 240
    while words not in said(home):
        assert time.monotonic() < end and process.poll() is None, said(home)
        time.sleep(0.02)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Hashes of all files of a build that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUICK.items():
            patch.setattr(name, value)
        return files_of(build(columns(), folder, **OPTIONS))


def files_of(bundle):
    return {name: entry["sha256"] for name, entry in bundle.manifest["files"].items()}


def test_killed_anywhere_and_gone_on_it_is_the_same_bundle(tmp_path, whole):
    folder, home = tmp_path / "bundle", tmp_path / "home"
    process = start(folder, home)
    while not list(folder.glob(".build/latent/checkpoint.pt")):  # in the midst of the fine-tuning
        assert process.poll() is None, said(home)
        time.sleep(0.005)
    process.kill()
    process.wait()
    for part in ("latent", "properties/heaviness"):  # finished, and not yet in the manifest
        with pytest.raises(ValueError, match="unfinished bundle"):
            matenv.load_bundle(folder)
        process = start(folder, home, part)
        wait_for(home, f"made {part}", process)
        process.kill()
        process.wait()
    process = start(folder, home)
    assert process.wait(240) == 0, said(home)
    assert "table: kept" in said(home)
    assert files_of(matenv.load_bundle(folder)) == whole
    assert not (folder / ".build").exists() and not list(folder.rglob("*.part"))


def test_killed_at_moments_by_chance(tmp_path, whole):
    folder, home = tmp_path / "bundle", tmp_path / "home"
    for seconds in (3.0, 4.0, 5.0, 6.0, 7.0, 8.0):
        process = start(folder, home)
        time.sleep(seconds)
        process.kill()
        process.wait()
    assert start(folder, home).wait(240) == 0, said(home)
    assert files_of(matenv.load_bundle(folder)) == whole


def test_ctrl_c_keeps_what_is_finished(tmp_path, whole):
    folder, home = tmp_path / "bundle", tmp_path / "home"
    process = start(folder, home, "table")
    wait_for(home, "made table", process)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0 and "KeyboardInterrupt" in said(home)
    assert start(folder, home).wait(240) == 0, said(home)
    assert "table: kept" in said(home) and files_of(matenv.load_bundle(folder)) == whole


def test_two_at_once_do_not_collide(tmp_path, whole):
    folder, first, second = tmp_path / "bundle", tmp_path / "first", tmp_path / "second"
    process = start(folder, first, "table")
    wait_for(first, "made table", process)
    other = start(folder, second)
    assert other.wait(120) == 1 and "is being written by another process" in said(second)
    process.kill()
    process.wait()
    assert start(folder, second).wait(240) == 0, said(second)
    assert files_of(matenv.load_bundle(folder)) == whole


@pytest.mark.parametrize("room", [2_000, 1_000_000])  # for no table; for the table, but not for the weights
def test_a_full_disk_keeps_what_there_is(tmp_path, whole, room):
    folder = tmp_path / "bundle"
    before = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({room}, r.RLIM_INFINITY));"
    stopped = subprocess.run(command(folder, before=before), capture_output=True, text=True, check=False)
    assert stopped.returncode == 1 and re.search("File too large|cannot be written .* make room", stopped.stderr)
    assert ("made table" in stopped.stdout) == (room > 2_000)
    assert not (folder / "manifest.json").exists() and not list(folder.glob("*/*.part"))
    subprocess.run(command(folder), check=True, capture_output=True)
    assert files_of(matenv.load_bundle(folder)) == whole


def test_a_folder_that_may_not_be_written(tmp_path):
    folder, home = tmp_path / "closed", tmp_path / "home"
    folder.mkdir(mode=0o555)
    tmp_path.parent.chmod(0o755)
    tmp_path.chmod(0o755)
    # Root may write anywhere: become somebody else once all is checked.
    before = (
        "import os, matenv.bundle.building as b; of = b.Request.of;"
        "b.Request.of = lambda *x, **y: (of(*x, **y), os.geteuid() or os.seteuid(65534))[0];"
    )
    assert start(folder / "out", home, before=before).wait(120) == 1
    assert "PermissionError" in said(home) and not list(folder.iterdir())
