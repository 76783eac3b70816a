"""The Materials Project, asked through its own client: questions repeated until they are answered in full."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

THERMO_TYPES = {
    "GGA_GGA+U": "mp-gga-gga+u",
    "R2SCAN": "mp-r2scan",
    "GGA_GGA+U_R2SCAN": "mp-gga-gga+u-r2scan",
}
"""Kinds of energies the Materials Project keeps, and the energy scheme of a table made of each."""

GNOME = "gnome_r2scan_statics"
"""Batch of the materials that GNoME gave under a licence for non-commercial use."""

NON_COMMERCIAL = "BY-NC"

SUMMARY_FIELDS = [
    "material_id", "formula_pretty", "elements", "nsites", "density", "band_gap", "bulk_modulus", "shear_modulus",
    "total_magnetization", "theoretical", "deprecated", "builder_meta",
]  # fmt: skip

THERMO_FIELDS = [
    "material_id", "thermo_type", "formation_energy_per_atom", "energy_above_hull", "is_stable",
    "equilibrium_reaction_energy_per_atom", "decomposes_to", "decomposition_enthalpy", "deprecated", "builder_meta",
]  # fmt: skip

IDS_AT_ONCE = 400
"""Materials asked for in one request; their ids must fit into an address of 8 kB."""

LONGEST_WAIT = 60.0
"""Seconds."""

_FOR_GOOD = re.compile(r"status code (400|401|403|404|405|410|414|422)\b|does not support the request|invalid fields")

Answer = TypeVar("Answer")


class Incomplete(Exception):
    """A reply that holds less than it must."""


class MaterialsProject:
    """A connection that asks again, waiting longer each time, after a timeout, throttling, or a reply cut short.

    The key is the client's own: ``MP_API_KEY``, or ``PMG_MAPI_KEY`` of pymatgen's configuration. No message holds it.

    Args:
        endpoint: Address of the API; by default the client's.
        attempts: How often a question is asked before giving up.
        wait: Seconds before the second attempt; doubled before each further one, up to `LONGEST_WAIT`.
        timeout: Seconds to wait for a reply.
        say: Called with a line for each failed attempt.

    Attributes:
        version: Version of the database, such as ``"2026.4.13"``.

    Raises:
        ImportError: mp-api is not installed.
        ValueError: No key, or one that is none.
        ConnectionError: The API cannot be reached, or refuses the key.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        attempts: int = 8,
        wait: float = 1.0,
        timeout: int = 60,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        if endpoint is not None and not re.match("https?://[^/ ]+", endpoint):
            raise ValueError(f"endpoint={endpoint!r} is no address; give one such as https://api.materialsproject.org/")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the client's dependencies warn of their own dependencies
                import requests
                from mp_api.client import MPRester
                from mp_api.client.core.exceptions import MPRestError
                from mp_api.client.core.utils import validate_api_key, validate_endpoint
                from mp_api.client.routes.materials.summary import SummaryRester
                from mp_api.client.routes.materials.thermo import ThermoRester
        except ImportError as error:
            raise ImportError(f"the Materials Project needs its client: pip install 'matenv[mp]' ({error})") from None
        self._attempts, self._wait, self._timeout, self._say = attempts, wait, timeout, say
        self._passing = (MPRestError, requests.RequestException, ValueError, KeyError, TypeError, Incomplete)
        self._get, self._key = requests.get, ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self._key = validate_api_key() or ""
            except MPRestError:
                raise ValueError(
                    "MP_API_KEY is not a key: one has 32 characters; see materialsproject.org/api"
                ) from None
        if not self._key:
            raise ValueError(
                "no key of the Materials Project: get one at materialsproject.org/api and set MP_API_KEY "
                "(or PMG_MAPI_KEY in pymatgen's configuration)"
            )
        self.endpoint = validate_endpoint(endpoint)
        self.version = self.heartbeat()
        shown: dict[str, Any] = {"endpoint": self.endpoint, "use_document_model": False, "mute_progress_bars": True}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client: Any = self.ask("to connect", lambda: MPRester(**shown))
            shown |= {"session": client.session, "timeout": timeout}
            self._summary: Any = self.ask("to connect", lambda: _with_fields(SummaryRester)(**shown))
            self._thermo: Any = self.ask("to connect", lambda: _with_fields(ThermoRester)(**shown))

    def __repr__(self) -> str:
        return f"MaterialsProject({self.endpoint!r}, version={self.version!r})"

    def ask(self, what: str, question: Callable[[], Answer]) -> Answer:
        """Ask until there is an answer.

        Args:
            what: What for, in words.
            question: Asks once.

        Returns:
            Its answer.

        Raises:
            ConnectionError: The API refuses, or `attempts` were in vain.
        """
        for attempt in range(self._attempts):
            try:
                return question()
            except self._passing as error:
                problem = self._in_words(error)
            if _FOR_GOOD.search(problem):
                hint = "; is MP_API_KEY right?" if re.search(r"status code 40[13]", problem) else ""
                raise ConnectionError(f"the Materials Project refuses {what}: {problem}{hint}")
            if attempt + 1 < self._attempts:
                pause = min(self._wait * 2**attempt, LONGEST_WAIT)
                self._say(f"{what}: {problem}; once more in {pause:g} s")
                time.sleep(pause)
        raise ConnectionError(
            f"the Materials Project gave no whole answer {what} in {self._attempts} attempts; the last: {problem}; "
            "what has arrived is kept, the same command goes on"
        )

    def heartbeat(self) -> str:
        """Version of the database as it is now."""

        def question() -> str:
            reply = self._get(f"{self.endpoint}heartbeat", timeout=self._timeout)
            if reply.status_code != 200:
                raise Incomplete(f"heartbeat with status code {reply.status_code}")
            return str(reply.json()["db_version"])

        return self.ask("for its version", question)

    def count(self, systems: Sequence[str] | None, gnome: bool) -> int:
        """Number of materials that are not deprecated.

        Args:
            systems: Chemical systems such as ``"Fe-O"``; None for all.
            gnome: Whether to count GNoME's.
        """
        given = {"deprecated": False, "batch_id_not_eq": None if gnome else GNOME}
        given["chemsys"] = ",".join(systems) if systems else None
        return self.ask("for the number of materials", lambda: int(self._summary.count(dict(given))))

    def summaries(self, systems: Sequence[str] | None, gnome: bool, page: int, size: int, rows: int) -> list[dict]:
        """One page of summaries, in the order of material ids.

        Args:
            systems: As in `count`.
            gnome: As in `count`.
            page: Number of the page, from 1.
            size: Materials per page.
            rows: How many this page must hold.

        Returns:
            Documents with `SUMMARY_FIELDS`.
        """

        def question() -> list[dict]:
            found = self._summary.search(
                chemsys=list(systems) if systems else None, deprecated=False, include_gnome=gnome, _page=page,
                _sort_fields="material_id", chunk_size=size, fields=list(SUMMARY_FIELDS),
            )  # fmt: skip
            return _whole(found, rows)

        return self.ask(f"for page {page} of materials", question)

    def thermo(self, ids: Sequence[str], thermo_type: str) -> list[dict]:
        """Thermodynamics of materials; those without energies of this type are left out.

        Args:
            ids: Material ids.
            thermo_type: A key of `THERMO_TYPES`.

        Returns:
            Documents with `THERMO_FIELDS`.
        """
        found: list[dict] = []
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = list(ids[start : start + IDS_AT_ONCE])
            found += self.ask(f"for energies from {some[0]} on", partial(self._thermo_of, some, thermo_type))
        return found

    def _thermo_of(self, ids: list[str], thermo_type: str) -> list[dict]:
        found = self._thermo.search(material_ids=ids, thermo_types=[thermo_type], fields=list(THERMO_FIELDS))
        if len({doc["material_id"] for doc in found}) == len(ids):
            return _whole(found, len(found))
        # Fewer than asked for: are there no more, or was the reply cut short?
        spelled = "r2SCAN" if thermo_type == "R2SCAN" else thermo_type
        given = {"material_ids": ",".join(ids), "thermo_types": spelled}
        return _whole(found, int(self._thermo.count(given)))

    def _in_words(self, error: Exception) -> str:
        """One line, without the key even where a server sends it back."""
        words = re.sub(r"\?\S*", "", " ".join(f"{type(error).__name__}: {error}".split()))  # a query fills the screen
        return (words.replace(self._key, "[key]") if self._key else words)[:300]


def _with_fields(rester: Any) -> Any:
    """The client's class, its list of fields made once: else anew for each field of each request, 0.3 s in all."""
    return type(rester.__name__, (rester,), {"available_fields": list(rester.document_model.model_fields)})


def _whole(found: Any, rows: int) -> list[dict]:
    documents = [dict(document) for document in found]
    if len(documents) != rows:
        raise Incomplete(f"{len(documents)} of {rows} documents")
    if not all(isinstance(document.get("material_id"), str) for document in documents):
        raise Incomplete("a document without material_id")
    return documents
