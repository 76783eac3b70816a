"""Figures as files that appear when they are whole."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from matenv.atomic import write_whole


def save(figure: Figure, out: Path) -> None:
    """Write a figure in the format that the file's name ends with; PNG where it says none.

    Args:
        figure: The figure.
        out: The file; its folder is made if need be.

    Raises:
        ValueError: A format that matplotlib does not write.
    """
    whole = io.BytesIO()
    figure.savefig(whole, format=out.suffix[1:].lower() or "png")
    write_whole(out, whole.getvalue())
