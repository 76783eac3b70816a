"""The file of trained weights, whatever they are of: what comes back, and what is refused with which words."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from matenv.training.weights_file import WeightsFormat

FORMAT = WeightsFormat("toy-1", "toy", "python -m toys", sealed=("settings",))
TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16)}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "new" / "toy.safetensors"
    FORMAT.write(path, TENSORS, {"settings": "[1]", "other": "x"})
    return path


def test_what_is_written_comes_back(path):
    header, tensors = FORMAT.read(path)
    FORMAT.verify(path, header, tensors)
    assert header["settings"] == "[1]" and header["other"] == "x" and header["format"] == "toy-1"
    assert tensors.keys() == TENSORS.keys() and all(torch.equal(tensors[key], TENSORS[key]) for key in TENSORS)
    assert [each.name for each in path.parent.iterdir()] == ["toy.safetensors"]


def test_an_interrupted_write_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        FORMAT.write(path, {"a": torch.zeros(1)}, {"settings": "[2]"})
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b[:5], lambda b: b"", lambda b: b"\xff" * 2000])
def test_a_truncated_file_says_what_to_do(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="toy.safetensors is not a readable safetensors file .*python -m toys"):
        FORMAT.read(path)


def test_missing_and_foreign_files(path, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; train it with: python -m toys"):
        FORMAT.read(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="not a game of this version of matenv .*'toy-1', expected 'game-1'"):
        WeightsFormat("game-1", "game", "python -m games").read(path)
    save_file(TENSORS, str(path))
    with pytest.raises(ValueError, match="format None, expected 'toy-1'"):
        FORMAT.read(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda t, h: t["a"].view(torch.int32).add_(1),
        lambda t, h: t.update(c=t.pop("b")),
        lambda t, h: h.update(settings="[2]"),
        lambda t, h: h.pop("sha256"),
    ],
)
def test_tampering_is_noticed(path, change):
    header, tensors = FORMAT.read(path)
    tensors = {key: tensor.clone() for key, tensor in load_file(str(path)).items()}
    change(tensors, header)
    save_file(tensors, str(path), header)
    with pytest.raises(ValueError, match="toy.safetensors is damaged: .* train it again"):
        FORMAT.verify(path, *FORMAT.read(path))
