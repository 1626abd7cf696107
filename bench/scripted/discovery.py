"""How the model comes to a tool that it was not offered: a search, and a tool that calls others by name."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from bench.scripted.offered import Offered, is_called, norm
from bench.scripted.turns import Call, call_id

MAX_SEARCHES = int(os.environ.get("SCRIPTED_MAX_SEARCHES", "2"))
"""For one needed tool; the third query would hold its name."""
ARGUMENTS = ("args", "arguments", "params", "parameters", "input", "tool_args", "tool_input")


def by_name(offered: Offered, proxy: str, gold: dict[str, Any], arguments: dict[str, Any], told: str) -> Call | None:
    """The call through `proxy`, once a search has `told` the tool's name."""
    names = [name for name in re.findall(r"[A-Za-z][\w.\-:/]*", told) if is_called(name, gold["tool"])]
    if not names:
        return None
    names.sort(key=lambda name: norm(gold["server"]) not in norm(name))
    kinds = {key: schema.get("type") for key, schema in offered.properties(proxy).items()}
    name_key = next((key for key in kinds if kinds[key] == "string" and "name" in key), None) or next(
        key for key in kinds if kinds[key] == "string"
    )
    given = next((key for key in kinds if key != name_key and key.lower() in ARGUMENTS), None) or next(
        key for key in kinds if key != name_key
    )
    return Call(
        proxy, {name_key: names[0], given: json.dumps(arguments) if kinds[given] == "string" else arguments}, call_id(gold["id"], "ok")
    )


def search(offered: Offered, tool: str, gold: dict[str, Any], prompt: str, before: int) -> Call:
    """A search for the tool: by what is needed, then with the server's name, then by the tool's own."""
    need = gold.get("need") or prompt
    query = (need, f"{gold['server']} {need}", gold["tool"].replace("_", " ").replace("-", " "))[before]
    properties, required = offered.properties(tool), offered.schema(tool).get("required") or []
    strings = [
        key for key, schema in properties.items() if schema.get("type") == "string" or "string" in json.dumps(schema.get("anyOf", ""))
    ]
    lists = [key for key, schema in properties.items() if schema.get("type") == "array"]
    key = next((key for key in [*required, *properties] if key in strings + lists), "query")
    return Call(tool, {key: [query] if key in lists else query}, call_id(gold["id"], "find"))
