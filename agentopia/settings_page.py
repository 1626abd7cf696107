"""``python -m agentopia.settings_page > docs/settings.md``: the documentation of the settings is their declaration."""

from __future__ import annotations

from agentopia.environment import BASE_DIR, Environment

HEADER = """# Settings

Read from the environment when the control plane starts; a wrong one stops it with a sentence. What `make run` has started it
finds in `services.json` in `AGENTOPIA_HOME`; the environment wins over that file. This page is made by
`python -m agentopia.settings_page`.

| variable | default | meaning |
|---|---|---|
"""


def page() -> str:
    """The page as Markdown."""
    rows = []
    for name, field in Environment.model_fields.items():
        default = "required" if field.is_required() else _shown(field.default)
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |\n")
    return HEADER + "".join(rows)


def _shown(default: object) -> str:
    text = "" if default is None else str(default).replace(f"{BASE_DIR}/", "").replace("'", '"')
    return f"`{text}`" if text else "empty"


if __name__ == "__main__":
    print(page(), end="")
