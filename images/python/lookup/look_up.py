"""Writes what the package index says of a package: {name, version, versions, description, license, homepage}, or {"missing": true},
or {"problem": "a sentence"}. Arguments: the package's name, the file to write. No code of the package runs: only wheels are looked into.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--retries=1"]
HOME_PAGES = ("homepage", "home", "home-page", "repository", "source", "source code", "documentation")
LICENCE_CLASSIFIER = "License :: OSI Approved :: "


def ask(name: str) -> dict[str, Any]:
    told = subprocess.run([*PIP, "index", "versions", "--", name], capture_output=True, text=True, timeout=40)
    found = re.search(r"^Available versions: (.+)$", told.stdout, re.MULTILINE)
    if found is None:
        missing = "No matching distribution found" in told.stderr and not re.search(r"Retrying|Connection|SSL|timed out", told.stderr)
        return {"missing": True} if missing else {"problem": told.stderr.strip()[-500:] or "pip said nothing"}
    versions = found[1].split(", ")
    return {"name": name, "version": versions[0], "versions": versions} | described(name, versions[0])


def described(name: str, version: str) -> dict[str, Any]:
    """What the wheel of this version says of itself; nothing where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--quiet", f"--report={report}"]
        try:
            subprocess.run([*PIP, "install", *options, "--", f"{name}=={version}"], capture_output=True, timeout=40)
        except subprocess.TimeoutExpired:
            return {}
        if not report.exists():
            return {}
        metadata = json.loads(report.read_text())["install"][0]["metadata"]
    return {
        "name": metadata.get("name", name),
        "description": metadata.get("summary", ""),
        "license": licence_of(metadata),
        "homepage": home_of(metadata),
    }


def licence_of(metadata: dict[str, Any]) -> str:
    """An SPDX expression, the licence's name, or what a classifier says; never its whole text."""
    said = metadata.get("license_expression") or metadata.get("license") or ""
    if said and "\n" not in said and len(said) <= 60:
        return str(said)
    classifiers = metadata.get("classifier", [])
    return next((text.removeprefix(LICENCE_CLASSIFIER) for text in classifiers if text.startswith(LICENCE_CLASSIFIER)), "")


def home_of(metadata: dict[str, Any]) -> str:
    if metadata.get("home_page"):
        return str(metadata["home_page"])
    named = [text.partition(",") for text in metadata.get("project_url", [])]
    pages = {label.strip().lower(): address.strip() for label, _, address in named}
    return next((pages[label] for label in HOME_PAGES if label in pages), "")


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(ask(sys.argv[1])))
