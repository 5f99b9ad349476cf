"""Many clients over HTTP at once: what a condition finds and what is written are one unit."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from ris.domain.accounts import IssueToken
from ris.domain.actors import OPERATOR
from ris.domain.orders import HoldOrder, OrderReference
from ris.models import FhirResource, InboundMessage, Order, Patient
from ris.services import execute
from tests import make, people
from tests.integration.fhir import resources
from tests.races.test_patient_races import wait_until_somebody_waits

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.wire]

CLIENTS = 50
URN = "urn:uuid:00000000-0000-4000-8000-000000000001"


class Client:
    """A kept connection with a token; the server has taken it before anything is sent at once."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=60)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/fhir+json",
        }
        self.send("OPTIONS", "/Patient")

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = b"" if body is None else json.dumps(body).encode()
        self._connection.request(method, f"/fhir{path}", raw, {**self._headers, **sent})
        answer = self._connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def client(live_server: Any) -> Iterator[Callable[[], Client]]:
    """New clients of one token."""
    scopes = ("system/*.cruds",)
    token = execute(IssueToken(client="EHR", scopes=scopes), actor=OPERATOR).secret
    made: list[Client] = []

    def client() -> Client:
        made.append(Client(live_server.thread.host, live_server.thread.port, token))
        return made[-1]

    yield client
    for each in made:
        each.close()


def together(
    clients: int, client: Callable[[], Client], call: Callable[[int, Client], Any]
) -> list[Any]:
    """Results of a call by each of that many clients, begun at the same moment."""
    barrier = threading.Barrier(clients)
    results: list[Any] = [None] * clients

    def run(number: int, own: Client) -> None:
        barrier.wait(timeout=30)
        results[number] = call(number, own)

    threads = [threading.Thread(target=run, args=(number, client())) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=90)
        assert not thread.is_alive()
    return results


def test_fifty_conditional_creates_make_one_resource(client: Callable[[], Client]) -> None:
    condition = f"identifier={resources.MRN}|1"

    answers = together(
        CLIENTS,
        client,
        lambda _, own: own.send(
            "POST", "/Patient", resources.patient("1"), If_None_Exist=condition
        ),
    )

    assert Counter(status for status, _ in answers) == {201: 1, 200: CLIENTS - 1}
    assert len({body["id"] for _, body in answers}) == 1
    assert Patient.objects.count() == 1
    assert InboundMessage.objects.filter(state="APPLIED").count() == CLIENTS


def test_conditional_updates_and_bundles_make_one_resource(client: Callable[[], Client]) -> None:
    """Of a type without a unique number in the database, so that only the lock helps."""
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "pulse"},
        "identifier": [{"system": "urn:x", "value": "7"}],
    }
    found = "identifier=urn:x|7"
    entry = {
        "resource": observation,
        "request": {"method": "POST", "url": "Observation", "ifNoneExist": found},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]}

    answers = together(
        12,
        client,
        lambda number, own: (
            own.send("POST", "/", bundle)
            if number % 2
            else own.send("PUT", f"/Observation?{found}", observation)
        ),
    )

    assert {status for status, _ in answers} <= {200, 201}
    assert FhirResource.objects.filter(type="Observation").count() == 1


def test_one_of_many_changes_to_one_version_wins(client: Callable[[], Client]) -> None:
    _, order = client().send("POST", "/ServiceRequest", resources.service_request("4711"))
    version = f'W/"{order["meta"]["versionId"]}"'

    answers = together(
        8,
        client,
        lambda number, own: own.send(
            "PUT",
            f"/ServiceRequest/{order['id']}",
            {**order, "note": [{"text": f"note {number}"}]},
            If_Match=version,
        ),
    )

    assert Counter(status for status, _ in answers) == {200: 1, 412: 7}
    assert Order.objects.get().comments.startswith("note ")


def test_transactions_with_each_other_s_types_do_not_stop_each_other(
    client: Callable[[], Client],
) -> None:
    """Conditions on two types, named in either order: no circle of locks."""

    def entries(number: int) -> list[dict[str, Any]]:
        patient = {
            "fullUrl": URN,
            "resource": resources.patient("1"),
            "request": {
                "method": "POST",
                "url": "Patient",
                "ifNoneExist": f"identifier={resources.MRN}|1",
            },
        }
        observation = {
            "resource": {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "pulse"},
                "subject": {"reference": URN},
                "identifier": [{"system": "urn:x", "value": "7"}],
            },
            "request": {
                "method": "POST",
                "url": "Observation",
                "ifNoneExist": "identifier=urn:x|7",
            },
        }
        return [patient, observation] if number % 2 else [observation, patient]

    answers = together(
        8,
        client,
        lambda number, own: own.send(
            "POST",
            "",
            {"resourceType": "Bundle", "type": "transaction", "entry": entries(number)},
        ),
    )

    assert [status for status, _ in answers] == [200] * 8
    assert (Patient.objects.count(), FhirResource.objects.count()) == (1, 1)


def test_a_version_stays_the_present_one_until_what_is_done_by_it(
    client: Callable[[], Client],
) -> None:
    order = make.order()
    address = f"/ServiceRequest/{order.public_id}"
    ehr = client()
    _, shown = ehr.send("GET", address)
    match = f'W/"{shown["meta"]["versionId"]}"'
    answers: list[tuple[int, Any]] = []

    def revoke() -> None:
        answers.append(ehr.send("PUT", address, {**shown, "status": "revoked"}, If_Match=match))

    thread = threading.Thread(target=revoke)
    with transaction.atomic():
        # Somebody else is about to change it: nobody sees that yet.
        reference = OrderReference(public_id=str(order.public_id))
        execute(HoldOrder(order=reference, reason="waits"), actor=people.scheduler)
        thread.start()
        wait_until_somebody_waits()
    thread.join(timeout=30)

    assert [status for status, _ in answers] == [412]
    order.refresh_from_db()
    assert order.status == "ON_HOLD"
