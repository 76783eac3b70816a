"""A fetch that is killed, interrupted, out of room or out of rights; in a process of its own, the real client in it."""

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("mp_api")

import matenv
from tests.data.materials_project.documents import documents
from tests.data.materials_project.server import KEY, Server

pytestmark = pytest.mark.slow
PAGE = 40


@pytest.fixture
def server():
    with Server(*documents()) as server:
        yield server
        server.shutdown()
    assert not server.errors


def start(server, out, home, code="from matenv.cli import main; main()", **options):
    """A fetch in its own process; all that it can write lies in `home`, streams included."""
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-c", code, "data", "fetch", str(out), "--endpoint", server.endpoint]
    command += ["--chemsys", "Li-Fe-P-O", "--page-size", str(PAGE), "--wait", "0.01"]
    environment = os.environ | {"MP_API_KEY": KEY, "HOME": str(home), "TMPDIR": str(home)}
    log = (home / f"streams-{time.monotonic_ns()}").open("wb")
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, **options)


def said(home):
    return max(home.glob("streams-*")).read_text()


def wait_for_parts(out, number):
    end = time.monotonic() + 120
    while len(list((out / "parts").glob("*.gz"))) < number:
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_no_key(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files and not [path for path in files if KEY.encode() in path.read_bytes()]


def test_killed_interrupted_and_gone_on(server, tmp_path):
    out, home, server.delay = tmp_path / "out", tmp_path / "home", 0.05
    for stop, parts in ((signal.SIGKILL, 2), (signal.SIGINT, 4)):
        process = start(server, out, home)
        wait_for_parts(out, parts)
        process.send_signal(stop)
        assert process.wait(60) == (130 if stop == signal.SIGINT else -stop)
        assert not (out / "manifest.json").exists()
        with pytest.raises(ValueError, match="unfinished"):
            matenv.load_dataset(out)
    assert "goes on with: matenv" in said(home) and "Traceback" not in said(home)
    before = len(server.asked)
    assert start(server, out, home).wait(120) == 0, said(home)
    pages = [int(given["_page"]) for _, given in server.asked[before:] if "_page" in given]
    assert pages and min(pages) >= 5 and max(pages) == 7
    assert len(matenv.load_dataset(out)) == 263
    assert_no_key(tmp_path)


@pytest.mark.parametrize("room", [1000, 9000])  # for no part; for parts, but not for the table made of them
def test_a_full_disk_keeps_what_there_is(server, tmp_path, room):
    out, home = tmp_path / "out", tmp_path / "home"
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))}
    assert start(server, out, home, **limit).wait(120) == 1
    assert "File too large" in said(home) and "Traceback" not in said(home)
    assert not (out / "manifest.json").exists() and not list(out.rglob("*.part"))
    before = len(server.asked)
    assert start(server, out, home).wait(120) == 0, said(home)
    assert any("_page" in given for _, given in server.asked[before:]) == (room == 1000)
    assert len(matenv.load_dataset(out)) == 263


def test_a_folder_that_may_not_be_written(server, tmp_path):
    folder, home = tmp_path / "closed", tmp_path / "home"
    folder.mkdir(mode=0o555)
    tmp_path.parent.chmod(0o755)
    tmp_path.chmod(0o755)
    # Root may write anywhere: become somebody else once all is imported.
    code = (
        "import os, matenv.data.fetch, mp_api.client, mp_api.client.routes.materials; from matenv.cli import main;"
        "os.geteuid() or os.seteuid(65534); main()"
    )
    assert start(server, folder / "out", home, code).wait(120) == 1
    assert "Permission denied" in said(home) and "Traceback" not in said(home)


def test_two_at_once_do_not_collide(server, tmp_path):
    out, server.delay = tmp_path / "out", 0.3
    first = start(server, out, tmp_path / "first")
    wait_for_parts(out, 1)
    server.gate.clear()
    assert start(server, out, tmp_path / "second").wait(120) == 1
    assert "is being written by another process" in said(tmp_path / "second")
    server.gate.set()
    assert first.wait(120) == 0
    assert len(matenv.load_dataset(out)) == 263
