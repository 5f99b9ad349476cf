"""Where notifications may go: never into private networks, however their addresses are written."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integration.fhir.subscriptions import client, ssrf
from integration.fhir.subscriptions.client import NoAnswerError, NotSentError, Sending
from integration.fhir.subscriptions.secrets import redacted
from integration.fhir.subscriptions.ssrf import ForbiddenAddressError
from tests import hooks
from tests.wire.mllp_certificates import Authority

FORBIDDEN = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200",
    "168.63.129.16", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
    "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1",
    "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "::127.0.0.1", "2001:db8::1",
]  # fmt: skip
OPEN = ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::808:808"]


def answers(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda host, port: list(addresses)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_inside_is_refused_by_name_and_by_number(address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    with pytest.raises(ForbiddenAddressError):
        ssrf.check(f"https://{host}/hook", ())
    with pytest.raises(ForbiddenAddressError):
        ssrf.check("https://ehr.example/hook", (), answers(address))
    with pytest.raises(ForbiddenAddressError):
        # One good address does not excuse the other.
        ssrf.check("https://ehr.example/hook", (), answers("8.8.8.8", address))
    with pytest.raises(ForbiddenAddressError):
        ssrf.check_unresolved(f"https://{host}/hook", ())


@pytest.mark.parametrize("address", OPEN)
def test_an_address_of_the_internet_is_good(address: str) -> None:
    target = ssrf.check("https://ehr.example:8443/hook?x=1", (), answers(address))

    assert (target.addresses, target.port) == ((address,), 8443)
    assert (target.path, target.netloc) == ("/hook?x=1", "ehr.example:8443")


@pytest.mark.parametrize(
    "url",
    [
        "http://ehr.example/hook", "ftp://ehr.example/", "file:///etc/passwd", "gopher://x/",
        "https://", "https:///hook", "ehr.example/hook", "https://user:pw@ehr.example/",
        "https://ehr.example/#top", "https://ehr.example/a b", "https://ehr.example/\r\nX: y",
        "https://ehr.example:99999/", "https://[::1", "https://localhost/", "https://LOCALHOST./",
        "https://printer.local/", "https://metadata.google.internal/",
        "https://2130706433/", "https://0x7f000001/", "https://127.1/",
        "https://" + "a" * 2000,
    ],
)  # fmt: skip
def test_an_address_of_another_form_is_refused(url: str) -> None:
    # What looks like a name is judged by what it resolves to: here, this machine.
    with pytest.raises(ForbiddenAddressError):
        ssrf.check(url, (), answers("127.0.0.1"))


@pytest.mark.parametrize(
    ("url", "allowed", "good"),
    [
        ("http://127.0.0.1:8080/", ("127.0.0.1",), True),
        ("http://127.0.0.1:8080/", ("127.0.0.0/8",), True),
        ("http://127.0.0.1:8080/", ("127.0.0.1:8080",), True),
        ("http://127.0.0.1:8081/", ("127.0.0.1:8080",), False),
        ("http://ehr.hospital/", ("ehr.hospital",), True),
        ("http://EHR.hospital./", ("ehr.hospital",), True),
        ("http://ehr.hospital.evil.example/", ("ehr.hospital",), False),
        ("https://ehr.hospital/", ("10.0.0.0/8",), True),
        ("http://ehr.hospital/", ("10.0.0.0/8",), False),
        ("http://[::1]:80/", ("::1/128",), True),
    ],
)
def test_the_list_of_the_site(url: str, allowed: tuple[str, ...], good: bool) -> None:
    if good:
        assert ssrf.check(url, allowed, answers("10.0.0.9")).addresses
    else:
        with pytest.raises(ForbiddenAddressError):
            ssrf.check(url, allowed, answers("10.0.0.9"))


def sending(url: str, **more: Any) -> Sending:
    return Sending("POST", url, (("X-Test", "1"),), b"{}", **{"allowed": ("127.0.0.1",), **more})


def test_the_checked_address_is_the_one_that_is_called() -> None:
    """A name server that answers otherwise the second time (DNS rebinding) changes nothing."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with hooks.hook() as receiver:
        url = f"http://rebind.example:{receiver.port}/hook"
        answer = client.send(sending(url, allowed=("rebind.example",), resolve=rebinding))

    assert (answer.status, asked) == (200, ["rebind.example"])
    assert receiver.heard[0].headers["host"] == f"rebind.example:{receiver.port}"


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    def elsewhere(request: hooks.Hooked) -> bytes:
        return hooks.said(302, b"", "Location: http://169.254.169.254/latest/meta-data/")

    with hooks.hook(elsewhere) as receiver:
        assert client.send(sending(receiver.url)).status == 302
    assert len(receiver.heard) == 1


def test_of_a_huge_answer_only_the_beginning_is_read() -> None:
    def huge(request: hooks.Hooked) -> bytes:
        return hooks.said(200, b"x" * 2_000_000)

    with hooks.hook(huge) as receiver:
        answer = client.send(sending(receiver.url))

    assert (answer.status, len(answer.body)) == (200, client.MAX_ANSWER)


@pytest.mark.parametrize("answer", [b"", b"\x16\x03\x01\x00\x00", b"HTTP/1.1 " + b"9" * 70_000])
def test_what_is_no_answer_is_none(answer: bytes) -> None:
    with hooks.hook(lambda request: answer) as receiver, pytest.raises(NoAnswerError):
        client.send(sending(receiver.url, seconds=2))


def test_who_drips_his_answer_is_left_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                try:
                    for _ in range(100):
                        connection.sendall(b"H")
                        if threading.Event().wait(0.05):
                            return
                except OSError:
                    return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        begun = time.monotonic()
        with pytest.raises(NoAnswerError):
            client.send(sending(f"http://127.0.0.1:{port}/", seconds=0.5))
        assert time.monotonic() - begun < 2
        thread.join(6)


def test_nobody_there_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSentError):
        client.send(sending(f"http://127.0.0.1:{port}/"))


def test_a_certificate_of_nobody_is_not_accepted(tmp_path: Path) -> None:
    own = Authority(tmp_path)
    chain, key = own.certify("ehr")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with hooks.hook(tls=context) as receiver:
        with pytest.raises(NotSentError, match="certificate"):
            client.send(sending(receiver.url))
        assert client.send(sending(receiver.url, ca=own.pem)).status == 200


SUBSCRIPTION = '{"resourceType":"Subscription","channel":{"header":["Authorization: %s"]}}'
IN_BUNDLE = (
    '{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Subscription",'
    '"channel":{"header" : [ "A: %s" , "B: %s" ]}}}]}'
)
PATCH = '[{"op":"replace","path":"/channel/header/0","value":"Authorization: %s"}]'
PATCHES = (
    '[{"op":"add","path":"/channel/header","value":["Authorization: %s"]},'
    '{"op":"replace","path":"/channel/endpoint","value":"https://ehr.example/x"}]'
)
XML = '<Subscription><channel><header value="Authorization: %s"/></channel></Subscription>'
PATH_PATCH = (
    '{"resourceType":"Parameters","parameter":[{"name":"operation","part":['
    '{"name":"path","valueString":"Subscription.channel.header[0]"},'
    '{"name":"value","valueString":"Authorization: %s"}]}]}'
)
XML_PATH_PATCH = (
    '<part><valueString value="Subscription.channel.header[0]"/></part>'
    '<part><valueString value="Authorization: %s"/></part>'
)
XML_OTHER = "<f:Subscription><f:header\n id=\"1\" value = 'A: %s' /></f:Subscription>"


@pytest.mark.parametrize(
    ("body", "kind", "secrets"),
    [
        (SUBSCRIPTION, "Subscription", ("Bearer s3cret",)),
        (IN_BUNDLE, "", ("s3cret", 's3cret]\\"x')),
        (PATCH, "Subscription", ("s3cret",)),
        (PATCHES, "Subscription", ("s3cret",)),
        (PATH_PATCH, "Subscription", ("s3cret",)),
        (XML_PATH_PATCH, "", ("s3cret",)),
        (XML, "Subscription", ("s3cret",)),
        (XML_OTHER, "Subscription", ("s3cret > x",)),
    ],
)
def test_secrets_are_kept_in_no_message(body: str, kind: str, secrets: tuple[str, ...]) -> None:
    sent = (body % secrets).encode()

    assert redacted(sent, kind) == (body % (("***",) * len(secrets))).encode()


@pytest.mark.parametrize("patch", [PATCH, PATCHES, '{"channel":{"header":["Authorization: %s"]}}'])
@pytest.mark.parametrize(
    "form",
    [
        '{"entry":[{"resource":{"resourceType":"Binary","data":"%s"},'  # noqa: ISC004
        '"request":{"method":"PATCH","url":"Subscription/1"}}]}',
        '<Bundle><Binary><data value="%s"/></Binary><url value="Subscription/1"/></Bundle>',
    ],
)
def test_the_patch_of_an_entry_is_kept_without_its_secret(form: str, patch: str) -> None:
    def entry(secret: str) -> bytes:
        return (form % base64.b64encode((patch % secret).encode()).decode()).encode()

    assert redacted(entry("Bearer s3cret")) == entry("***")


def test_other_content_of_a_bundle_is_kept_as_it_came() -> None:
    body = b'{"resourceType":"Binary","data":"SGFs\nbG8gU3Vic2NyaXB0aW9u"} Subscription'

    assert redacted(body) == body


@pytest.mark.parametrize(
    "sent",
    [
        b'{"resourceType":"Bundle Binary Subscription"}' + b'"data":"AAAA\\' * 8000,
        b"<Binary>Subscription" + b"<data x" * 8000,
        b'{"resourceType":"Subscription","channel":{"header":[' + b'"a"   ' * 4000 + b"x",
        b'{"resourceType":"Subscription","channel":{"header":[' + b'"a" , ' * 4000 + b"{}]}}",
        b"<Subscription>" + b"<header a " * 8000,
        b"<Subscription>" + b"<header value=' " * 8000,
        b'[{"path":"/channel/header","value":' + b'"a:\\' * 8000,
    ],
)
def test_a_body_made_to_hold_the_server_up_is_looked_through_at_once(sent: bytes) -> None:
    began = time.process_time()

    redacted(sent, "Subscription")

    assert time.process_time() - began < 1


def test_other_messages_are_kept_as_they_came() -> None:
    body = b'{"resourceType":"Observation","note":"Authorization: yes"}'

    assert redacted(body, "Observation") == body
