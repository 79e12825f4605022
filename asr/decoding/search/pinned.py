"""Tables that compiled code finds by their address. N: bytes.

Handing a tuple of forty arrays to compiled code takes twenty times as long as decoding a frame. A search therefore
writes its tuple into memory once, in the form that compiled code works with, and then passes only the address.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numba import types
from numpy.typing import NDArray

from asr.kernels.compile import emitted, kernel

Tables = TypeVar("Tables", bound=tuple[Any, ...])


@emitted
def write_tables(_: Any, address: Any, tables: Any) -> Any:
    """Write a tuple to memory as compiled code holds it."""

    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], context.get_data_type(tables).as_pointer())
        context.pack_value(builder, tables, arguments[1], place)
        return context.get_dummy_value()

    return types.void(types.int64, tables), code


@emitted
def size_of_tables(_: Any, tables: Any) -> Any:
    """Bytes that `write_tables` needs."""

    def code(context: Any, _builder: Any, _signature: Any, _arguments: Any) -> Any:
        return context.get_constant(types.int64, context.get_abi_sizeof(context.get_data_type(tables)))

    return types.int64(tables), code


@kernel
def write_at(address: int, tables: Any) -> None:
    """`write_tables`, for Python to call."""
    write_tables(address, tables)


@kernel
def bytes_of(tables: Any) -> int:
    """`size_of_tables`, for Python to call."""
    return int(size_of_tables(tables))


def reader_of(kind: Any) -> Any:
    """The function with which compiled code reads back, from their address, tables of a numba type."""

    @emitted
    def read_tables(_: Any, _address: Any) -> Any:
        def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            place = builder.inttoptr(arguments[0], context.get_data_type(kind).as_pointer())
            return context.unpack_value(builder, kind, place)

        return kind(types.int64), code

    return read_tables


def pinned(tables: tuple[Any, ...]) -> tuple[int, NDArray[np.int64]]:
    """Write a tuple of arrays and numbers to memory.

    Returns:
        Its address, and (N / 8,) the memory. It holds addresses of the arrays, so keep them and the memory alive.
    """
    memory = np.zeros(bytes_of(tables) // 8 + 1, np.int64)
    write_at(memory.ctypes.data, tables)
    return memory.ctypes.data, memory


def read_only(tables: Tables) -> Tables:
    """The same tables with read-only arrays: memory-mapped ones are, and one compiled version shall serve all."""
    return type(tables)(*map(_read_only, tables))


def _read_only(value: Any) -> Any:
    if isinstance(value, tuple):
        return read_only(value)
    if isinstance(value, np.ndarray):
        value = np.ascontiguousarray(value).view()
        value.flags.writeable = False
    return value
