"""Enrolling this machine: what the command writes for DTMA, which does the rest at its start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from django.core.management import call_command
from pytest_django import Settings

from accounts.models import User
from dtma_wire import WIRE_VERSION, Enrol
from toolboxes.identity.authority import certificate_authority
from toolboxes.models import EnrolmentToken, Toolbox
from toolboxes.selectors import enrolment_token
from toolboxes.services.certificates import revoke_certificates
from toolboxes.services.enrolment import enrol


@pytest.fixture
def config(user: User, settings: Settings, tmp_path: Path) -> Path:
    settings.HOME = tmp_path
    call_command("enrol_this_machine", "--owner", user.email, verbosity=0)
    return tmp_path / "dtma" / "config.json"


def read(config: Path) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(config.read_text())
    return written


def become_a_toolbox(config: Path) -> None:
    """What DTMA does at its start: a key, a request, a certificate."""
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    written = read(config)
    wanted = Enrol(
        wire_version=WIRE_VERSION,
        token=written["enrolment"]["token"],
        request=request.public_bytes(Encoding.PEM).decode(),
        port=written["port"],
        address="127.0.0.1",
    )
    answer = enrol(request=wanted, peer="127.0.0.1")
    (config.parent / "identity").mkdir()
    (config.parent / "identity" / "certificate.pem").write_text(answer.certificate)


def test_dtma_is_told_how_to_enrol_and_the_database_keeps_no_token(config: Path) -> None:
    written, toolbox = read(config), Toolbox.objects.get()
    assert config.stat().st_mode & 0o777 == 0o600
    assert config.parent.stat().st_mode & 0o777 == 0o700
    assert written["enrolment"]["ca_fingerprint"] == certificate_authority().fingerprint
    kept = enrolment_token(written["enrolment"]["token"])
    assert kept is not None
    assert kept.toolbox == toolbox
    assert written["enrolment"]["token"] not in str(EnrolmentToken.objects.values().get())


def test_enrolling_again_keeps_the_toolbox_and_its_port(config: Path, user: User) -> None:
    before = read(config)
    call_command("enrol_this_machine", "--owner", user.email, verbosity=0)
    after = read(config)
    assert Toolbox.objects.count() == 1
    assert (before["toolbox"], before["port"]) == (after["toolbox"], after["port"])
    assert before["enrolment"]["token"] != after["enrolment"]["token"]


def test_who_has_a_certificate_gets_no_token_until_it_is_revoked(config: Path, user: User) -> None:
    become_a_toolbox(config)
    call_command("enrol_this_machine", "--owner", user.email, verbosity=0)
    assert "enrolment" not in read(config)
    revoke_certificates(toolbox=Toolbox.objects.get(), reason="test")
    call_command("enrol_this_machine", "--owner", user.email, verbosity=0)
    assert "enrolment" in read(config)
