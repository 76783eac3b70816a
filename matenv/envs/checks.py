"""What Gymnasium passes to an environment, checked: render mode, autoreset mode, reset options."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode


def check_render_mode(render_mode: str | None, allowed: list[str]) -> None:
    """Raise a ValueError for a render mode that is not offered."""
    if render_mode is not None and render_mode not in allowed:
        offer = ", ".join(repr(mode) for mode in allowed) or "none: render a single environment instead"
        raise ValueError(f"render_mode={render_mode!r} is not offered; choose {offer}")


def check_autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """An autoreset mode from Gymnasium's enum, its name or its value.

    Args:
        mode: Such as `AutoresetMode.SAME_STEP`, ``"SAME_STEP"`` or ``"SameStep"``.

    Returns:
        The mode.

    Raises:
        ValueError: No such mode.
    """
    for known in AutoresetMode:
        if mode in (known, known.name, known.value):
            return known
    raise ValueError(f"autoreset_mode={mode!r} is unknown; choose {', '.join(known.name for known in AutoresetMode)}")


def start_formulas(options: Any, rows: int) -> list[str] | None:
    """Formulas that reset options ask for, one per row.

    Args:
        options: The options given to `reset`.
        rows: Number of rows being reset.

    Returns:
        A list of `rows` formulas, or None to draw starts.

    Raises:
        ValueError: Not a dictionary, an unknown option, or the wrong number or type of formulas.
    """
    if options is not None and not isinstance(options, dict):
        raise ValueError(f"options={options!r} must be a dictionary such as {{'formula': 'LiFePO4'}}")
    options = dict(options or {})
    formula = options.pop("formula", None)
    if options:
        raise ValueError(
            f"options holds unknown keys {sorted(options)}; known: 'formula', and 'reset_mask' for batches"
        )
    if formula is None:
        return None
    if not isinstance(formula, str | list | tuple | np.ndarray):
        raise ValueError(f"options['formula']={formula!r} must be a formula or a list of formulas")
    formulas = [formula] * rows if isinstance(formula, str) else list(formula)
    if len(formulas) != rows:
        raise ValueError(f"options['formula'] holds {len(formulas)} formulas for {rows} episodes")
    return formulas
