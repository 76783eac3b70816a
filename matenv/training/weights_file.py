"""Weights files: safetensors with a format and a checksum in the header, checked when read. No pickle is involved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from matenv.atomic import write_whole


def ordered(content: bytes) -> bytes:
    """A safetensors file with its header in order: safetensors writes entries of a header as they come, at random."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]


@dataclass(frozen=True)
class WeightsFormat:
    """A kind of weights file.

    Attributes:
        tag: What the header names as ``format``.
        what: What such a file is, in words.
        command: What makes one.
        sealed: Header entries that the checksum covers beside the tensors.
    """

    tag: str
    what: str
    command: str
    sealed: tuple[str, ...] = ()

    def write(self, path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
        """Write a file so that an interruption leaves the old one or the new one, never half of one.

        Args:
            path: Where to; the folder is made if need be.
            tensors: What to store; contiguous, on the CPU.
            header: What to say of it; format and checksum are added.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        sealed = {**header, "format": self.tag, "sha256": self._checksum(tensors, header)}
        write_whole(path, ordered(save(dict(tensors), sealed)))

    def read(self, path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
        """Header and tensors of a file, its numbers not yet checked: `verify` does that.

        Raises:
            FileNotFoundError: No such file.
            ValueError: The file is truncated, no safetensors file, or of another format. The message says what to do.
        """
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist; train it with: {self.command}")
        try:
            with safe_open(str(path), framework="pt", device="cpu") as file:
                header = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            raise ValueError(
                f"{path} is not a readable safetensors file ({error}); is it truncated? {self.remedy}"
            ) from None
        if header.get("format") != self.tag:
            raise self.foreign(path, f"format {header.get('format')!r}, expected {self.tag!r}")
        return header, tensors

    def verify(self, path: Path, header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
        """Raise ValueError, which says what to do, unless a file's numbers are those that were written."""
        if header.get("sha256") != self._checksum(tensors, header):
            raise ValueError(f"{path} is damaged: its numbers are not those written. {self.remedy}")

    def foreign(self, path: Path, found: str) -> ValueError:
        """The error of a file that this version cannot use."""
        return ValueError(f"{path} is not a {self.what} of this version of matenv ({found}): train it again")

    @property
    def remedy(self) -> str:
        """What to do about a damaged file."""
        return f"Reinstall matenv, or train it again (to train again: {self.command})"

    def _checksum(self, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
        """SHA-256 of the sealed entries and of the tensors' names and numbers."""
        digest = hashlib.sha256("".join(header.get(key, "") for key in self.sealed).encode())
        for key in sorted(tensors):
            digest.update(key.encode() + tensors[key].numpy().tobytes())
        return digest.hexdigest()
