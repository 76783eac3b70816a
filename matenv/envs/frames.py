"""One frame of an episode, drawn quickly enough for a video: where it moved, and what each step was worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matenv.elements import SYMBOLS
from matenv.envs.rendering import map_of
from matenv.envs.state import Trail

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

WIDTH, HEIGHT = 1000, 450
"""Pixels of a frame."""

_FINE = 2  # drawn larger and averaged, so that lines are smooth
_ROWS = 17  # steps listed, the last ones of a longer episode
_MARGIN, _HEAD = 24, 40
_MAP = (_MARGIN, _HEAD, 486, HEIGHT - _MARGIN)  # left, top, right, bottom
_LIST = (520, _HEAD, WIDTH - _MARGIN, HEIGHT - _MARGIN)
_GREY, _INK, _BLUE, _GREEN, _RED = (216, 216, 216), (40, 40, 40), (108, 164, 209), (44, 140, 44), (214, 39, 40)

Sketch = Callable[["Pen", Trail], None]
"""Draws where an episode moved, into the left half of a frame."""


class Pen:
    """Draws on a frame, in its pixels.

    Args:
        image: The frame, `_FINE` times as large.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self._draw = _drawing(image)

    def text(self, x: float, y: float, words: str, size: int = 11, anchor: str = "lm", fill: Any = _INK) -> None:
        """Words at a point; `anchor` as in Pillow, left middle by default."""
        self._draw.text((x * _FINE, y * _FINE), words, fill=fill, font=_font(size * _FINE), anchor=anchor)

    def line(self, points: Sequence[tuple[float, float]], fill: Any = _INK, width: int = 1) -> None:
        """A line through points."""
        self._draw.line([(x * _FINE, y * _FINE) for x, y in points], fill=fill, width=width * _FINE, joint="curve")

    def box(self, left: float, top: float, right: float, bottom: float, fill: Any = None, outline: Any = None) -> None:
        """A rectangle."""
        corners = [value * _FINE for value in (left, top, right, bottom)]
        self._draw.rectangle(corners, fill=fill, outline=outline, width=_FINE)

    def dot(self, x: float, y: float, radius: float, fill: Any) -> None:
        """A filled circle."""
        self._draw.circle((x * _FINE, y * _FINE), radius * _FINE, fill=fill)


def draw_frame(trail: Trail, sketch: Sketch, title: str) -> NDArray[np.uint8]:
    """The episode so far as a picture.

    Args:
        trail: The episode.
        sketch: Draws where it moved.
        title: What the left half shows.

    Returns:
        Image (450, 1000, 3) uint8.

    Raises:
        ImportError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("render_mode='rgb_array' needs Pillow: pip install 'matenv[agents]'") from None
    image = Image.new("RGB", (WIDTH * _FINE, HEIGHT * _FINE), "white")
    pen = Pen(image)
    sketch(pen, trail)
    pen.text(_MAP[0], _HEAD / 2, title, size=12)
    _list_steps(pen, trail)
    return np.array(image.reduce(_FINE))


def sketch_path(pen: Pen, trail: Trail, space: Any) -> None:
    """The path over a map of training formulas, on the data's two principal axes.

    Args:
        pen: Draws.
        trail: The episode, whose places are latent positions.
        space: The latent space moved in, a `matenv.latent.LatentSpace`.
    """
    left, top, right, bottom = _MAP
    pen.image.paste(_map_image(space), (left * _FINE, top * _FINE))
    _, plane = map_of(space)
    shares = np.clip(0.5 + np.array(trail.places) @ plane.T / (2 * _reach(space)), 0.0, 1.0)
    points = [(left + x * (right - left), bottom - y * (bottom - top)) for x, y in shares.tolist()]
    if len(points) > 1:
        pen.line(points, fill=_BLUE, width=2)
    for x, y in points:
        pen.dot(x, y, 3, _BLUE)
    (x, y), (u, v) = points[0], points[-1]
    pen.box(x - 5, y - 5, x + 5, y + 5, outline=_INK)
    pen.dot(u, v, 5, _RED)
    anchor, shift = ("lm", 9) if u < (left + right) / 2 else ("rm", -9)
    pen.text(u + shift, v - 9, trail.infos[-1]["formula"], size=13, anchor=anchor)


def sketch_counts(pen: Pen, trail: Trail) -> None:
    """Atoms of each element that the episode held, a column per step.

    Args:
        pen: Draws.
        trail: The episode, whose places begin with the counts of the 89 elements.
    """
    left, top, right, bottom = _MAP
    counts = np.array(trail.places)[-_ROWS:, : len(SYMBOLS)]
    met = np.flatnonzero(counts.any(axis=0))
    wide, high = (right - left - 30) / _ROWS, min((bottom - top) / max(len(met), 1), 30)
    for row, element in enumerate(met):
        y = top + row * high
        pen.text(left, y + high / 2, SYMBOLS[element], size=12)
        for step, count in enumerate(counts[:, element].tolist()):
            if count:
                x, shade = left + 30 + step * wide, max(235 - 14 * count, 80)
                pen.box(x, y + 1, x + wide - 2, y + high - 1, fill=(shade, shade, 245))
                pen.text(x + wide / 2 - 1, y + high / 2, str(count), size=12, anchor="mm")


def sketch_formulas(pen: Pen, trail: Trail) -> None:
    """The current formula, large; for environments that have nothing else to show."""
    left, top, right, bottom = _MAP
    formula = trail.infos[-1]["formula"] or "(nothing)"
    pen.text((left + right) / 2, (top + bottom) / 2, formula, size=30, anchor="mm")


def _list_steps(pen: Pen, trail: Trail) -> None:
    """Step, formula, and score and P(stable) on a scale from 0 to 1."""
    left, top, right, bottom = _LIST
    high, zero, one = (bottom - top) / _ROWS, left + 170, right
    pen.text(left, _HEAD / 2, "step and formula", size=12)
    pen.text(zero, _HEAD / 2, "score (bar) and P(stable) (dot), from 0 to 1", size=12)
    pen.box(zero, top, one, bottom, outline=_GREY)
    for row, info in enumerate(trail.infos[-_ROWS:]):
        y = top + (row + 0.5) * high
        pen.text(left, y, f"{info['step']:d}", size=12)
        pen.text(left + 26, y, info["formula"] or "(nothing)", size=12)
        pen.box(zero, y - high / 3, zero + (one - zero) * info["score"], y + high / 3, fill=_BLUE)
        pen.dot(zero + (one - zero) * info["p_stable"], y, 3, _GREEN)


def _drawing(image: Image) -> ImageDraw:
    from PIL import ImageDraw

    return ImageDraw.Draw(image)


@lru_cache(maxsize=16)
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


@lru_cache(maxsize=4)
def _reach(space: Any) -> float:
    """Half the width of the map, in standard deviations: nearly all training formulas lie within."""
    background, plane = map_of(space)
    return 1.1 * float(np.quantile(np.abs(background @ plane.T), 0.998))


@lru_cache(maxsize=4)
def _map_image(space: Any) -> Image:
    """The training formulas as grey dots."""
    from PIL import Image

    left, top, right, bottom = _MAP
    image = Image.new("RGB", ((right - left) * _FINE, (bottom - top) * _FINE), "white")
    draw = _drawing(image)
    background, plane = map_of(space)
    for x, y in (0.5 + background @ plane.T / (2 * _reach(space))).tolist():
        draw.circle((x * image.width, (1.0 - y) * image.height), 2, fill=_GREY)
    draw.rectangle((0, 0, image.width - 1, image.height - 1), outline=_GREY, width=_FINE)
    return image
