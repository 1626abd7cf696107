"""Secrets on DTMA's disk: what an earlier DTMA encrypted stays readable, and what was tampered with is not believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from dtma.store import Home, Record
from dtma_wire import OciImage, SecretFile, ServerSpec

SPEC = ServerSpec(
    generation=3,
    name="vault",
    source=OciImage(reference="vault:1"),
    secrets={"API_KEY": SecretStr("first canary")},
    secret_files=(SecretFile(name="token", content=SecretStr("second canary"), variable="TOKEN_FILE"),),
)


def test_nothing_secret_is_readable_on_the_disk(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.save(Record("one", SPEC))
    home.close()
    stored = (tmp_path / "servers" / "one.json").read_text()
    assert "canary" not in stored
    again = Home(tmp_path)
    assert again.records() == [Record("one", SPEC)]
    again.close()


def test_specs_of_an_earlier_dtma_are_read_and_written_anew(tmp_path: Path) -> None:
    key = Fernet.generate_key()
    (tmp_path / "key").write_bytes(key)
    spec = SPEC.model_copy(update={"secret_files": ()})
    content = spec.model_dump(mode="json")
    content["secrets"] = {"API_KEY": Fernet(key).encrypt(b"first canary").decode()}
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "one.json").write_text(json.dumps({"spec": content, "deleting": None}))
    home = Home(tmp_path)
    (record,) = home.records()
    assert record.spec.secrets["API_KEY"].get_secret_value() == "first canary"
    home.save(record)
    home.close()
    again = Home(tmp_path)
    assert again.records() == [record]
    again.close()
    stored = json.loads((tmp_path / "servers" / "one.json").read_text())["spec"]["secrets"]["API_KEY"]
    assert not stored.startswith("gAAAA")


@pytest.mark.parametrize("earlier", [True, False])
def test_a_spec_under_another_key_is_left_alone(tmp_path: Path, earlier: bool, caplog: pytest.LogCaptureFixture) -> None:
    home = Home(tmp_path)
    home.save(Record("one", SPEC))
    home.close()
    path = tmp_path / "servers" / "one.json"
    if earlier:
        content = json.loads(path.read_text())
        content["spec"]["secrets"]["API_KEY"] = Fernet(Fernet.generate_key()).encrypt(b"first canary").decode()
        path.write_text(json.dumps(content))
    else:
        (tmp_path / "key").write_bytes(Fernet.generate_key())
    before = path.read_bytes()
    again = Home(tmp_path)
    assert again.records() == []
    again.close()
    assert path.read_bytes() == before
    assert "the server is left alone" in caplog.text
