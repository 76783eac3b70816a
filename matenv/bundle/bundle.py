"""`load_bundle`: a bundle that ``matenv build`` wrote, checked file by file."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matenv.bundle.energies import Energies, joint_reference, table_checksum
from matenv.bundle.manifest import AGAIN, read_files, read_manifest
from matenv.checks import check_device, check_path
from matenv.data import Dataset
from matenv.data.dataset_file import NUMBERS, TEXT, dataset_of
from matenv.latent import load_latent
from matenv.oracle import DEFAULT_PREDICTOR, Oracle
from matenv.properties import load_property
from matenv.properties.learned import check_properties
from matenv.properties.own import Property
from matenv.properties.store import file_checksum, locate

if TYPE_CHECKING:
    from matenv.latent.space import VAESpace

TABLE = "table"
"""Folder of the table's files."""


class Bundle:
    """A table of one's own, the latent space and the predictors made from it, and the hull it joins.

    Attributes:
        path: Its folder.
        manifest: What it holds: files with their hashes, versions, what was asked for.
        dataset: The table, with its own energies.
        properties: The properties learned from its columns.
        energies: What became of its energies.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], dataset: Dataset, properties: Iterable[Property]) -> None:
        self.path, self.manifest, self.dataset, self.properties = path, manifest, dataset, tuple(properties)
        self.energies = Energies.of_dict(manifest["energies"])
        self._oracle = cache(self._first_oracle)
        self._latent = cache(partial(load_latent, path / manifest["latent"]))

    def __repr__(self) -> str:
        names = ", ".join(each.name for each in self.properties) or "no properties"
        return f"Bundle({str(self.path)!r}, {len(self.dataset):,} formulas, {names})"

    @property
    def latent(self) -> VAESpace:
        """The latent space, fine-tuned on the table."""
        return self.latent_on("cpu")

    def latent_on(self, device: str) -> VAESpace:
        """The latent space on a device, one for all who ask."""
        check_device(device)
        return self._latent(device)

    @cached_property
    def reference(self) -> Dataset:
        """The phases of the hull: the embedded table and one's own, energies of one scheme."""
        return joint_reference(self.dataset, self.energies)

    def oracle(self, budget: int | None = None, *, properties: Iterable[Property] = (), device: str = "cpu") -> Oracle:
        """An oracle that has counted nothing: the shipped predictor, the bundle's properties and its hull.

        Args:
            budget: Most distinct formulas it evaluates; None for no limit.
            properties: Properties beside the bundle's; of one name the bundle's stays.
            device: Where the predictor runs.

        Returns:
            The oracle; hull and predictor are shared with all others of this bundle.

        Raises:
            ValueError: As `Oracle`.
        """
        own = {each.name for each in self.properties}
        more = [each for each in check_properties(properties) if each.name not in own]
        check_device(device)
        return self._oracle(device).anew(budget, (*self.properties, *more))

    def _first_oracle(self, device: str) -> Oracle:
        return Oracle(self.reference, predictor=DEFAULT_PREDICTOR, properties=self.properties, device=device)


def load_bundle(path: str | Path) -> Bundle:
    """Load a bundle; every file is compared with the hash that was written.

    Args:
        path: Its folder.

    Returns:
        The bundle; of one that has not changed since, the same object.

    Raises:
        FileNotFoundError: No such folder, or a file is missing.
        ValueError: Not a bundle, an unfinished one or one of another version; a file that is truncated or changed; or
            this version of matenv ships another table or predictor than it was built with.
    """
    check_path("path", path, "the folder of a bundle, which matenv build makes")
    folder = Path(path).resolve()
    manifest = read_manifest(folder)
    contents = read_files(folder, manifest)
    if (here := stands_on()) != manifest["stands_on"]:
        changed = ", ".join(sorted(key for key, value in here.items() if manifest["stands_on"].get(key) != value))
        raise ValueError(
            f"{folder} was built with matenv {manifest['versions']['matenv']}, which shipped another {changed}; {AGAIN}"
        )
    loaded = _LOADED.get(folder)
    if loaded is None or loaded.manifest["seal"] != manifest["seal"]:
        dataset = dataset_of({name: contents[f"{TABLE}/{name}"] for name in (NUMBERS, TEXT)})
        properties = [load_property(folder / name) for name in manifest["properties"]]
        loaded = _LOADED[folder] = Bundle(folder, manifest, dataset, properties)
    return loaded


def stands_on() -> dict[str, str]:
    """Hashes of the shipped files that a bundle goes on using."""
    return {"table": table_checksum(), "predictor": file_checksum(locate(DEFAULT_PREDICTOR))}


_LOADED: dict[Path, Bundle] = {}
