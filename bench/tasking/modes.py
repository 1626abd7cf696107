"""What goes wrong while tasks are done: at the model (``bench/scripted/faults.py``), or at a server of the task."""

from __future__ import annotations

from dataclasses import dataclass

from bench.scripted.faults import MODEL, TRANSPORT, parsed

CRASH, SLOW = "server_crash", "slow_tool"
AT_SERVER = (CRASH, SLOW)
USUAL = ("malformed_args", "http_429", "http_500", "disconnect", CRASH, SLOW)
SHORT = {
    "malformed": "malformed_args",
    "429": "http_429",
    "500": "http_500",
    "503": "http_503",
    "crash": CRASH,
}


@dataclass(frozen=True)
class Mode:
    """Faults that occur together. `model` is a spec for the scripted model, `server` what is done to a server of the task."""

    name: str = "none"
    model: str = ""
    server: frozenset[str] = frozenset()


NOTHING = Mode()


def modes(spec: str) -> list[Mode]:
    """``usual``, ``all``, ``none``, or modes separated by commas; ``+`` joins faults that occur together. Exits for an unknown one."""
    if spec in ("", "none"):
        return []
    if spec in ("usual", "all"):
        return [_mode(name) for name in (USUAL if spec == "usual" else (*USUAL, *sorted((TRANSPORT | MODEL) - set(USUAL) - {"http_400"})))]
    return [_mode(item.strip()) for item in spec.split(",") if item.strip()]


def _mode(item: str) -> Mode:
    faults = [SHORT.get(fault, fault) for fault in item.split("+")]
    at_model = [fault for fault in faults if fault not in AT_SERVER]
    try:
        for fault in at_model:
            parsed(fault)
    except ValueError as error:
        raise SystemExit(f"{error}: see bench/scripted/faults.py, beside {' and '.join(AT_SERVER)}") from None
    return Mode("+".join(faults), ",".join(at_model), frozenset(faults) & frozenset(AT_SERVER))
