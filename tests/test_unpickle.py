"""Hostile, damaged and oversized pickles: one line says why, nothing runs, nothing grows."""

from __future__ import annotations

import bz2
import copyreg
import io
import json
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasbench.errors import BadFile
from nasbench.unpickle import (
    ARRAYS,
    LIMIT,
    NUMPY,
    ORDERED,
    TORCH_MAGIC,
    Allowed,
    Packed,
    _Checked,
    _Restricted,
    load,
    plain,
)
from tests import old_pickle

BOTH = NUMPY | ORDERED
EVERYTHING = BOTH | ARRAYS
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
SYSTEM = {"protocol_version": 1001, "little_endian": True}


def refusal(data: bytes | Path, limit: int = LIMIT, allowed: Allowed = BOTH) -> str:
    """Return the one line with which a file is refused."""
    with pytest.raises(BadFile) as error:
        load(data, "x.pth", allowed, limit)
    text = str(error.value)
    assert text.startswith("x.pth ")
    assert text.isprintable()
    assert len(text) < 300
    return text


def zipped(data: bytes, name: str = "archive/data.pkl", method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, data)
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def legacy(data: bytes, tensors: Any = ()) -> bytes:
    parts = [pickle.dumps(part, 2) for part in (TORCH_MAGIC, 1001, SYSTEM)]
    return b"".join([*parts, data, pickle.dumps(list(tensors), 2)])


WRAPPED: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "bz2": bz2.compress,
    "torch zip": zipped,
    "packed zip": lambda data: zipped(data, method=zipfile.ZIP_DEFLATED),
    "torch stream": legacy,
    "torch stream, in its head": lambda data: pickle.dumps(TORCH_MAGIC, 2) + data,
}

# ------------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("wrap", list(WRAPPED)[:5])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_is_read(wrap: str, protocol: int, tmp_path: Path) -> None:
    key = ("cifar10", 777)
    told = {
        "a": [1.5, -2, 300, 70000, 2**40, True, None, float("inf")],
        key: OrderedDict([(key, 1), ("b", (1.0, (2.0, "ü" * 1000)))]),
        "none": [(), [], {}, ((),)],
        "many": [[float(n)] * (n % 5) for n in range(3000)],
        "again": [key] * 3,
        "numbers": [np.float64(0.1), np.float32(0.5), np.int64(-3), np.bool_(True)],
    }
    numpy = [np.array(1.5, ">f8")[()], np.uint8(200), np.float16(0.5)]
    packed = WRAPPED[wrap](pickle.dumps({**told, "more": numpy}, protocol))
    path = tmp_path / "x.pth"
    path.write_bytes(packed)
    for source in (packed, path, str(path)):
        found = load(source, "x.pth", BOTH)
        assert found == {**told, "more": numpy}
        assert [type(n) for n in found["numbers"]] == [float, float, int, bool]
        assert type(found[key]) is dict


def test_big_endian_numbers() -> None:
    """numpy turns a number of the other byte order into its own; a dtype can tell either."""
    data = pickle.dumps(np.float64(1.5), 2)
    assert data.count(b"X\x01\x00\x00\x00<") == 1
    other = data.replace(b"X\x01\x00\x00\x00<", b"X\x01\x00\x00\x00>")
    (expected,) = struct.unpack(">d", struct.pack("<d", 1.5))
    assert load(other, "x", NUMPY) == expected


def test_old_and_new_names_of_numpy() -> None:
    for protocol in (2, 3):
        data = pickle.dumps(np.float64(0.1), protocol)
        assert b"numpy._core.multiarray" in data
        old = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
        assert load(old, "x", NUMPY) == load(data, "x", NUMPY) == 0.1


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {f"{n}": [n / 7, (n, "x" * n), np.float64(n), {n: b"y" * (n + 1)}] for n in range(300)}
    for protocol in (2, 4):
        data = pickle.dumps(told, protocol)
        for size in (1, 7, 64, 1000):
            monkeypatch.setattr("nasbench.unpickle._Checked.CHUNK", size)
            assert load(data, "x", BOTH) == told


def made_up(rng: np.random.Generator, depth: int = 0) -> Any:
    """Make nested data of every kind, with tuples and texts that occur again."""
    kind = rng.integers(11 if depth < 4 else 6)
    inside = [made_up(rng, depth + 1) for _ in range(rng.integers(6) if kind > 5 else 0)]
    again = [("a", 1), "text", [1.5], (("b",), 2)]
    some = [float(kind), -1, 255, 256, 2**40, None, True, (), b"c", "x" * 300, *AGAIN, *again]
    return [
        some[rng.integers(len(some))],
        np.float64(rng.random()),
        rng.random(rng.integers(9)).tolist(),
        {f"test@{n}": n / 7 for n in range(rng.integers(9))},
        dict(enumerate(rng.random(5).tolist(), 254)),
        {"key": rng.random(4).tolist(), "text": rng.random(4).tolist()},
        inside,
        tuple(inside),
        dict(zip(["key", ("a", 1), *range(4)], inside, strict=False)),
        OrderedDict(enumerate(inside)),
        {"key": inside, "text": {"key": tuple(inside)}},
    ][kind]


AGAIN = [("again", 7), "again", (("again",), [0.5])]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_check_follows_the_unpickler(protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it knows of the stack and of the numbered values is what there is."""
    rng = np.random.default_rng(protocol)
    for _ in range(300):
        monkeypatch.setattr(_Checked, "CHUNK", int(rng.choice([3, 50, 2**18])))
        told = made_up(rng)
        stream = _Checked(io.BytesIO(pickle.dumps(told, protocol)), LIMIT)
        unpickler = _Restricted(stream, BOTH)
        assert unpickler.load() == told
        assert (len(stream._stack), stream._marked) == (1, [])
        numbered = unpickler.memo.copy()
        assert stream._puts == len(numbered)
        for index, value in numbered.items():
            known = b"j" + index.to_bytes(4, "little") in stream._heavy
            assert known == (type(value) is tuple)


def test_nothing_is_allowed_unless_told() -> None:
    for value, name in ((OrderedDict(a=1), "OrderedDict"), (np.float64(1.5), "numpy")):
        for protocol in (2, 4):
            data = pickle.dumps(value, protocol)
            assert load(data, "x", BOTH) == value
            with pytest.raises(BadFile, match=rf"nothing of it ran: .*{name}"):
                plain(data, "x")


# ---------------------------------------------------------------------------------------- arrays

SHAPES: tuple[tuple[int, ...], ...] = ((7,), (3, 4), (2, 3, 5), (), (300, 2))


@pytest.mark.parametrize("code", ["u1", "i8", "f4", "f8", "b1", ">f4", "f2"])
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays(code: str, protocol: int) -> None:
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        for order in ("C", "F"):
            told = np.asarray(rng.integers(256, size=shape), code, order=order)
            for data in (pickle.dumps({"a": told}, protocol), old_pickle.dumps({"a": told})):
                found = load(data, "x", ARRAYS)["a"]
                assert type(found) is Packed
                assert found.values is not None
                assert found.values.dtype == told.dtype
                np.testing.assert_array_equal(found.values, told)
                assert not found.values.flags.writeable


def test_arrays_of_nothing() -> None:
    for shape in ((0,), (5, 0)):
        for data in (pickle.dumps(np.zeros(shape), 3), old_pickle.dumps(np.zeros(shape))):
            assert load(data, "x", ARRAYS).values.shape == shape


def test_arrays_are_refused_unless_told() -> None:
    for data in (pickle.dumps(np.arange(3), 2), old_pickle.dumps(np.arange(3))):
        for allowed in ({}, ORDERED, NUMPY, BOTH):
            assert "wants to load 'numpy" in refusal(data, allowed=allowed)


def test_old_strings() -> None:
    told = {"data": "".join(map(chr, range(256))), "long": "x" * 300, "": ["", "ü"]}
    assert load(old_pickle.dumps(told), "x") == told


def odd_arrays() -> dict[str, tuple[bytes, str]]:
    """Make arrays by hand, each with what its refusal says."""
    string, dtype, state, built = (
        old_pickle.string,
        old_pickle.dtype,
        old_pickle.state,
        old_pickle.built,
    )
    u1, two, data = dtype("u1"), b"K\x02\x85", string(b"ab")
    rebuild = b"cnumpy.core.multiarray\n_reconstruct\n"
    array = b"cnumpy\nndarray\n"
    good = state(two, u1, data)
    huge = b"\x8a\x09" + (2**64).to_bytes(9, "little")
    return {
        "shape too large": (built(state(b"K\x03\x85", u1, data)), "2 bytes that should be 3 uint8"),
        "shape too small": (built(state(b"K\x01\x85", u1, data)), "2 bytes that should be 1 uint8"),
        "wider numbers": (built(state(two, dtype("f8"), data)), "should be 2 float64"),
        "huge shape": (
            built(state(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", u1, data)),
            "should be 2,147,483,647x2,147,483,647",
        ),
        "endless shape": (built(state(b"(" + huge * 8 + b"t", u1, data)), "2 bytes that should be"),
        "nothing, but long": (built(state(huge + b"K\0\x86", u1, string(b""))), "damaged"),
        "negative shape": (
            built(state(b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86", u1, data)),
            "none",
        ),
        "many dimensions": (built(state(b"(" + b"K\x01" * 99 + b"t", u1, string(b"a"))), "shape"),
        "shape of truths": (built(state(b"\x88\x88\x86", u1, string(b"a"))), "shape"),
        "shape of fractions": (
            built(state(b"G" + struct.pack(">d", 2) + b"\x85", u1, data)),
            "shape",
        ),
        "shape is a number": (built(state(b"K\x02", u1, data)), "shape"),
        "shape is a list": (built(state(b"]K\x02a", u1, data)), "shape"),
        "objects": (built(state(two, dtype("O8"), b"]K\x01aK\x02a")), "no number"),
        "texts": (built(state(two, dtype("S1"), data)), "no number"),
        "list as bytes": (built(state(two, u1, b"]K\x01aK\x02a")), "none of numbers"),
        "array as bytes": (built(state(two, u1, built(good))), "none of numbers"),
        "text beyond latin-1": (built(state(two, u1, b"X\x04\0\0\0" + "ŵŵ".encode())), "damaged"),
        "type is a text": (built(state(two, b"U\x02u1", data)), "none of numbers"),
        "type is a name": (built(state(two, b"cnumpy\ndtype\n", data)), "none of numbers"),
        "another version": (built(state(two, u1, data, version=2)), "none of numbers"),
        "state is a number": (built(b"K\x01"), "damaged"),
        "state is short": (built(two), "damaged"),
        "state is a dictionary": (built(b"}U\x06valuesK\x01s"), "damaged"),
        "state of slots": (built(b"N}U\x06valuesK\x01s\x86"), "damaged"),
        "built again": (built(good) + good + b"b", "none of numbers"),
        "reconstructs a type": (rebuild + b"cnumpy\ndtype\nK\0\x85U\x01b\x87R", "_reconstruct"),
        "reconstructs a shape": (rebuild + array + b"K\x05\x85U\x01b\x87R", "_reconstruct"),
        "reconstructs an object": (rebuild + array + b"K\0\x85U\x01O\x87R", "_reconstruct"),
        "reconstructs nothing": (rebuild + b")R", "damaged"),
        "class is called": (array + b"K\x05\x85R", "damaged"),
        "array is called": (built(good) + b"K\x05\x85R", "damaged"),
        "array is appended to": (built(good) + b"K\x05a", "damaged"),
        "array is extended": (built(good) + b"(K\x05K\x06e", "damaged"),
        "item is set": (built(good) + b"K\0K\x05s", "damaged"),
        "another function": (b"cnumpy.core.multiarray\nfromfile\n", "fromfile"),
        "a subclass": (rebuild + b"cnumpy\nmemmap\nK\0\x85U\x01b\x87R", "memmap"),
        "string of a negative length": (b"T\xff\xff\xff\xffa", "announces 4,294,967,295 bytes"),
        "string cut": (b"T\xff\0\0\0a", "damaged"),
    }


@pytest.mark.parametrize("kind", odd_arrays())
def test_odd_arrays(kind: str) -> None:
    data, words = odd_arrays()[kind]
    for wrap in WRAPPED.values():
        assert words in refusal(wrap(b"\x80\x02" + data + b"."), allowed=EVERYTHING), kind


def test_copies_are_counted() -> None:
    """A million arrays may share their bytes; bytes that have to be made count like the file's."""
    bytes_, text = (
        b"B" + (10**5).to_bytes(4, "little") + bytes(10**5),
        old_pickle.string(bytes(10**5)),
    )
    head = b"\x80\x03" + old_pickle.dtype("u1") + b"q\0"
    array = old_pickle.built(old_pickle.state(b"J\xa0\x86\x01\0\x85", b"h\0", b"h\x01"))
    shared = load(head + bytes_ + b"q\x01](" + array * 99 + b"e.", "x", ARRAYS, 10**6)
    assert all(each.values.nbytes == 10**5 for each in shared)
    encode = b"c_codecs\nencode\nh\x01U\x06latin1\x86R"
    for each in (array, encode):
        data = head + text + b"q\x01](" + each * 99 + b"e."
        assert "larger than 1,000,000 bytes" in refusal(data, 10**6, ARRAYS)


def test_flipped_bytes_of_arrays() -> None:
    rng = np.random.default_rng(0)
    told = {"data": np.arange(12, dtype="u1").reshape(3, 4), "labels": [1, 2], "x": "text"}
    for data in (pickle.dumps(told, 2), pickle.dumps(told, 3), old_pickle.dumps(told)):
        for _ in range(2000):
            changed = bytearray(data)
            for place in rng.integers(len(data), size=rng.integers(1, 4)):
                changed[place] = rng.integers(256)
            with suppress(BadFile):
                load(bytes(changed), "x.pth", EVERYTHING, limit=10**6)


# ----------------------------------------------------------------------------------- what would run


class Payload:
    """Pickles as a call: whoever loads it runs it."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


class State:
    """Pickles as an allowed object with a state to be put into it."""

    def __init__(self, function: Any, args: tuple[Any, ...], state: Any) -> None:
        self.parts = function, args, state

    def __reduce__(self) -> Any:
        return self.parts


def calls(target: Path) -> Iterator[Any]:
    code = f"open({str(target)!r}, 'w').close()"
    yield Payload(os.system, f"touch {target}")
    yield Payload(os.mkdir, str(target))
    yield Payload(exec, code)
    yield Payload(eval, code)
    yield Payload(__import__, "antigravity")
    yield Payload(subprocess.run, ["touch", str(target)])
    yield Payload(getattr, Payload(__import__, "os"), "system")
    yield Payload(np.save, str(target), 1)
    yield Payload(np.load, str(target))
    yield Payload(np.fromfile, str(target))
    yield Payload(np.vectorize, Payload(eval, "print"))
    yield Payload(copyreg._reconstructor, Path, object, None)  # type: ignore[attr-defined]
    yield State(OrderedDict, (), {"items": Payload(os.mkdir, str(target))})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_call_runs(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "target"
    for call in calls(target):
        for value in (call, [1.0, {"x": (call,)}], {"a": {call: 1.0}}, (1, [call] * 3)):
            data = pickle.dumps(value, protocol)
            for wrap in WRAPPED.values():
                for allowed in (BOTH, EVERYTHING):
                    text = refusal(wrap(data), allowed=allowed)
                    assert "was refused, nothing of it ran: it" in text
    assert not target.exists()


def opcodes(target: str) -> dict[str, tuple[bytes, str]]:
    """Make pickles by hand, each with what its refusal says."""
    line = target.encode()
    text = b"\x8c" + bytes([len(line)]) + line
    mkdir, dtype = b"\x8c\x02os\x8c\x05mkdir\x93", b"\x8c\x05numpy\x8c\x05dtype\x93"
    scalar = b"\x8c\x16numpy._core.multiarray\x8c\x06scalar\x93"
    ordered = b"\x8c\x0bcollections\x8c\x0bOrderedDict\x93"
    f8 = dtype + b"\x8c\x02f8\x89\x88\x87R"
    return {
        "GLOBAL": (b"cos\nmkdir\n(" + text + b"tR.", "'os.mkdir'"),
        "GLOBAL, protocol 0": (b"cos\nmkdir\n(V" + line + b"\ntR.", "'os.mkdir'"),
        "STACK_GLOBAL": (b"\x80\x04" + mkdir + text + b"\x85R.", "'os.mkdir'"),
        "dotted": (
            b"\x80\x04\x8c\x0bcollections\x8c\x1aOrderedDict.__init__.__glo\x93.",
            "Ordered",
        ),
        "dotted numpy": (b"\x80\x04\x8c\x05numpy\x8c\x0dloadtxt.sys.x\x93.", "numpy.loadtxt"),
        "name is no text": (b"\x80\x04K\x01K\x02\x93.", "damaged"),
        "name of lines": (b"\x80\x04\x8c\x05o\ns\x1b[\x8c\x06sys\ntm\x93.", "wants to load"),
        "long name": (b"c" + b"o" * 999 + b"\nx\n.", "a long name"),
        "INST": (b"(" + text + b"ios\nmkdir\n.", "INST"),
        "OBJ": (b"(cos\nmkdir\n" + text + b"o.", "'os.mkdir'"),
        "OBJ, allowed": (b"\x80\x04(" + ordered + b"o.", "OBJ"),
        "NEWOBJ": (b"\x80\x04" + ordered + b")\x81.", "NEWOBJ"),
        "NEWOBJ_EX": (b"\x80\x04" + ordered + b")}\x92.", "NEWOBJ_EX"),
        "EXT1": (b"\x80\x02\x82\x01.", "EXT1"),
        "EXT2": (b"\x80\x02\x83\x01\x01.", "EXT2"),
        "EXT4": (b"\x80\x02\x84\x01\x01\x01\x01.", "EXT4"),
        "PERSID": (b"P0\n.", "PERSID"),
        "BINPERSID": (b"\x80\x02X\x07\0\0\0storageQ.", "BINPERSID"),
        "NEXT_BUFFER": (b"\x80\x05\x97.", "NEXT_BUFFER"),
        "BYTEARRAY8": (b"\x80\x05\x96\x01\0\0\0\0\0\0\0a.", "BYTEARRAY8"),
        "DUP": (b"\x80\x02K\x012\x86.", "DUP"),
        "no opcode": (b"\x80\x02\xff.", "0xff is no opcode"),
        "state of a function": (b"\x80\x04" + scalar + b"}\x8c\x01aK\x01sb.", "change a function"),
        "slots of a function": (b"\x80\x04" + ordered + b"N}\x8c\x01aK\x01s\x86b.", "a function"),
        "state of a dictionary": (b"\x80\x04" + ordered + b")R}\x8c\x01aK\x01sb.", "damaged"),
        "OrderedDict(x)": (b"\x80\x04" + ordered + b"]\x85R.", "damaged"),
        "dtype of objects": (b"\x80\x04" + dtype + b"\x8c\x02O8\x89\x88\x87R.", "no number"),
        "dtype of records": (b"\x80\x04" + dtype + b"\x8c\x02V8\x89\x88\x87R.", "no number"),
        "dtype of a list": (b"\x80\x04" + dtype + b"]\x89\x88\x87R.", "no number"),
        "dtype of fields": (
            b"\x80\x04"
            + f8
            + b"(K\x03\x8c\x01<N\x8c\x01aN}J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.",
            "no number",
        ),
        "dtype is called": (b"\x80\x04" + f8 + b")R.", "damaged"),
        "scalar of a list": (
            b"\x80\x04" + scalar + f8 + b"]\x86R.",
            "something else than a number",
        ),
        "scalar of no type": (b"\x80\x04" + scalar + b"]C\x01a\x86R.", "something else"),
        "scalar cut": (b"\x80\x04" + scalar + f8 + b"C\x01a\x86R.", "damaged"),
        "another codec": (b"\x80\x02c_codecs\nencode\nX\1\0\0\0aX\5\0\0\0rot13\x86R.", "encode"),
        "a number is called": (b"\x80\x02K\x01)R.", "damaged"),
        "empty stack": (b"\x80\x02a.", "empty stack"),
        "no mark": (b"\x80\x02]e.", "empty stack"),
        "no memo": (b"\x80\x02]h\x05a.", "damaged"),
        "unhashable": (b"\x80\x02}]K\x01s.", "damaged"),
    }


@pytest.mark.parametrize("kind", opcodes("target"))
def test_no_opcode_runs(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "t"
    data, words = opcodes(str(target)[:200])[kind]
    for wrap in WRAPPED.values():
        for allowed in (BOTH, EVERYTHING):
            assert words in refusal(wrap(data), allowed=allowed), kind
    assert not target.exists()


def test_hostile_pickles_are_real(tmp_path: Path) -> None:
    """A test of the test: the standard library does what they say."""
    target = tmp_path / "target"
    done = 0
    for call in list(calls(target))[:4]:
        for protocol in PROTOCOLS:
            pickle.loads(pickle.dumps([call], protocol))
            done += target.exists()
            target.rmdir() if target.is_dir() else target.unlink(missing_ok=True)
    assert done == 4 * len(PROTOCOLS)
    for kind in ("GLOBAL", "STACK_GLOBAL", "INST"):
        pickle.loads(opcodes(str(target))[kind][0])
        target.rmdir()


def test_extension_registry(tmp_path: Path) -> None:
    """What another part of the program has registered, and even used, stays out of reach."""
    target = tmp_path / "target"
    copyreg.add_extension("os", "mkdir", 77)
    try:
        assert pickle.loads(b"\x80\x02\x82\x4d.") is os.mkdir  # and now it lies in a cache
        path = str(target).encode()
        data = b"\x80\x04\x82\x4d\x8c" + bytes([len(path)]) + path + b"\x85R."
        assert "EXT1" in refusal(data)
    finally:
        copyreg.remove_extension("os", "mkdir", 77)
    assert not target.exists()


def test_functions_stay_as_they_are() -> None:
    """No state that a pickle sets outlives it."""
    for name, stands in EVERYTHING.items():
        module, _, last = name.rpartition(".")
        for state in (b"}\x8c\x01aK\x01s", b"N}\x8c\x08__call__K\x01s\x86"):
            data = b"\x80\x04\x8c%c%s\x8c%c%s\x93" % (
                len(module),
                module.encode(),
                len(last),
                last.encode(),
            )
            text = refusal(data + state + b"b.", allowed=EVERYTHING)
            assert "it wants to change a function" in text
        assert not hasattr(stands(_Checked(io.BytesIO(), 1)), "__dict__")


# -------------------------------------------------------------------- damaged, or something else


@pytest.mark.parametrize("wrap", list(WRAPPED)[:5])
@pytest.mark.parametrize("protocol", [2, 4])
def test_truncated(wrap: str, protocol: int) -> None:
    told = {"a": [1.5, "text" * 99, (1, 2)], "b": [np.float64(3)] * 3, "c": OrderedDict(d=b"e")}
    data = WRAPPED[wrap](pickle.dumps(told, protocol))
    for size in [*range(len(data) - 1, 0, -max(1, len(data) // 97)), 0]:
        refusal(data[:size])


def test_flipped_bytes() -> None:
    """A damaged pickle is refused or gives other data; there is no other way out."""
    rng = np.random.default_rng(0)
    data = pickle.dumps({"a": [1.5, (1, 2)], "b": [np.float64(3)] * 2, "c": OrderedDict(d=b"e")}, 2)
    for _ in range(3000):
        changed = bytearray(data)
        for place in rng.integers(len(data), size=rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        with suppress(BadFile):
            load(bytes(changed), "x.pth", BOTH, limit=10**6)


OTHERS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "ends early"),
    "text": (b"name,value\na,1\n", "is damaged"),
    "gzip": (b"\x1f\x8b\x08" + b"\0" * 50, "is damaged"),
    "another zip": (zipped(b"a", "archive/other"), "not of torch.save"),
    "two pickles in a zip": (
        zipped(b"N.")[:0]
        + zipped(pickle.dumps(1), "b/data.pkl").replace(b"archive/version", b"archve/data.pkl"),
        "not of torch.save",
    ),
    "something behind": (pickle.dumps([1]) + b"more", "follows after its end"),
    "something behind, packed": (bz2.compress(pickle.dumps([1]) + b"more"), "follows"),
    "tensors": (legacy(b"\x80\x02]q\x00.", ["0"]), "with tensors"),
    "another torch": (
        pickle.dumps(TORCH_MAGIC, 2) + pickle.dumps(1002, 2) + legacy(b"\x80\x02N.")[18:],
        "x.pth",
    ),
    "future protocol": (b"\x80\x63N.", "is damaged"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_something_else(kind: str) -> None:
    data, words = OTHERS[kind]
    assert words in refusal(data)


def test_checksums() -> None:
    data = pickle.dumps(list(range(9999)), 4)
    for packed in (zipped(data), bz2.compress(data)):
        place = len(packed) // 2
        changed = packed[:place] + bytes([packed[place] ^ 1]) + packed[place + 1 :]
        assert "is damaged" in refusal(changed)


def test_no_file(tmp_path: Path) -> None:
    assert "damaged" not in refusal(tmp_path / "absent")
    assert "damaged" not in refusal(tmp_path)


# --------------------------------------------------------------------------- what would be large

SIZE = 3 * 10**7
"""Bytes of what is packed small: thirty times the limit, and enough to be seen in memory."""


def bombs() -> dict[str, tuple[bytes, str]]:
    """Make files of at most some kilobytes, each with what its refusal says."""

    def long(number: int) -> bytes:
        return number.to_bytes(8, "little")

    def lying(data: bytes) -> bytes:
        packed = zipped(data, method=zipfile.ZIP_DEFLATED)
        size = len(data).to_bytes(4, "little")
        assert packed.count(size) == 2
        return packed.replace(size, b"\x63\0\0\0")

    text = b"X" + (10**5).to_bytes(4, "little") + bytes(10**5)
    twice = [(n, n, n + 1) for n in range(99)]
    return {
        "nothings, bz2": (bz2.compress(b"N" * SIZE), "makes far more"),
        "lists, bz2": (bz2.compress(b"]" * SIZE), "makes far more"),
        "a text, bz2": (bz2.compress(b"X" + long(SIZE)[:4] + bytes(SIZE)), "announces"),
        "texts, bz2": (bz2.compress(text * (SIZE // 10**5)), "larger than 1,000,000 bytes"),
        "marks, bz2": (bz2.compress(b"(" * SIZE), "nested deeper"),
        "zip": (zipped(b"\x80\x02(" + b"}" * SIZE, method=zipfile.ZIP_DEFLATED), "far more"),
        "lying zip": (lying(b"\x80\x02(" + b"N" * SIZE), ""),
        "BINUNICODE8": (b"\x80\x04\x8d" + long(2**62) + b"a.", "BINUNICODE8"),
        "BINBYTES8": (b"\x80\x04\x8e" + long(2**40) + b"a.", "BINBYTES8"),
        "BYTEARRAY8": (b"\x80\x05\x96" + long(2**36) + b"a.", "BYTEARRAY8"),
        "BINUNICODE": (b"\x80\x02X\xff\xff\xff\xffa.", "announces 4,294,967,295 bytes"),
        "BINBYTES": (b"\x80\x03B\xff\xff\xff\xffa.", "announces 4,294,967,295 bytes"),
        "LONG4": (b"\x80\x02\x8b\xff\xff\xff\x7fa.", "LONG4"),
        "FRAME": (b"\x80\x04\x95" + long(2**40) + b"N.", "announces 1,099,511,627,776 bytes"),
        "FRAME, a little": (b"\x80\x04\x95" + long(10**6) + b"N.", "damaged"),
        "memo": (b"\x80\x02Nr\xff\xff\xff\xff.", "numbers a value 4,294,967,295"),
        "memo as text": (b"\x80\x02Np4294967295\n.", "PUT"),
        "INT": (b"I" + b"9" * 10**6 + b"\n.", "INT"),
        "deep lists": (b"\x80\x02" + b"]" * 10**5 + b"a" * 10**5 + b".", "nested deeper"),
        "deep tuples": (b"\x80\x02})" + b"\x85" * 10**5 + b"Ns.", "nested deeper"),
        "deep marks": (b"\x80\x02" + b"(" * 10**5 + b"t" * 10**5 + b".", "nested deeper"),
        "laughing tuples": (
            b"\x80\x02)q\0" + b"".join(b"h%ch%c\x86q%c" % n for n in twice) + b"}h\x63Ns.",
            "nested deeper",
        ),
        "laughing tuples, long numbers": (
            b"\x80\x02)r\0\0\0\0"
            + b"".join(b"j%c\0\0\0h%c\x86r%c\0\0\0" % n for n in twice)
            + b"}h\x63Ns.",
            "nested deeper",
        ),
        "laughing tuples, counted": (
            b"\x80\x04)\x94" + b"".join(b"h%ch%c\x86\x94" % n[:2] for n in twice) + b"}h\x63Ns.",
            "nested deeper",
        ),
        "laughing tuples, marked": (
            b"\x80\x04)\x94" + b"".join(b"(h%ch%ct\x94" % n[:2] for n in twice) + b"}h\x63Ns.",
            "nested deeper",
        ),
        "counted and told": (b"\x80\x04Nq\0)\x85\x94h\0h\0\x86\x94.", "two ways"),
    }


PROBE = """
import json, sys, time
from pathlib import Path
from nasbench.errors import BadFile
from nasbench.unpickle import NUMPY, ORDERED, load
from tests.transnas_pth import peak

told = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    memory, seconds = peak(), time.process_time()
    try:
        load(path, "x.pth", NUMPY | ORDERED, 10**6)
    except BadFile as error:
        told[path.name] = str(error), time.process_time() - seconds, (peak() - memory) / 2**20
print(json.dumps(told))
"""


def test_bombs(tmp_path: Path) -> None:
    """In a process of their own: each is refused within a second and a few megabytes."""
    made = bombs()
    for kind, (data, _) in made.items():
        (tmp_path / kind).write_bytes(data)
    command = [sys.executable, "-c", PROBE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    told = json.loads(done.stdout)
    assert told.keys() == made.keys()
    for kind, (text, seconds, megabytes) in told.items():
        assert text.startswith("x.pth ")
        assert made[kind][1] in text, (kind, text)
        assert seconds < 1, (kind, seconds)
        assert megabytes < 32, (kind, megabytes)


def test_laughing_lists_are_small() -> None:
    """A list in itself, and lists that would be endless if written out: nobody writes them out."""
    laughing = b"\x80\x02]q\0" + b"".join(b"](h%ch%ceq%c" % (n, n, n + 1) for n in range(60)) + b"."
    assert len(plain(laughing, "x")) == 2
    endless = plain(b"\x80\x02]q\0h\0a.", "x")
    assert endless[0] is endless


def test_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("nasbench.unpickle._load", none)
    assert refusal(b"N.") == "x.pth can't be read: there is not enough memory for it"


def test_limit() -> None:
    data = pickle.dumps(["x" * 50] * 1000 + [f"{n:050}" for n in range(1000)])
    for packed in (data, bz2.compress(data), zipped(data), legacy(data)):
        load(packed, "x", limit=len(data) + 200)
        assert "unpacked it is larger than 50,000 bytes" in refusal(packed, 50_000)


def test_every_opcode_is_known_or_refused() -> None:
    for info in pickletools.opcodes:
        with suppress(BadFile):
            load(b"\x80\x04" + info.code.encode("latin-1") + b"\0" * 20, "x.pth", BOTH)
