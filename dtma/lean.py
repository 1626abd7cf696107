"""Keeping this process small: what libraries load at import although DTMA never uses it. Import it before they are (``dtma.__main__``)."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

TRIM_SECONDS = 60.0
_WHILE_AIOHTTP_LOADS = {
    # It reads all of the system's certificate authorities, 2 MB, when it is imported; DTMA's HTTP is to its own containers, and what
    # goes to the control plane has a context of its own (``identity.contexts``): without one, no certificate is trusted.
    "SSL_CERT_FILE": os.devnull,
    "SSL_CERT_DIR": os.devnull,
    # The compiled FrozenList, of which aiohttp makes one per session, brings the C++ library, 1 MB; the same in Python does as well.
    "FROZENLIST_NO_EXTENSIONS": "1",
}


def _load_aiohttp() -> None:
    before = {name: os.environ.get(name) for name in _WHILE_AIOHTTP_LOADS}
    os.environ.update(_WHILE_AIOHTTP_LOADS)
    try:
        with _in_place_of(pickle={"_Unpickler": object}):  # only to keep cookies in files
            importlib.import_module("aiohttp")
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _in_place_of(**modules: dict[str, object]) -> Iterator[None]:
    """Small modules with these names in the place of large ones that are imported meanwhile; ``__`` stands for a dot."""
    places = {name.replace("__", "."): content for name, content in modules.items()}
    for name, content in places.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(content)
    try:
        yield
    finally:
        for name in places:
            del sys.modules[name]


def _load_uvicorn() -> None:
    """Its package imports its command line, and with it click and multiprocessing, 2 MB; its settings import those of logging, 0.4 MB."""
    with _in_place_of(uvicorn__main={"Server": None, "main": None, "run": None}, logging__config={}):
        importlib.import_module("uvicorn.config")


def _load_aiodocker() -> None:
    """It looks up its own version, and loads what reads zips and mails for that, 1 MB."""
    with _in_place_of(importlib__metadata={"version": str, "PackageNotFoundError": LookupError}):
        importlib.import_module("aiodocker")


def _load_pydantic() -> None:
    """It looks through all that is installed for plugins, likewise; for as long as this process lives there are none."""
    none = ModuleType("pydantic.plugin._loader")
    vars(none)["get_plugins"] = tuple
    sys.modules[none.__name__] = none
    importlib.import_module("pydantic")


def settle() -> None:
    """Call it once all is made that lives as long as the process: gives memory that only starting needed back to the system, and spares
    the garbage collector from looking through the rest again and again, 30 ms each time.
    """
    gc.collect()
    gc.freeze()
    _give_back()


async def stay_small() -> None:
    """Endless: what a burst of work needed goes back to the system, 1.3 MB after twenty deployments at once. A trim takes 1 ms."""
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        _give_back()


def _give_back() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl has none
    if trim is not None:
        trim(0)


_load_pydantic()
_load_aiohttp()
_load_aiodocker()
_load_uvicorn()
