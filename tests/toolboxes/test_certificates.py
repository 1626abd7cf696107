"""Becoming a toolbox, and staying one: tokens and certificates as the intake judges them (over TLS: ``tests/fleet``)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import connection
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput
from dtma_wire import WIRE_VERSION, Enrol, Enrolled, Renew, Renewed, toolbox_named
from tests.conftest import heartbeat_of
from tests.intake import Answer, apost, peer_of, post
from toolboxes.identity.authority import certificate_authority
from toolboxes.models import Authority, Certificate, EnrolmentToken, Toolbox
from toolboxes.services.certificates import revoke_certificates
from toolboxes.services.enrolment import create_toolbox, new_token

pytestmark = pytest.mark.django_db(transaction=True)

type Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def request_of(key: Key) -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def enrol(token: str, key: Key, request: str = "", wire_version: int = WIRE_VERSION, address: str = "192.0.2.7") -> Answer:
    wanted = Enrol(wire_version=wire_version, token=token, request=request or request_of(key), port=7443, address=address)
    return async_to_sync(apost)(wanted.model_dump_json().encode(), None, "/dtma/v1/enrol")


def problem_of(answer: Answer) -> str:
    return str(json.loads(answer.body)["message"])


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def box(user: User) -> Toolbox:
    return create_toolbox(owner=user, name="garage", provider=Toolbox.Provider.OWN_SERVER)


@pytest.fixture
def member(box: Toolbox, key: ec.EllipticCurvePrivateKey) -> Toolbox:
    """A toolbox that a host has become."""
    assert enrol(new_token(toolbox=box).token, key).status == 200
    box.refresh_from_db()
    return box


def renew(toolbox: Toolbox) -> Answer:
    request = Renew(request=request_of(ec.generate_private_key(ec.SECP256R1())))
    return async_to_sync(apost)(request.model_dump_json().encode(), peer_of(toolbox), "/dtma/v1/renew")


def test_there_is_one_authority_and_its_key_is_not_readable_in_the_database(db: None) -> None:
    assert certificate_authority().fingerprint == certificate_authority().fingerprint
    assert Authority.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM toolboxes_authority")
        assert "PRIVATE KEY" not in cursor.fetchone()[0]


def test_the_certificate_is_for_this_toolbox_and_the_key_that_asked(box: Toolbox, key: ec.EllipticCurvePrivateKey) -> None:
    answer = enrol(new_token(toolbox=box).token, key)
    certificate = x509.load_pem_x509_certificate(Enrolled.model_validate_json(answer.body).certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert [toolbox_named(name) for name in names] == [str(box.pk)]
    assert certificate.public_key() == key.public_key()
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    box.refresh_from_db()
    assert (box.url, box.enrolled_at is not None) == ("https://192.0.2.7:7443", True)
    assert [event.kind for event in box.events.all()] == ["enrolled", "token_made", "created"]


def test_a_token_is_kept_as_a_hash(box: Toolbox) -> None:
    token = new_token(toolbox=box).token
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM toolboxes_enrolmenttoken t")
        assert token not in cursor.fetchone()[0]


def test_the_same_host_may_ask_again_and_another_one_may_not(box: Toolbox, key: ec.EllipticCurvePrivateKey) -> None:
    token = new_token(toolbox=box).token
    assert enrol(token, key).status == 200
    assert enrol(token, key).status == 200  # as if the first answer had been lost
    second = enrol(token, ec.generate_private_key(ec.SECP256R1()))
    assert (second.status, "used by another host" in problem_of(second)) == (403, True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "has expired"),
        ({"withdrawn_at": timezone.now()}, "replaced by a newer one"),
        ({"digest": "0" * 64}, "is not known"),
    ],
)
def test_a_token_that_does_not_count_says_why(box: Toolbox, key: ec.EllipticCurvePrivateKey, change: dict[str, object], told: str) -> None:
    token = new_token(toolbox=box).token
    EnrolmentToken.objects.update(**change)
    answer = enrol(token, key)
    assert (answer.status, told in problem_of(answer)) == (403, True)
    assert token not in answer.body.decode()
    assert Certificate.objects.count() == 0


def test_a_newer_token_replaces_the_older(box: Toolbox, key: ec.EllipticCurvePrivateKey) -> None:
    older, newer = new_token(toolbox=box).token, new_token(toolbox=box).token
    assert [enrol(token, key).status for token in (older, newer)] == [403, 200]


def test_a_removed_toolbox_is_nobodys(box: Toolbox, key: ec.EllipticCurvePrivateKey) -> None:
    token = new_token(toolbox=box).token
    Toolbox.objects.update(deleted_at=timezone.now())
    assert "was removed" in problem_of(enrol(token, key))


@pytest.mark.parametrize("request_text", ["nonsense", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"])
def test_a_request_that_cannot_be_read_uses_up_nothing(box: Toolbox, key: ec.EllipticCurvePrivateKey, request_text: str) -> None:
    token = new_token(toolbox=box).token
    assert enrol(token, key, request_text).status == 400
    assert enrol(token, key).status == 200


def test_weak_keys_addresses_that_are_none_and_old_hosts_are_refused(box: Toolbox, key: ec.EllipticCurvePrivateKey) -> None:
    token = new_token(toolbox=box).token
    assert "elliptic curve" in problem_of(enrol(token, rsa.generate_private_key(65537, 2048)))
    assert "not an address" in problem_of(enrol(token, key, address="192.0.2.7/x@evil"))
    assert "too old" in problem_of(enrol(token, key, wire_version=1))
    assert enrol(token, key).status == 200


def test_a_renewed_certificate_counts_and_so_does_the_old_one_until_its_end(member: Toolbox) -> None:
    assert Renewed.model_validate_json(renew(member).body).certificate
    assert [certificate.is_valid() for certificate in member.certificates.all()] == [True, True]
    assert post(member, heartbeat_of()).status == 200


def test_an_expired_certificate_may_only_renew_and_not_for_ever(member: Toolbox) -> None:
    now = timezone.now()
    member.certificates.update(not_after=now - timedelta(days=1))
    answer = post(member, heartbeat_of())
    assert (answer.status, json.loads(answer.body)["code"]) == (403, "certificate_expired")
    assert renew(member).status == 200
    assert post(member, heartbeat_of()).status == 200
    member.certificates.update(not_after=now - timedelta(days=31))
    assert renew(member).status == 403
    assert post(member, heartbeat_of(sequence=2)).status == 403


def test_a_revoked_toolbox_is_not_heard_from_that_moment(member: Toolbox) -> None:
    assert post(member, heartbeat_of()).status == 200
    assert revoke_certificates(toolbox=member, reason="its disk was stolen.") == 1
    answer = post(member, heartbeat_of(sequence=2))
    assert (answer.status, "was revoked" in problem_of(answer)) == (403, True)
    assert renew(member).status == 403
    member.refresh_from_db()
    assert (member.is_silent(), member.url) == (True, "")


def test_a_used_token_brings_nobody_back_after_a_revocation(box: Toolbox, key: ec.EllipticCurvePrivateKey) -> None:
    token = new_token(toolbox=box).token
    assert enrol(token, key).status == 200
    revoke_certificates(toolbox=box, reason="its disk was stolen.")
    assert enrol(token, key).status == 403
    assert enrol(new_token(toolbox=box).token, ec.generate_private_key(ec.SECP256R1())).status == 200
    assert enrol(token, key).status == 403


def test_a_second_host_takes_the_toolbox_over(member: Toolbox) -> None:
    first = peer_of(member)
    assert enrol(new_token(toolbox=member).token, ec.generate_private_key(ec.SECP256R1())).status == 200
    assert async_to_sync(apost)(heartbeat_of().model_dump_json().encode(), first).status == 403
    assert post(member, heartbeat_of()).status == 200


def test_without_a_certificate_nothing_is_heard(member: Toolbox) -> None:
    assert async_to_sync(apost)(heartbeat_of().model_dump_json().encode(), None).status == 401


def test_names_of_toolboxes_are_checked_and_unique(user: User, stranger: User) -> None:
    make = Toolbox.Provider.OWN_SERVER
    create_toolbox(owner=user, name="Garage", provider=make)
    with pytest.raises(Conflict):
        create_toolbox(owner=user, name="garage", provider=make)
    create_toolbox(owner=stranger, name="garage", provider=make)
    for name in ("", " ", "-x", "x" * 64, "a/b", "<b>"):
        with pytest.raises(InvalidInput):
            create_toolbox(owner=user, name=name, provider=make)
