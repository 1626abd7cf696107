"""Tensors of a safetensors file, mapped: processes share what they read of it, and opening it reads next to nothing."""

from __future__ import annotations

import json
import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LENGTH_BYTES = 8


def mapped(path: Path) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors by name, read-only. Raises OSError, ValueError."""
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    header = json.loads(content[LENGTH_BYTES:start])
    found: dict[str, NDArray[np.float32]] = {}
    for name, told in header.items():
        if name != "__metadata__" and told["dtype"] == "F32":
            begin, end = told["data_offsets"]
            found[name] = np.frombuffer(content, "<f4", (end - begin) // 4, start + begin).reshape(told["shape"])
    return found
