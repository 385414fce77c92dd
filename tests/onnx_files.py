"""Weights of encoders from ONNX files, for tests with real ones: a reader of protocol buffers' wire format, and what of
ONNX (onnx.proto3) and of ONNX Runtime's 4-bit products such a file holds.

Embeddings, norms and biases have their published names there. A weight of a product is called by a number, but the
node that reads it by the path of its module: /bert/encoder/layer.0/attention/self/query/MatMul.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

KINDS = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16}  # of TensorProto.data_type


def fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a message: an int, or the bytes of what has a length."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if key & 7 == 2 else (4 if key & 7 == 5 else 8, at)
            value, at = data[at : at + size], at + size
        yield key >> 3, value


def varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def read(path: Path) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """The graph's tensors by name, and its nodes: {"name", "kind", "inputs", "outputs"}."""
    graph = next(value for number, value in fields(memoryview(path.read_bytes())) if number == 7)
    tensors, nodes = {}, []
    for number, value in fields(graph):
        if number == 5:
            name, array = tensor(value)
            tensors[name] = array
        elif number == 1:
            found: dict[str, Any] = {"name": "", "kind": "", "inputs": [], "outputs": []}
            for part, content in fields(value):
                if part in (1, 2):
                    found["inputs" if part == 1 else "outputs"].append(bytes(content).decode())
                elif part in (3, 4):
                    found["name" if part == 3 else "kind"] = bytes(content).decode()
            nodes.append(found)
    return tensors, nodes


def tensor(data: memoryview) -> tuple[str, np.ndarray]:
    shape, listed, kind, raw, name = [], [], 1, b"", ""
    for number, value in fields(data):
        if number == 1:
            shape += integers(value)
        elif number == 2:
            kind = value
        elif number in (5, 7):  # int32_data, int64_data
            listed += integers(value)
        elif number in (4, 9):  # float_data is packed little-endian, as raw_data is
            raw = bytes(value)
        elif number == 8:
            name = bytes(value).decode()
    array = np.frombuffer(raw, KINDS[kind]) if raw else np.array(listed).astype(KINDS[kind])
    return name, array.reshape(shape)


def integers(value: Any) -> list[int]:
    """A number, or numbers packed."""
    found, at = [], 0
    while not isinstance(value, int) and at < len(value):
        number, at = varint(value, at)
        found.append(number - (1 << 64) if number >> 63 else number)
    return [value] if isinstance(value, int) else found


def weights(path: Path) -> dict[str, np.ndarray]:
    """An encoder's weights by their published names, in float32; what was stored in 4 or 8 bits is multiplied out."""
    tensors, nodes = read(path)
    for name in [name.removesuffix("_quantized") for name in tensors if name.endswith("_quantized")]:
        stored = [tensors.pop(name + part) for part in ("_quantized", "_zero_point", "_scale")]
        codes, zero, scale = (array.astype(np.float32) for array in stored)
        tensors[name] = (codes - zero) * scale
    for node in nodes:
        module = node["name"].strip("/").rpartition("/")[0].replace("/", ".") + ".weight"
        source = node["inputs"][1].removesuffix("_DequantizeLinear_Output") if len(node["inputs"]) > 1 else ""
        if node["kind"] == "MatMul" and source in tensors:
            tensors[module] = tensors.pop(source).T
        elif node["kind"] == "MatMulNBits":
            tensors[module] = blocks(tensors.pop(source), tensors.pop(node["inputs"][2]))
    published = {name: array for name, array in tensors.items() if "/" not in name and array.dtype == np.float32}
    return {name: array.copy() for name, array in published.items() if name.endswith((".weight", ".bias"))}


def blocks(packed: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Four bits, blocks of 32 with a scale each: (N,K/32,16) bytes, the lower half first, and (N*K/32,) -> (N,K)."""
    codes = np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:2], -1)
    return ((codes.astype(np.float32) - 8) * scales.reshape(*packed.shape[:2], 1)).reshape(len(packed), -1)
