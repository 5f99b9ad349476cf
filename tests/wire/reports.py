"""Reports on their way into archives: who signs, where they go, and what became of each."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.accounts import CreateUser
from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.exchange import Protocol, Subscription
from ris.domain.reporting import FinalizeReport
from ris.models import Delivery, Report
from ris.services import execute
from tests import ground, make, people
from tests.wire.archive import Archive
from tests.wire.orthanc import Orthanc
from tests.wire.sending import QUICK

TEXT = {
    "indication": "Headache since Tuesday.",
    "findings": "No bleeding.\nVentricles of normal width.",
    "impression": "Normal CT of the head.",
}


@pytest.fixture
def reader() -> Actor:
    roles = frozenset({Role.RADIOLOGIST})

    def build() -> int:
        make.site()
        make.device("CT1", "CT")
        make.opened_report(make.performed())
        create = CreateUser(
            username="reader", password="", roles=roles, first_name="Rita", last_name="Roe"
        )
        return execute(create, actor=people.admin)

    user, _ = ground.begin("a report to be signed", build)
    return Actor(ActorKind.USER, "reader", roles, user_id=user, address="127.0.0.1")


def archive_endpoint(archive: Archive | Orthanc, name: str = "PACS", **settings: Any) -> str:
    return make.endpoint(
        name,
        protocol=Protocol.DICOM,
        protocol_name=archive.ae_title,
        port=archive.port,
        version="",
        sends=(Subscription.REPORT_OBJECTS,),
        settings={**QUICK, **settings},
    )


def finalize(reader: Actor, **sections: str) -> Report:
    report = Report.objects.get()
    execute(
        FinalizeReport(report=str(report.public_id), sections={**TEXT, **sections}), actor=reader
    )
    return report


def states() -> list[tuple[str, str, str]]:
    rows = Delivery.objects.order_by("id").values_list("message_type", "state", "last_error")
    return list(rows)
