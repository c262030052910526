"""Pickles as Python 2 wrote them, protocol 2: texts and the bytes of arrays are its strings."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray


def dumps(value: Any) -> bytes:
    """Pickle dictionaries, lists, texts, whole numbers and arrays."""
    return b"\x80\x02" + encoded(value) + b"."


def encoded(value: Any) -> bytes:
    if isinstance(value, dict):
        inside = b"".join(encoded(key) + encoded(held) for key, held in value.items())
        return b"}(" + inside + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(encoded, value)) + b"e"
    if isinstance(value, str):
        return string(value.encode("latin-1"))
    if isinstance(value, np.ndarray):
        return array(value)
    return b"J" + struct.pack("<i", value)


def string(data: bytes) -> bytes:
    if len(data) < 256:
        return b"U" + bytes([len(data)]) + data
    return b"T" + struct.pack("<i", len(data)) + data


def array(values: NDArray[Any]) -> bytes:
    """Write an array the way numpy does; `state` and `built` make up others."""
    kind = values.dtype.str
    shape = b"(" + b"".join(map(encoded, values.shape)) + b"t"
    return built(state(shape, dtype(kind[1:], kind[0]), string(values.tobytes())))


def dtype(code: str, order: str = "|") -> bytes:
    put = b"(K\x03" + encoded(order) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return b"cnumpy\ndtype\n" + encoded(code) + b"K\x00K\x01\x87R" + put


def state(shape: bytes, kind: bytes, data: bytes, version: int = 1) -> bytes:
    return b"(K" + bytes([version]) + shape + kind + b"\x89" + data + b"t"


def built(told: bytes) -> bytes:
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return empty + told + b"b"
