"""Checkpoints: another run's is refused, damaged ones say what to do, an interruption leaves the old one."""

import json

import pytest
import torch

from matenv.training.checkpoint import read_checkpoint, resume, save, write_checkpoint
from matenv.training.run import run_epochs


@pytest.fixture
def parts():
    network = torch.nn.Linear(2, 2)
    return {"network": network, "optimizer": torch.optim.AdamW(network.parameters())}


@pytest.mark.parametrize(
    ("identity", "what"),
    [({"seed": 2, "cycles": 4}, r"'seed': \(1, 2\)"), ({"seed": 1}, r"'cycles': \(4, None\)")],
)
def test_another_run_is_refused(tmp_path, parts, identity, what):
    save(tmp_path, {"seed": 1, "cycles": 4}, parts, [{"epoch": 1}])
    with pytest.raises(ValueError, match=f"belongs to another run.*{what}.*delete it"):
        resume(tmp_path, identity, parts)
    assert resume(tmp_path, identity, parts, free=("seed", "cycles")) == [{"epoch": 1}]


@pytest.mark.parametrize("content", [b"", b"half a file", {"epoch": 3}, torch.zeros(1)])
def test_what_is_no_checkpoint_says_what_to_do(tmp_path, parts, content):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ValueError, match="checkpoint.pt cannot be read.*delete it to start afresh"):
        resume(tmp_path, {}, parts)


def test_an_interruption_leaves_the_old_checkpoint(tmp_path, parts, monkeypatch):
    save(tmp_path, {}, parts, [1])

    def interrupted(_):
        assert len(list(tmp_path.glob(".*.part"))) == 1
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, {}, parts, [1, 2])
    assert read_checkpoint(tmp_path / "checkpoint.pt")["history"] == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "history.json"]


def test_reports_follow_the_checkpoint_and_a_finished_run_does_nothing(tmp_path, parts):
    reports = []

    def report(history, seconds):
        assert json.loads((tmp_path / "history.json").read_text()) == history and seconds >= 0
        reports.append(list(history))

    for _ in range(2):
        history = run_epochs(tmp_path, {"seed": 1}, parts, len, epochs=3, report=report)
        assert history == [0, 1, 2] and reports == [[0], [0, 1], [0, 1, 2]]


def test_equal_states_are_equal_bytes_whatever_objects_they_share(tmp_path):
    word = "".join(["ep", "och"])
    shared = {"identity": {word: word}, "history": [{word: 1.0}, {word: 2.0}]}
    apart = {
        "identity": {"".join(["e", "poch"]): "".join(["epo", "ch"])},
        "history": [{"".join(["epoc", "h"]): 1.0}, {"".join(["ep", "oc", "h"]): 2.0}],
    }
    written = []
    for state in (shared, apart):
        write_checkpoint(tmp_path / "checkpoint.pt", state)
        assert read_checkpoint(tmp_path / "checkpoint.pt") == shared
        written.append((tmp_path / "checkpoint.pt").read_bytes())
    assert written[0] == written[1]
