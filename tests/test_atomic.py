"""Files are whole or absent, are read with their name, and have one writer at a time."""

import pytest
from matenv.agents.candidates import write_csv
from matplotlib.figure import Figure

from matenv.atomic import only_writer, read_json, write_whole
from matenv.report.saving import save


def test_a_file_is_whole_or_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"old")
    monkeypatch.setattr("os.fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_text_is_utf_8_and_folders_are_made(tmp_path):
    path = tmp_path / "new" / "file"
    write_whole(path, "CuSO4·5H2O")
    assert path.read_bytes().decode() == "CuSO4·5H2O"


def test_a_damaged_json_file_is_named(tmp_path):
    path = tmp_path / "file.json"
    for damaged in (b"{", b"\xff\xfe", b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="file.json is damaged .*delete it"):
            read_json(path)


def test_one_writer_at_a_time(tmp_path):
    with only_writer(tmp_path):
        with pytest.raises(OSError, match="is being written by another process"):
            with only_writer(tmp_path):
                pass
    with only_writer(tmp_path):
        pass


def test_tables_and_pictures_make_their_folder(tmp_path):
    write_csv([], tmp_path / "a" / "table.csv")
    for name in ("picture.PNG", "picture.pdf", "picture"):
        save(Figure(), tmp_path / "b" / name)
    assert (tmp_path / "a" / "table.csv").read_text().strip().endswith(",note")
    assert (tmp_path / "b" / "picture").read_bytes().startswith(b"\x89PNG")
