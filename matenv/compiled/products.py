"""Compiled pieces of neural networks: inference without gradients, for a few rows at a time.

At the widths used here the many small tensor operations between two matrix products would cost as much as the products.
The products are our own as well: every element of a result is summed in one fixed order, so that what a row gives
never depends on the other rows of its batch, and for a few dozen rows they are faster than a general library's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Sums may be reordered, which is what lets them use the whole vector unit; NaN and infinity keep their meaning.
FASTMATH = {"reassoc", "contract", "nsz"}
"""Liberties the compiler may take with these functions and those around them."""

PANEL = 32
"""Columns of a matrix that are multiplied together; `panels` pads to a multiple of it."""

_EPSILON = np.float32(1e-5)  # of torch.nn.LayerNorm
_LOG2E = np.float32(1.4426950408889634)
_LANES = 16  # numbers per vector; the compiler splits vectors that the processor does not have
_WIDE = "+avx512f" in get_host_cpu_features()  # then 32 registers hold a vector each, else 16 half of one
_TILE_ROWS, _TILE_VECTORS = (4, 2) if _WIDE else (6, 1)  # sums that stay in registers, with the factors they need


@njit(inline="always")
def exp_minus(x: np.float32) -> np.float32:
    """Exp(-x) as 2^n times the Taylor series of 2^f, |f| <= 1/2, so that loops vectorise."""
    t = min(max(-x * _LOG2E, np.float32(-120.0)), np.float32(120.0))
    n = np.floor(t + np.float32(0.5))
    f = t - n
    p = np.float32(1.5403530e-4)
    p = p * f + np.float32(1.3333558e-3)
    p = p * f + np.float32(9.6181291e-3)
    p = p * f + np.float32(5.5504109e-2)
    p = p * f + np.float32(2.4022651e-1)
    p = p * f + np.float32(6.9314718e-1)
    p = p * f + np.float32(1.0)
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(inline="always")
def silu(x: np.float32) -> np.float32:
    """X sigmoid(x)."""
    return x / (np.float32(1.0) + exp_minus(x))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def standardise(line: Array, out: Array) -> np.float32:
    """Write (line - mean) / std to `out`, as LayerNorm without its affine part, and return 1 / std.

    `out` may be `line`.
    """
    width = line.shape[0]
    total = np.float32(0.0)
    for k in range(width):
        total += line[k]
    mean = total / np.float32(width)
    squares = np.float32(0.0)
    for k in range(width):
        squares += (line[k] - mean) * (line[k] - mean)
    scale = np.float32(1.0) / np.sqrt(squares / np.float32(width) + _EPSILON)
    for k in range(width):
        out[k] = (line[k] - mean) * scale
    return scale


def padded(columns: int) -> int:
    """The next multiple of `PANEL`."""
    return -(-columns // PANEL) * PANEL


def panels(matrix: Array, rows: int, columns: int) -> Array:
    """A matrix as `add_product` wants it: zero-padded, cut into panels of 32 columns, one below the other.

    Args:
        matrix: At most (rows, columns).
        rows: Rows to pad to.
        columns: Columns to pad to; a multiple of `PANEL`.

    Returns:
        (columns / 32 x rows, 32).
    """
    full = np.zeros((rows, columns), np.float32)
    full[: matrix.shape[0], : matrix.shape[1]] = matrix
    return np.ascontiguousarray(full.reshape(rows, -1, PANEL).swapaxes(0, 1)).reshape(-1, PANEL)


def padded_bias(bias: Array, columns: int) -> Array:
    """A bias with zeros for the columns that fill up a panel."""
    return np.pad(bias, (0, columns - len(bias)))


def _tile(rows: int, parts: int) -> Callable[..., None]:
    """Compiled code that multiplies `rows` rows with a strip of a panel; numba itself keeps no vectors in registers.

    The strip is `parts` vectors wide. The arguments of what is returned are the left factor (R, depth), its first row
    to take, the panel (depth, 32), the strip's first column in it, what to add the product to (R or 1, columns), the
    result (R, columns) and the strip's first column there. Beyond the last row, the last one is computed again.
    """
    vector = ir.VectorType(ir.FloatType(), _LANES)
    undefined, zeros = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), _LANES), None)

    @intrinsic
    def add_tile(
        typing: Any, left: Any, first: Any, panel: Any, strip: Any, base: Any, result: Any, column: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            start, inside, offset = arguments[1], arguments[3], arguments[6]
            a, b, base, c = (
                cgutils.create_struct_proxy(signature.args[k])(context, builder, arguments[k]) for k in (0, 2, 4, 5)
            )
            depth, wide = (builder.extract_value(array.shape, 1) for array in (a, c))
            last = builder.sub(builder.extract_value(a.shape, 0), start.type(1))
            shared = builder.icmp_signed("==", builder.extract_value(base.shape, 0), start.type(1))
            fused = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{_LANES}f32"
            )

            def address(data: Any, position: Any, part: int) -> Any:
                where = builder.add(position, start.type(_LANES * part))
                return builder.bitcast(builder.gep(data, [where]), vector.as_pointer())

            lines, origins, targets = [], [], []
            for r in range(rows):
                row = builder.add(start, start.type(r))
                row = builder.select(builder.icmp_signed("<", row, last), row, last)
                lines.append(builder.mul(row, depth))
                corner = builder.add(builder.mul(row, wide), offset)
                targets += [address(c.data, corner, part) for part in range(parts)]
                corner = builder.select(shared, offset, corner)
                origins += [address(base.data, corner, part) for part in range(parts)]
            sums = [cgutils.alloca_once(builder, vector) for _ in targets]  # become registers
            for origin, total in zip(origins, sums, strict=True):
                builder.store(builder.load(origin, align=4), total)
            with cgutils.for_range(builder, depth) as loop:
                corner = builder.add(builder.mul(loop.index, start.type(PANEL)), inside)
                weights = [builder.load(address(b.data, corner, part), align=4) for part in range(parts)]
                for r, line in enumerate(lines):
                    factor = builder.load(builder.gep(a.data, [builder.add(line, loop.index)]))
                    factor = builder.insert_element(undefined, factor, ir.IntType(32)(0))
                    factor = builder.shuffle_vector(factor, undefined, zeros)
                    for part, weight in enumerate(weights):
                        total = sums[r * len(weights) + part]
                        builder.store(builder.call(fused, [factor, weight, builder.load(total)]), total)
            for target, total in zip(targets, sums, strict=True):
                builder.store(builder.load(total), target, align=4)
            return context.get_dummy_value()

        return types.void(left, first, panel, strip, base, result, column), generate

    return add_tile


_STRIP = _TILE_VECTORS * _LANES
_add_several_rows, _add_one_row = _tile(_TILE_ROWS, _TILE_VECTORS), _tile(1, PANEL // _LANES)


@njit(cache=True, nogil=True, error_model="numpy")
def add_product(base: Array, left: Array, matrix: Array, result: Array) -> None:
    """Write base + left @ matrix to the result; each element is summed in the order of the matrix's rows.

    Args:
        base: (R, columns), or (1, columns) for all rows; contiguous, and may be the result itself.
        left: (R, depth), contiguous.
        matrix: As `panels` returns it, (columns / 32 x depth, 32), contiguous.
        result: (R, columns), contiguous; columns a multiple of 32.
    """
    rows, depth = left.shape
    for p in range(result.shape[1] // PANEL):
        panel, row = matrix[p * depth : (p + 1) * depth], 0
        while rows - row > 1:
            for strip in range(0, PANEL, _STRIP):
                _add_several_rows(left, row, panel, strip, base, result, p * PANEL + strip)
            row += _TILE_ROWS
        if rows - row == 1:
            _add_one_row(left, row, panel, 0, base, result, p * PANEL)
