"""Read a published pickle without executing any of it, in whatever file it was put; no torch.

Two walls: the stream is checked before it is read, opcode by opcode, so that only what plain data
consists of gets through, in sizes that can be true; and every name a pickle may ask for stands for
a function of ours that makes numbers, bytes, dictionaries or arrays.
"""

from __future__ import annotations

import bz2
import io
import pickle
import re
import zipfile
from contextlib import ExitStack
from functools import cache
from itertools import chain
from math import prod
from pathlib import Path
from struct import Struct, iter_unpack
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import BadFile

Allowed: TypeAlias = dict[str, "type[_StandIn]"]
"""What a pickle may ask for by name ("collections.OrderedDict"), and what it gets instead."""

LIMIT = 2**28


def load(
    source: str | Path | bytes, what: str, allowed: Allowed | None = None, limit: int = LIMIT
) -> Any:
    """Return the object of a pickle: numbers, strings, bytes, lists, tuples, sets, dictionaries.

    `source` is a file or its bytes. By its content it is a plain pickle (protocol 1 to 5), one
    packed with bz2 (read as a stream), or what `torch.save` writes, as a zip or in its older form;
    tensors are refused; what Python 2 calls strings is text, a character a byte. `allowed` names
    what else may occur: `ORDERED` (collections.OrderedDict, which becomes a dictionary), `NUMPY`
    (numpy numbers, which become Python ones), `ARRAYS` (numpy arrays of numbers, which become
    `Packed`), or several, `ORDERED | NUMPY`. `limit` is how many bytes the unpacked pickle may
    have, with the bytes that are made of its texts; its object may take about ten times as many.

    Raises `BadFile`, in one line that begins with `what`, for anything else, for a damaged or
    truncated file, and for one that is larger or nested deeper than data can be. What comes back
    may still hold the same list a million times: look at types, never print a value unchecked.
    """
    try:
        with ExitStack() as opened:
            return _load(_unpacked(source, limit, opened), allowed or {})
    except BadFile as error:
        raise BadFile(f"{what} was refused, nothing of it ran: {error}") from None
    except MemoryError:
        raise BadFile(f"{what} can't be read: there is not enough memory for it") from None
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise BadFile(f"{what} can't be read: {error.strerror}") from error
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadFile(f"{what} is damaged: {why}") from error


def plain(data: bytes, what: str) -> Any:
    """Return the object of a pickle that holds nothing but plain data; errors as of `load`."""
    return load(data, what)


# ----------------------------------------------------------------------------- what stands for what


class _StandIn:
    """What a name gives a pickle: it can be called, and nothing of it can be set or subclassed."""

    __slots__ = ("_stream",)

    def __init__(self, stream: _Checked) -> None:
        self._stream = stream

    def __setstate__(self, state: object) -> None:
        raise BadFile("it wants to change a function")


class _Dict(_StandIn):
    __slots__ = ()

    def __call__(self) -> dict[Any, Any]:
        return {}


class _Encode(_StandIn):
    """How protocol 2 writes bytes."""

    __slots__ = ()

    def __call__(self, text: str, encoding: str) -> bytes:
        if type(text) is not str or encoding != "latin1":
            raise BadFile("it calls _codecs.encode for something else than bytes")
        self._stream.count(len(text))
        return text.encode("latin-1")


# Of numpy, and of the standard library's struct.
_NUMBERS = {"b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "f2": "e", "f4": "f", "f8": "d"}
_NUMBERS |= {f"u{size}": _NUMBERS[f"i{size}"].upper() for size in (1, 2, 4, 8)}


class _Dtype:
    """The type of a number; its state says in which order the bytes are."""

    __slots__ = ("name", "order", "unpack")

    def __init__(self, name: str) -> None:
        self.name, self.order = name, "="
        self.unpack = Struct("=" + _NUMBERS[name]).unpack

    def __setstate__(self, state: Any) -> None:
        version, order, *rest = state
        if version != 3 or order not in ("<", ">", "=", "|") or rest != [None] * 3 + [-1, -1, 0]:
            raise BadFile("it wants a numpy dtype that is no number")
        self.order = order.replace("|", "=")
        self.unpack = Struct(self.order + _NUMBERS[self.name]).unpack


class _DtypeOf(_StandIn):
    __slots__ = ()

    def __call__(self, name: str, align: bool, copy: bool) -> _Dtype:
        if type(name) is not str or name not in _NUMBERS:
            raise BadFile("it wants a numpy dtype that is no number")
        return _Dtype(name)


class _Number(_StandIn):
    __slots__ = ()

    def __call__(self, dtype: _Dtype, data: bytes) -> float:
        if type(dtype) is not _Dtype or type(data) is not bytes:
            raise BadFile("it calls numpy's scalar for something else than a number")
        (number,) = dtype.unpack(data)
        return number  # type: ignore[no-any-return]


class Packed:
    """An array as a pickle has it; `values` can only be read."""

    __slots__ = ("_stream", "values")

    def __init__(self, stream: _Checked) -> None:
        self._stream = stream
        self.values: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        """Take the bytes, of which there must be as many as shape and type say."""
        version, shape, dtype, fortran, data = state
        if version != 1 or type(dtype) is not _Dtype or self.values is not None:
            raise BadFile("it wants a numpy array that is none of numbers")
        if type(shape) is not tuple or len(shape) > 8 or {*map(type, shape)} - {int}:
            raise BadFile("it wants a numpy array whose shape is none")
        if type(data) is str:  # of Python 2
            self._stream.count(len(data))
            data = data.encode("latin-1")
        kind = np.dtype(dtype.order + dtype.name)
        if type(data) is not bytes or min(shape, default=0) < 0:
            raise BadFile("it wants a numpy array that is none of numbers")
        if len(data) != prod(shape) * kind.itemsize:
            size = "x".join(f"{n:,}" for n in shape)[:60]
            raise BadFile(f"it has an array of {len(data):,} bytes that should be {size} {kind}")
        self.values = np.ndarray(shape, kind, data, order="F" if fortran else "C")


class _NoArray(_StandIn):
    """The class of arrays, which a pickle names and never calls."""

    __slots__ = ()


class _Reconstruct(_StandIn):
    __slots__ = ()

    def __call__(self, kind: _NoArray, shape: tuple[int], code: bytes | str) -> Packed:
        if type(kind) is not _NoArray or shape != (0,) or code not in (b"b", "b"):
            raise BadFile("it calls numpy's _reconstruct for something else than an array")
        return Packed(self._stream)


ORDERED: Allowed = {"collections.OrderedDict": _Dict}
NUMPY: Allowed = {
    "numpy.dtype": _DtypeOf,
    "numpy.core.multiarray.scalar": _Number,
    "numpy._core.multiarray.scalar": _Number,
    "_codecs.encode": _Encode,
}
ARRAYS: Allowed = {
    "numpy.dtype": _DtypeOf,
    "numpy.ndarray": _NoArray,
    "numpy.core.multiarray._reconstruct": _Reconstruct,
    "numpy._core.multiarray._reconstruct": _Reconstruct,
    "_codecs.encode": _Encode,
}


class _Restricted(pickle.Unpickler):
    def __init__(self, stream: _Checked, allowed: Allowed) -> None:
        super().__init__(stream, encoding="latin-1")
        self.allowed = {name: stands(stream) for name, stands in allowed.items()}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.allowed[f"{module}.{name}"]
        except KeyError:
            asked = f"{module}.{name}"[:100]
            raise BadFile(f"it wants to load {asked!r}; plain data needs no such thing") from None


# ------------------------------------------------------------------------------- what file it is in

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
TORCH_PROTOCOL = 1001


def _unpacked(source: str | Path | bytes, limit: int, opened: ExitStack) -> _Checked:
    """Find out what a file is, and return the pickles inside as a stream."""
    file: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")  # noqa: SIM115
    opened.enter_context(file)
    head = file.read(4)
    file.seek(0)
    if head.startswith(b"BZh"):
        return _Checked(opened.enter_context(bz2.open(file)), limit)
    if head != b"PK\x03\x04":
        return _Checked(file, limit)
    archive = opened.enter_context(zipfile.ZipFile(file))
    inside = [name for name in archive.namelist() if re.fullmatch("[^/]+/data[.]pkl", name)]
    if len(inside) != 1:
        raise BadFile("it is a zip, but not of torch.save: it has no single */data.pkl")
    return _Checked(opened.enter_context(archive.open(inside[0])), limit)


def _load(stream: _Checked, allowed: Allowed) -> Any:
    found = _Restricted(stream, allowed).load()
    if type(found) is int and found == TORCH_MAGIC:
        protocol, system, found, tensors = (_next(stream, allowed) for _ in range(4))
        if protocol != TORCH_PROTOCOL or type(system) is not dict or tensors != []:
            raise BadFile("it is of torch.save, but in a form that is not known, or with tensors")
    stream.end()
    return found


def _next(stream: _Checked, allowed: Allowed) -> Any:
    stream.start()
    return _Restricted(stream, allowed).load()


# ------------------------------------------------------------------------------- what may be in it


def _counted(opcode: bytes, zeros: bytes) -> bytes:
    """Match an opcode, a length below 256, and so many bytes."""
    lengths = (re.escape(bytes([n])) + zeros + b".{%d}+" % n for n in range(256))
    return opcode + b"(?:" + b"|".join(lengths) + b")"


@cache
def _named(length: int) -> tuple[re.Pattern[bytes], int]:
    """Return what `_CURVES` has, for floats that are each after a new name of this length."""
    name = b"\x8c%s.{%d}+\x94" % (re.escape(bytes([length])), length)
    return re.compile(b"(?:%s%s)++" % (name, _FLOAT), re.DOTALL), 3 + length


def _bytes(*opcodes: str) -> frozenset[int]:
    return frozenset(ord(opcode) for opcode in "".join(opcodes))


# One value, in the order of how often it occurs: a float, integers, texts and bytes, what is empty.
# Possessive quantifiers: without them, each of a fixed size would remember where to go back to.
_FLOAT = b"G.{8}+"
_SHORT = _counted(b"[\x8cC\x8a]", b"") + b"|" + _counted(b"[XB]", b"\0\0\0")
_VALUE = b"(?:%s|K.|%s|M..|J.{4}+|[]}N\x88\x89)\x8f])" % (_FLOAT, _SHORT)
_PUT = b"\x94|q."  # MEMOIZE, BINPUT: the value is numbered
_GET = b"h.|j.{4}+"  # BINGET, LONG_BINGET: a numbered value again
_VALUES = re.compile(b"(?:%s(?:%s)?+|%s)++" % (_VALUE, _PUT, _GET), re.DOTALL)
_EACH_PUT = re.compile(b"%s(%s)?+|(?:%s)" % (_VALUE, _PUT, _GET), re.DOTALL)
_EACH_GET = re.compile(b"%s(?:%s)?+|(%s)" % (_VALUE, _PUT, _GET), re.DOTALL)
# A curve: floats, alone or each after the number of its epoch or a known name, which is so many
# bytes. All of them are of one size: counting them takes no second search.
_CURVES = {
    ord(key[:1] or b"G"): (re.compile(b"(?:%s%s)++" % (key, _FLOAT), re.DOTALL), size)
    for key, size in ((b"", 0), (b"K.", 2), (b"M..", 3), (b"h.", 2), (b"j.{4}+", 5))
}
# A known key and its list of floats, as a record of curves has them in a row.
_LISTS = re.compile(rb"(?:(?:%s)\](?:%s|r.{4}+)\((?:%s)++e)++" % (_GET, _PUT, _FLOAT), re.DOTALL)
_EACH_LIST = re.compile(rb"(%s)\](%s|r.{4}+)\((?:%s)++e" % (_GET, _PUT, _FLOAT), re.DOTALL)
_GLOBAL = re.compile(rb"c[^\n]{1,200}\n[^\n]{1,200}\n")

_MARK, _STOP, _PROTO, _FRAME, _NAME, _NEW = b"(.\x80\x95c\x8c"
_TUPLE, _TUPLES = ord("t"), {0x85: 1, 0x86: 2, 0x87: 3}
_FILL, _MAKE = _bytes("eu\x90"), _bytes("ld\x91")  # APPENDS SETITEMS ADDITEMS; LIST DICT FROZENSET
_CALLS = {ord("a"): (1, 0), ord("s"): (2, 0), ord("b"): (1, 0), ord("R"): (2, 1), 0x93: (2, 1)}
"""What APPEND, SETITEM, BUILD, REDUCE and STACK_GLOBAL take from the stack and give back."""
_PUTS, _GETS = {ord("q"): 1, ord("r"): 4, 0x94: 0}, _bytes("hj")
_SIZED = {ord("X"): 4, ord("B"): 4, ord("T"): 4, ord("U"): 1, _FRAME: 8}
"""How many bytes tell the length of what follows."""
_PARTS = _bytes("GKMJC\x8c\x8ahj")  # the rest of which may be in the next chunk


class _Checked:
    """A stream of pickles that hands out nothing unchecked.

    It follows what they will do to the stack, with a weight for each value: 0 for a single one, for
    a tuple one more than for all it holds (hashing a tuple takes so many steps, and so much stack),
    for other containers how deep they are nested.
    """

    CHUNK = 2**18
    HEAVIEST = 1000
    VALUE, OBJECTS = 72, 10
    """Bytes a value may take, and how often the limit all of them; 3 to 6 times is usual."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file, self._limit = file, limit
        self._unpacked = self._values = 0
        self._ready, self._at, self._unchecked, self._uncounted = b"", 0, b"", 0
        self.start()

    def start(self) -> None:
        """Expect the next pickle."""
        self._stopped = False
        self._fault: Exception | None = None
        self._stack: list[int] = []
        self._marked: list[list[int]] = []
        self._heavy: dict[bytes, int] = {}
        self._puts = 0
        self._ways: set[bool] = set()

    def end(self) -> None:
        """Check that nothing follows, which for a packed file also checks that it is undamaged."""
        if self._unchecked or self._file.read(1):
            raise BadFile("something follows after its end")

    def peek(self, size: int) -> bytes:
        """Return some bytes and stay where it is; the C unpickler uses it where it exists."""
        if self._at == len(self._ready) and not self._stopped:
            self._fill()
        return self._ready[self._at :]

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer where the pickle ends."""
        parts = []
        while size and (part := self.peek(size)[:size]):
            parts.append(part)
            self._at += len(part)
            size -= len(part)
        return b"".join(parts)

    def readline(self) -> bytes:
        """Return the rest of a line; only names are lines, and come in one piece."""
        line, newline, _ = self.peek(0).partition(b"\n")
        return self.read(len(line + newline))

    def count(self, size: int) -> None:
        """Take note of so many bytes more."""
        self._unpacked += size
        if self._unpacked > self._limit:
            raise BadFile(f"unpacked it is larger than {self._limit:,} bytes")

    def _fill(self) -> None:
        while True:
            if self._fault:
                raise self._fault
            chunk = self._file.read(self.CHUNK)
            self.count(len(chunk))
            data = self._unchecked + chunk
            size = self._check(data)
            if self._unpacked + self.VALUE * self._values > self.OBJECTS * self._limit:
                raise BadFile(f"it makes far more of {self._unpacked:,} bytes than data would")
            self._unchecked = data[size:]
            if size:
                self._ready, self._at = data[:size], 0
                return
            if not chunk and not self._fault:
                raise EOFError("it ends early")

    def _check(self, data: bytes) -> int:
        """Return how many bytes are whole opcodes without a fault: these may happen."""
        place = min(self._uncounted, len(data))
        self._uncounted -= place
        while place < len(data) and not self._stopped:
            op = data[place]
            if op == _MARK:
                self._mark()
                place += 1
            elif op in _FILL:
                self._fill_top(self._close())
                place += 1
            elif (op in _CURVES or op == _NEW) and (end := self._floats(data, place, op)):
                place = end
            elif op in _GETS and (match := _LISTS.match(data, place)):
                self._lists(data, place, match.end())
                place = match.end()
            elif match := _VALUES.match(data, place):
                self._several(data, place, match.end())
                place = match.end()
            else:
                try:
                    end = self._opcode(data, place, op)
                except (BadFile, ValueError) as error:
                    self._fault = error
                    break
                if not end:
                    break
                place, self._uncounted = min(end, len(data)), max(0, end - len(data))
        return place

    def _opcode(self, data: bytes, place: int, op: int) -> int:
        """Follow one opcode; return where it ends, or 0 where it doesn't end in these bytes."""
        end = place + 1
        if op in _PUTS:
            end += _PUTS[op]
            if end <= len(data):
                (top,) = self._take(1)
                self._stack.append(top)
                self._number(data[place:end], top)
        elif op in _CALLS:
            takes, gives = _CALLS[op]
            taken = self._take(takes)
            self._push([0] * gives)
            if op in b"as":
                self._fill_top(taken)
        elif op in _TUPLES:
            self._push([self._light(1 + sum(self._take(_TUPLES[op])))])
        elif op == _TUPLE:
            self._push([self._light(1 + sum(self._close()))])
        elif op in _MAKE:
            held = self._close()
            self._push([0])
            self._fill_top(held)
        elif op in _SIZED:
            start = end + _SIZED[op]
            length = int.from_bytes(data[end:start], "little")
            if length > self._limit:
                raise BadFile(f"it announces {length:,} bytes in one piece")
            if op == _FRAME or start > len(data):
                end = start
            else:
                self._push([0])
                return start + length
        elif op == _NAME:
            match = _GLOBAL.match(data, place)
            if match is None and len(data) - place > 402:
                raise BadFile("it wants to load something with a long name")
            self._push([0] * (match is not None))
            end = match.end() if match else len(data) + 1
        elif op == _PROTO:
            end += 1
        elif op == _STOP:
            self._stopped = True
        elif op in _PARTS:
            return 0
        else:
            from pickletools import opcodes

            names = [info.name for info in opcodes if ord(info.code) == op]
            if not names:
                raise ValueError(f"{op:#x} is no opcode")
            raise BadFile(f"its opcode {names[0]} has no place in plain data")
        return end if end <= len(data) else 0

    def _push(self, weights: list[int]) -> None:
        self._stack += weights
        self._values += len(weights)

    def _several(self, data: bytes, start: int, end: int) -> None:
        """Push values in a row."""
        puts = _EACH_PUT.findall(data, start, end)
        weights = [0] * len(puts)
        if self._heavy:
            gets = _EACH_GET.findall(data, start, end)
            if not self._heavy.keys().isdisjoint(gets):
                weights = [self._heavy.get(get, 0) for get in gets]
        self._push(weights)
        if numbered := len(puts) - puts.count(b""):
            memoized = puts.count(b"\x94")
            self._way(*[True] * (memoized > 0), *[False] * (memoized < numbered))
            self._puts += numbered

    def _floats(self, data: bytes, start: int, op: int) -> int:
        """Push a curve and its keys; return where it ends, or 0 if it is none that is as simple."""
        if start + 1 == len(data):
            return 0
        floats, size = _named(data[start + 1]) if op == _NEW else _CURVES[op]
        if not (match := floats.match(data, start)):
            return 0
        end = match.end()
        count = (end - start) // (size + 9)
        if op in _GETS:
            gets = iter_unpack(f"{size}s9x", data[start:end])
            if not self._heavy.keys().isdisjoint(chain.from_iterable(gets)):
                return 0
        self._push([0] * (count * (2 if size else 1)))
        if op == _NEW:
            self._way(True)
            self._puts += count
        return end

    def _lists(self, data: bytes, start: int, end: int) -> None:
        for get, put in _EACH_LIST.findall(data, start, end):
            self._push([self._heavy.get(get, 0), 1])
            self._number(put, 0)
        self._values += (end - start) // 9

    def _take(self, count: int) -> list[int]:
        if count > (size := len(self._stack)):
            raise ValueError("it takes from an empty stack")
        taken = self._stack[size - count :]
        del self._stack[size - count :]
        return taken

    def _mark(self) -> None:
        self._marked.append(self._stack)
        self._stack = []
        self._values += 1
        self._light(len(self._marked))

    def _close(self) -> list[int]:
        """Return what was pushed since the last mark."""
        if not self._marked:
            raise ValueError("it takes from an empty stack")
        held, self._stack = self._stack, self._marked.pop()
        return held

    def _fill_top(self, held: list[int]) -> None:
        (top,) = self._take(1)
        deepest = 0 if held.count(0) == len(held) else max(held)
        self._stack.append(self._light(max(top, 1 + deepest)))

    def _light(self, weight: int) -> int:
        if weight > self.HEAVIEST:
            raise BadFile(f"it is nested deeper than {self.HEAVIEST} levels")
        return weight

    def _number(self, put: bytes, weight: int) -> None:
        """Number a value; the unpickler makes room for all numbers up to the one that is told."""
        memoize = put == b"\x94"
        self._way(memoize)
        index = self._puts if memoize else int.from_bytes(put[1:], "little")
        if index > self._puts + 255:
            raise BadFile(f"it numbers a value {index:,} after {self._puts:,} values")
        if weight:
            self._heavy[b"j" + index.to_bytes(4, "little")] = weight
            if index < 256:
                self._heavy[b"h%c" % index] = weight
        self._puts += 1

    def _way(self, *memoize: bool) -> None:
        """Numbers are told (BINPUT) or counted (MEMOIZE); both at once can't be followed."""
        self._ways.update(memoize)
        if len(self._ways) > 1:
            raise BadFile("it numbers its values in two ways")
