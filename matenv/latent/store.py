"""Weights files of latent spaces: safetensors, never pickle, checked when read."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matenv.checks import check_device, check_path
from matenv.composition import CompositionBatch
from matenv.composition.integers import MAX_ELEMENTS
from matenv.elements import NUM_ELEMENTS
from matenv.latent import cloud
from matenv.latent.compiled.decoder import FastDecoder
from matenv.latent.compiled.encoder import FastEncoder
from matenv.latent.conditional_space import ConditionalSpace
from matenv.latent.networks.conditional import ConditionalVAE
from matenv.latent.networks.counts_vae import CountsVAE
from matenv.latent.networks.dvae import DisentangledVAE
from matenv.latent.networks.elawady_vae import ElAwadyVAE
from matenv.latent.networks.gaussian_process import ARRAYS, GaussianProcess
from matenv.latent.networks.generators import FractionsGAN, SlotsGAN
from matenv.latent.networks.protocol import KINDS, register
from matenv.latent.property_space import PropertySpace
from matenv.latent.space import VAESpace, Whitening
from matenv.training.weights_file import WeightsFormat

SHIPPED = ("vae", "vae-elawady", "dvae", "dkl-vae", "cvae", "wgan-gp")
"""Latent spaces that come with the package."""

register(CountsVAE, encoder=FastEncoder, decoder=FastDecoder)
register(ElAwadyVAE)
register(ConditionalVAE, encoder=FastEncoder, decoder=FastDecoder, space=ConditionalSpace)
register(DisentangledVAE)
register(SlotsGAN)
register(FractionsGAN)

FORMAT = WeightsFormat("matenv-latent-1", "latent space", "matenv latent train vae --out <folder>")


def load_latent(name: str | Path = "vae", device: str = "cpu") -> VAESpace:
    """Load a latent space: a shipped one by name, or one's own weights file by path.

    Args:
        name: ``"vae"`` (default: presence and integer counts, 32 dimensions), ``"vae-elawady"`` (El-Awady,
            arXiv:2401.06779: 10 dimensions), ``"dkl-vae"`` (shaped by the formation energy, which it predicts),
            ``"dvae"`` (alloys, one dimension for whether they form a single phase), ``"cvae"`` (conditions can be held:
            ``load_latent("cvae").at(formation_energy=-2.0)``), ``"wgan-gp"`` (trained against a critic), or the path of
            a ``.safetensors`` file that training wrote.
        device: PyTorch device to run on.

    Returns:
        The latent space, in evaluation mode.

    Raises:
        ValueError: Unknown name, or a file that is damaged or not a matenv latent space.
        FileNotFoundError: A path that does not exist.

    Examples:
        >>> space = load_latent("vae")
        >>> space.decode_batch(space.encode("LiFePO4")).formulas()
        ['LiFePO4']
    """
    return open_space("name", name, device)


def open_space(parameter: str, name: str | Path, device: str = "cpu") -> VAESpace:
    """As `load_latent`, for a parameter of another name, which errors quote."""
    check_path(parameter, name, f"a latent space: one of {', '.join(SHIPPED)}, or a .safetensors path")
    check_device(device)
    if str(name) in SHIPPED:
        return read(Path(str(files("matenv.latent") / "weights" / f"{name}.safetensors")), str(name), device)
    if Path(name).suffix == ".safetensors":
        return read(Path(name), Path(name).stem, device)
    raise ValueError(
        f"{parameter}={str(name)!r} is not a latent space; choose one of {', '.join(SHIPPED)} or give a .safetensors "
        "path"
    )


def read(path: Path, name: str, device: str = "cpu") -> VAESpace:
    """Read and check a weights file.

    Args:
        path: The file.
        name: Name of the space.
        device: PyTorch device to run on.

    Returns:
        The latent space.

    Raises:
        ValueError: The file is damaged, of another format, or its tensors do not fit the architecture it names.
        FileNotFoundError: The file does not exist.
    """
    header, tensors = FORMAT.read(path)
    if header.get("network") not in KINDS:
        raise FORMAT.foreign(
            path,
            f"network {header.get('network')!r}, not one of {', '.join(KINDS)}; one of your own is known once the "
            "module that registers it is imported",
        )
    try:
        space = _assemble(header, tensors, name, device)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not fit the architecture it names, {header['network']}: {error}. "
            "Reinstall matenv, or train it again"
        ) from None
    FORMAT.verify(path, header, tensors)
    space.cloud = cloud.read(path, space.dim)
    return space


def _assemble(header: dict[str, str], tensors: dict[str, Tensor], name: str, device: str) -> VAESpace:
    kind = KINDS[header["network"]]
    network = kind.network(**json.loads(header["config"]))
    state = {key[8:]: tensor.float() for key, tensor in tensors.items() if key.startswith("network.")}
    network.load_state_dict(state)
    mean, std, radius = (_array(tensors, f"whitening.{key}") for key in ("mean", "std", "radius"))
    if mean.shape != (network.latent,) or std.shape != mean.shape or radius.shape != (1,):
        raise ValueError("the whitening statistics have the wrong shape")
    for key, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{key} holds NaN or infinite values")
    if not (std > 0).all():
        raise ValueError("a standard deviation is not positive")
    anchors = None
    if "anchors.size" in tensors:
        anchors = _unpack(*(_array(tensors, f"anchors.{key}") for key in ("size", "elements", "counts")))
    whitening = Whitening(mean, std, float(radius[0]))
    if "process" in header:
        arrays = {key: _array(tensors, f"process.{key}") for key in ARRAYS}
        process = GaussianProcess.of(**json.loads(header["process"]), arrays=arrays)
        if process.inducing.shape[1] != network.latent:
            raise ValueError("the inducing points have the wrong width")
        return PropertySpace(name, network, whitening, anchors, device, process=process)
    return (kind.space or VAESpace)(name, network, whitening, anchors, device)


def write(space: VAESpace, path: Path) -> None:
    """Write a weights file: network in float16, whitening in float64, a Gaussian process, if any, in float32.

    An interruption leaves no half-written file.

    Args:
        space: The latent space.
        path: Where to; the folder is made if need be.
    """
    tensors = {f"network.{key}": value.half().cpu().contiguous() for key, value in space.network.state_dict().items()}
    whitening = space.whitening
    for key, value in (("mean", whitening.mean), ("std", whitening.std), ("radius", np.array([whitening.radius]))):
        tensors[f"whitening.{key}"] = torch.from_numpy(np.ascontiguousarray(value, dtype=np.float64))
    if space.anchors is not None:
        listed = space.anchors.counts > 0
        packed: tuple[NDArray, ...] = (space.anchors.size, space.anchors.elements[listed], space.anchors.counts[listed])
        for key, array in zip(("size", "elements", "counts"), packed, strict=True):
            tensors[f"anchors.{key}"] = torch.from_numpy(array.astype(np.uint8))
    header = {"network": type(space.network).__name__, "config": json.dumps(space.network.config)}
    if (process := space.process) is not None:
        tensors |= {f"process.{key}": torch.from_numpy(array) for key, array in process.arrays().items()}
        header["process"] = json.dumps({"target": process.target, "unit": process.unit})
    FORMAT.write(path, tensors, header)


def _array(tensors: dict[str, Tensor], key: str) -> NDArray:
    return tensors[key].numpy()


def _unpack(size: NDArray, elements: NDArray, counts: NDArray) -> CompositionBatch:
    if int(size.sum()) != len(elements) or len(elements) != len(counts) or size.max(initial=0) > MAX_ELEMENTS:
        raise ValueError("the anchors' lists disagree in length")
    if elements.max(initial=0) >= NUM_ELEMENTS or counts.min(initial=1) < 1:
        raise ValueError("the anchors hold an impossible element or count")
    listed = np.arange(MAX_ELEMENTS) < size[:, None]
    packed_elements = np.full(listed.shape, -1, np.int16)
    packed_counts = np.zeros(listed.shape, np.int32)
    packed_elements[listed], packed_counts[listed] = elements, counts
    return CompositionBatch(packed_elements, packed_counts, size.astype(np.int16))
