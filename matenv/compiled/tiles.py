"""Hand-written tiles of a matrix product: the one file that speaks to LLVM and to the inside of numba.

Numba itself keeps no vectors in registers. Where a version of it refuses this file, `products` does without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from matenv.compiled.jit import njit
from matenv.compiled.panels import PANEL, Array

_LANES = 16  # numbers per vector; the compiler splits vectors that the processor does not have
_WIDE = "+avx512f" in get_host_cpu_features()  # then 32 registers hold a vector each, else 16 half of one
_TILE_ROWS, _TILE_VECTORS = (4, 2) if _WIDE else (6, 1)  # sums that stay in registers, with the factors they need


def _tile(rows: int, parts: int) -> Callable[..., None]:
    """Compiled code that multiplies `rows` rows with a strip of a panel.

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
    """As `matenv.compiled.products.add_product`."""
    rows, depth = left.shape
    for p in range(result.shape[1] // PANEL):
        panel, row = matrix[p * depth : (p + 1) * depth], 0
        while rows - row > 1:
            for strip in range(0, PANEL, _STRIP):
                _add_several_rows(left, row, panel, strip, base, result, p * PANEL + strip)
            row += _TILE_ROWS
        if rows - row == 1:
            _add_one_row(left, row, panel, 0, base, result, p * PANEL)
