"""What a device must show to be let in, and what it may do then."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.wire.dicom_peer import MPPS, VERIFICATION, WORKLIST, associate_rq, context
from tests.wire.dicom_service import Handlers
from worklist.access import Access
from worklist.admission import Caller, Decision, Gatekeeper
from worklist.config import ListenerConfig
from worklist.negotiation import Negotiator, ae_titles
from worklist.passcodes import Passcodes, hashed, main
from worklist.rates import Rates
from worklist.service import AssociationRequest, PeerCertificate, UserIdentity

PASSCODE = "correct horse"
HASHED = hashed(PASSCODE)
NAMED = PeerCertificate("ab12", "commonName=ct1", ("ct1", "ct1.hospital.example", "10.0.0.7"))


def caller(**overrides: Any) -> AssociationRequest:
    return AssociationRequest("CT1", "RIS", "10.0.0.7", **overrides)


def reason(settings: dict[str, Any], **request: Any) -> str:
    """Why this caller is not let in; nothing if it is."""
    refused = Access.of(settings).objection(caller(**request), Passcodes())
    return "" if refused is None else refused.reason


# Certificates


@pytest.mark.parametrize(
    ("settings", "certificate", "expected"),
    [
        ({}, None, ""),
        ({"certificate_sha256": "AB12"}, NAMED, ""),
        ({"certificate_sha256": "AB13"}, NAMED, "certificate is not that of the device"),
        ({"certificate_name": "CT1.hospital.example"}, NAMED, ""),
        ({"certificate_name": "10.0.0.7"}, NAMED, ""),
        ({"certificate_name": "ct1"}, NAMED, ""),
        ({"certificate_name": "hospital.example"}, NAMED, "certificate is not that of the device"),
        ({"certificate_name": "ct1"}, None, "certificate is not that of the device"),
        # Names count only if an authority stands for them; without one there are none.
        (
            {"certificate_name": "ct1"},
            PeerCertificate("ab12"),
            "certificate is not that of the device",
        ),
    ],
)
def test_a_certificate_is_bound_by_digest_or_name(
    settings: dict[str, Any], certificate: PeerCertificate | None, expected: str
) -> None:
    assert reason(settings, tls=True, certificate=certificate) == expected


def test_tls_can_be_required() -> None:
    assert reason({"tls": "required"}) == "device must use TLS"
    assert reason({"tls": "required"}, tls=True) == ""


# User identity (PS3.7 D.3.3.7)


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (None, "user identity is missing"),
        (UserIdentity(1, b"ct1"), "user identity lacks the passcode"),
        (UserIdentity(2, b"ct1", PASSCODE.encode()), ""),
        (UserIdentity(2, b"ct1", b"wrong"), "user identity has the wrong passcode"),
        (UserIdentity(2, b"ct2", PASSCODE.encode()), "user identity is of another user"),
        (UserIdentity(3, b"ticket"), "user identity by Kerberos is not supported"),
        (UserIdentity(4, b"<saml/>"), "user identity by SAML is not supported"),
        (UserIdentity(5, b"a.b.c"), "user identity by JSON Web Token is not supported"),
        (UserIdentity(9, b"ct1"), "user identity is of no known kind"),
    ],
    ids=lambda value: str(getattr(value, "kind", "")),
)
def test_an_identity_that_is_required_is_checked(
    identity: UserIdentity | None, expected: str
) -> None:
    assert reason({"user_name": "ct1", "passcode": HASHED}, identity=identity) == expected


@pytest.mark.parametrize("kind", [1, 2])
def test_a_name_alone_is_enough_if_no_passcode_is_registered(kind: int) -> None:
    assert reason({"user_name": "ct1"}, identity=UserIdentity(kind, b"ct1", b"any")) == ""
    assert reason({"user_name": "ct1"}, identity=UserIdentity(kind, b"ct2")) != ""


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5])
def test_an_identity_that_is_not_required_is_let_in_and_not_confirmed(kind: int) -> None:
    access = Access.of({})

    assert access.objection(caller(identity=UserIdentity(kind, b"who")), Passcodes()) is None
    assert access.admission("peer").identity_response is None


def test_an_identity_that_was_checked_is_confirmed_with_an_empty_response() -> None:
    assert Access.of({"user_name": "ct1"}).admission("peer").identity_response == b""


def test_a_refused_identity_is_refused_for_good() -> None:
    """PS3.7 D.3.3.7.3: rejected-permanent, for the same identity is refused again."""
    refused = Access.of({"user_name": "ct1"}).objection(caller(), Passcodes())

    assert refused is not None
    assert (refused.result, refused.source, refused.diagnostic) == (1, 2, 1)


# Passcodes


def test_the_hash_of_a_passcode_tells_nothing_and_differs_each_time() -> None:
    assert hashed(PASSCODE) != HASHED
    assert PASSCODE not in HASHED


def test_a_passcode_known_to_be_right_is_not_held_up_by_guesses() -> None:
    passcodes = Passcodes()

    assert passcodes.is_right(HASHED, PASSCODE.encode())
    assert not passcodes.is_right(HASHED, b"guess")
    assert passcodes.is_right(HASHED, PASSCODE.encode())


def test_after_a_wrong_guess_the_next_is_not_even_looked_at() -> None:
    passcodes = Passcodes()

    assert not passcodes.is_right(HASHED, b"guess")
    assert not passcodes.is_right(HASHED, PASSCODE.encode())


def test_who_is_not_looked_at_after_a_wrong_guess_may_come_again() -> None:
    access = Access.of({"user_name": "ct1", "passcode": HASHED})
    passcodes = Passcodes()

    refused = [
        access.objection(caller(identity=UserIdentity(2, b"ct1", said)), passcodes)
        for said in (b"guess", PASSCODE.encode())
    ]

    assert [one and (one.result, one.source, one.diagnostic) for one in refused] == [
        (1, 2, 1),
        (2, 3, 1),
    ]
    assert refused[1] is not None
    assert refused[1].reason == "user identity follows a wrong passcode too soon"


def test_a_device_that_opens_several_associations_at_once_is_let_in_with_each() -> None:
    """As scanners do after our start: one for the worklist, one for MPPS."""
    passcodes = Passcodes()
    together = Barrier(4)

    def ask(_: int) -> bool:
        together.wait()
        return passcodes.is_right(HASHED, PASSCODE.encode())

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [True] * 4


def test_the_command_prints_the_line_for_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSCODE}\n"))

    assert main([]) == 0

    name, _, value = capsys.readouterr().out.strip().partition(" = ")
    assert name == "passcode"
    assert Passcodes().is_right(value.strip('"'), PASSCODE.encode())


def test_a_short_passcode_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))

    assert main([]) == 1
    assert capsys.readouterr().err == "ris: a passcode has 8 characters or more\n"


# Services and limits


def test_limits_of_a_device_go_before_those_of_the_site() -> None:
    own = Access.of({"associations": 2, "queries_per_minute": 30}).admission("peer", 600)
    site = Access.of({}).admission("peer", 600)

    assert (own.associations, own.queries_per_minute) == (2, 30)
    assert (site.associations, site.queries_per_minute) == (None, 600)


def accepted(services: list[str] | None) -> set[str]:
    """SOP classes agreed with a device that proposes three."""
    raw = associate_rq(context(1, VERIFICATION), context(3, WORKLIST), context(5, MPPS))
    settings = {} if services is None else {"services": services}
    handlers = Handlers()
    handlers.admit = lambda _: Access.of(settings).admission("peer")
    gatekeeper = Gatekeeper(handlers, Negotiator(ListenerConfig()))
    titles = ae_titles(raw)
    assert isinstance(titles, tuple)

    # The second time the answer is the one that was kept.
    for _ in range(2):
        decision = gatekeeper.decide(raw, titles, Caller("10.0.0.7", 1, False, None))

    assert isinstance(decision, Decision)
    return {one.sop_class.uid for one in decision.agreement.contexts.values()}


def test_a_device_is_offered_its_services_only() -> None:
    assert accepted(None) == {VERIFICATION, WORKLIST, MPPS}
    assert accepted(["worklist"]) == {VERIFICATION, WORKLIST}
    assert accepted(["mpps", "dose"]) == {VERIFICATION, MPPS}
    assert accepted([]) == {VERIFICATION}


def test_a_minutes_worth_of_queries_may_come_at_once_and_then_they_trickle() -> None:
    rates = Rates()
    rates.allow("CT1", 60)

    burst = [rates.take("CT1", 100.0) for _ in range(61)]
    later = [rates.take("CT1", 102.0) for _ in range(3)]

    assert burst == [True] * 60 + [False]
    assert later == [True, True, False]
    assert rates.take("MR1", 100.0)


def test_a_limit_can_be_lifted() -> None:
    rates = Rates()
    rates.allow("CT1", 1)
    assert [rates.take("CT1", 0.0) for _ in range(2)] == [True, False]

    rates.allow("CT1", None)

    assert all(rates.take("CT1", 0.0) for _ in range(5))
