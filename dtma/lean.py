"""Keeping this process small: what libraries load at import although DTMA never uses it. Import it before they are (``dtma.__main__``)."""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import sys
from types import ModuleType

_WHILE_AIOHTTP_LOADS = {
    # It reads all of the system's certificate authorities, 2 MB, when it is imported; DTMA's HTTP is to its own containers. Whatever
    # does speak TLS here brings its own context (``observing.heartbeat``): without one, no certificate is trusted.
    "SSL_CERT_FILE": os.devnull,
    "SSL_CERT_DIR": os.devnull,
    # The compiled FrozenList, of which aiohttp makes one per session, brings the C++ library, 1 MB; the same in Python does as well.
    "FROZENLIST_NO_EXTENSIONS": "1",
}


def _load_aiohttp() -> None:
    before = {name: os.environ.get(name) for name in _WHILE_AIOHTTP_LOADS}
    os.environ.update(_WHILE_AIOHTTP_LOADS)
    try:
        importlib.import_module("aiohttp")
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _load_uvicorn() -> None:
    """uvicorn's package imports its command line, and with it click and multiprocessing, 2 MB; an empty module is put in its place."""
    unused = ModuleType("uvicorn.main")
    for name in ("Server", "main", "run"):
        setattr(unused, name, None)
    sys.modules[unused.__name__] = unused
    try:
        importlib.import_module("uvicorn")
    finally:
        del sys.modules[unused.__name__]


def settle() -> None:
    """Call it once all is made that lives as long as the process: gives memory that only starting needed back to the system, and spares
    the garbage collector from looking through the rest again and again, 30 ms each time.
    """
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl has none
    if trim is not None:
        trim(0)


_load_aiohttp()
_load_uvicorn()
