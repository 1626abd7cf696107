"""What strangers' bytes are read by: DNS messages and TLS ClientHellos, whole, in pieces, and broken."""

from __future__ import annotations

import random
import socket
import ssl
from ipaddress import IPv4Address

import pytest

from dtma.isolation import dns, hello
from dtma.isolation.addresses import is_public, may_be_named
from dtma.isolation.policy import Policy
from dtma_wire import Destination, Egress, OciImage, ServerSpec

ROUNDS = 20_000


def client_hello(name: str | None, *protocols: str) -> bytes:
    """What Python's own TLS says first."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    near, far = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(near, far, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return far.read()


def in_records(message: bytes, size: int) -> bytes:
    """A handshake message, cut into TLS records of that size."""
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in pieces)


@pytest.mark.parametrize("name", ["api.example.org", "API.Example.ORG.", None])
def test_the_name_in_a_client_hello(name: str | None) -> None:
    stream = client_hello(name, "h2", "x" * 200)
    wanted = hello.Hello(None if name is None else "api.example.org")
    for length in range(len(stream)):
        assert hello.parse(stream[:length]) is None
    assert hello.parse(stream) == hello.parse(stream + b"early data") == wanted
    for size in (1, 7, 100):
        assert hello.parse(in_records(stream[5:], size)) == wanted


@pytest.mark.parametrize(
    "stream", [b"GET / HTTP/1.1\r\n", b"SSH-2.0-x", b"\x16\x02", b"\x16\x03\x01\x00\x00", b"\x16\x03\x01\x00\x02\x02\x00"]
)
def test_what_is_no_client_hello(stream: bytes) -> None:
    with pytest.raises(hello.NotTls):
        hello.parse(stream)


def test_two_names_or_an_endless_one_are_none() -> None:
    stream = client_hello("api.example.org")
    at = stream.index(b"api.example.org") - 9  # extension: type, length, list length, kind, name length
    extension = stream[at : at + 9 + 15]
    body = bytearray(stream[5:] + extension)
    lengths = 4 + 2 + 32
    start = lengths + 1 + body[lengths]
    start += 2 + int.from_bytes(body[start : start + 2])
    start += 1 + body[start]
    body[start : start + 2] = (int.from_bytes(body[start : start + 2]) + len(extension)).to_bytes(2)
    body[1:4] = (len(body) - 4).to_bytes(3)
    with pytest.raises(hello.NotTls):
        hello.parse(in_records(bytes(body), 10_000))
    with pytest.raises(hello.NotTls):
        hello.parse(in_records(b"\x01\xff\xff\xff" + bytes(1000), 10_000))


def test_broken_hellos_raise_nothing_else() -> None:
    chance = random.Random(1)  # noqa: S311
    stream = client_hello("api.example.org", "h2")
    for _ in range(ROUNDS):
        broken = bytearray(stream[: chance.randrange(len(stream) + 1)])
        for _ in range(chance.randrange(4)):
            if broken:
                broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            hello.parse(bytes(broken))
        except hello.NotTls:
            continue


def answer_to(asked: dns.Question, *records: bytes, code: int = 0) -> bytes:
    header = asked.id.to_bytes(2) + (0x8180 | code).to_bytes(2) + b"\0\1" + len(records).to_bytes(2) + bytes(4)
    return header + asked.raw + b"".join(records)


def record(kind: int, content: bytes, owner: bytes = b"\xc0\x0c", ttl: int = 60) -> bytes:
    return owner + kind.to_bytes(2) + b"\0\1" + ttl.to_bytes(4) + len(content).to_bytes(2) + content


ASKED = dns.parse_question(dns.question(0x1234, "API.example.org", dns.A))


def test_a_question_and_its_answers() -> None:
    assert (ASKED.id, ASKED.name, ASKED.kind) == (0x1234, "api.example.org", dns.A)
    alias = record(dns.CNAME, b"\x01x\xc0\x10", ttl=30)  # x.example.org
    address = record(dns.A, bytes([192, 88, 99, 1]), owner=b"\x01x\xc0\x10", ttl=90)
    stray = record(dns.A, bytes([10, 0, 0, 1]), owner=b"\x05other\x00")
    found = dns.parse_answer(answer_to(ASKED, alias, stray, address), ASKED)
    assert found == dns.Answer(0, False, (IPv4Address("192.88.99.1"),), 30)
    assert dns.parse_answer(answer_to(ASKED, code=3), ASKED).code == 3
    told = dns.reply(ASKED, addresses=(IPv4Address("192.88.99.1"), IPv4Address("192.88.99.2")), ttl=5)
    assert dns.parse_answer(told, ASKED) == dns.Answer(0, False, (IPv4Address("192.88.99.1"), IPv4Address("192.88.99.2")), 5)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        bytes(12),
        dns.question(1, "a.b", 1).replace(b"\0\1\0\1", b"\0\1\0\3"),  # class CHAOS
        b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1",  # a name that points at itself
        b"\0\1\1\0\0\1\0\0\0\0\0\0\x03a.b\x00\0\1\0\1",  # a dot inside a label
        dns.reply(ASKED),
    ],
)
def test_no_question(message: bytes) -> None:
    with pytest.raises(dns.Malformed):
        dns.parse_question(message)


def test_an_answer_to_something_else_is_none() -> None:
    for other in (dns.question(0x1235, "api.example.org", dns.A), dns.question(0x1234, "api.example.net", dns.A)):
        with pytest.raises(dns.Malformed):
            dns.parse_answer(answer_to(dns.parse_question(other)), ASKED)


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64, ".".join(["x" * 60] * 5)])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(dns.Malformed):
        dns.question(1, name, dns.A)


def test_broken_messages_raise_nothing_else() -> None:
    chance = random.Random(2)  # noqa: S311
    message = answer_to(ASKED, record(dns.CNAME, b"\x01x\xc0\x10"), record(dns.A, bytes(4), owner=b"\x01x\xc0\x10"))
    for _ in range(ROUNDS):
        broken = bytearray(message[: chance.randrange(len(message) + 1)])
        for _ in range(chance.randrange(1, 5)):
            if broken:
                broken[chance.randrange(len(broken))] = chance.choice((chance.randrange(256), 0xC0, 0x0C))
        for parse in (dns.parse_question, lambda content: dns.parse_answer(content, ASKED)):
            try:
                parse(bytes(broken))
            except dns.Malformed:
                continue


def test_addresses() -> None:
    for text in (
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "127.0.0.1",
        "0.1.2.3",
        "224.0.0.1",
        "255.255.255.255",
    ):
        assert not is_public(IPv4Address(text))
    assert is_public(IPv4Address("192.88.99.1"))
    assert may_be_named(IPv4Address("10.250.250.250"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:  # this machine's own, whichever it has
        sock.connect(("192.0.2.1", 9))
        own = IPv4Address(sock.getsockname()[0])
    for address in (own, IPv4Address("127.0.0.2"), IPv4Address("169.254.169.254")):
        assert not may_be_named(address)


def test_an_allow_list() -> None:
    names = ("API.Example.org", "*.wild.example.org", "10.250.250.250", "127.0.0.1", "[2001:db8::1]", "1.2.3")
    allowed = tuple(Destination(host=name, port=port) for name in names for port in (443, 27017))
    policy = Policy(ServerSpec(generation=1, name="x", source=OciImage(reference="x"), egress=Egress.ALLOWLIST, allowed=allowed))
    assert policy.knows("api.example.org")
    assert policy.allows("a.b.wild.example.org", 27017)
    assert policy.names_address(IPv4Address("10.250.250.250"), 443)
    assert policy.exact_names(443) == ["api.example.org"]
    for name in ("wild.example.org", "xwild.example.org", "example.org", "xapi.example.org", "api.example.org.evil.net"):
        assert not policy.knows(name)
    assert not policy.allows("api.example.org", 80)
    assert not policy.names_address(IPv4Address("127.0.0.1"), 443)
    closed = Policy(ServerSpec(generation=1, name="x", source=OciImage(reference="x"), egress=Egress.NONE, allowed=allowed))
    assert not closed.knows("api.example.org")
