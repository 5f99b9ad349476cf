"""A peer hears that an archive has the images, until the report says more."""

from __future__ import annotations

import pytest

from integration.hl7.er7 import Message
from integration.hl7.from_domain.images import images_available
from ris.domain.availability import (
    Availability,
    InstanceDetails,
    RecordAvailability,
    SeriesAvailabilityDetails,
)
from ris.domain.exchange import Subscription
from ris.domain.performing import PerformedStatus
from ris.models import Delivery, Order
from ris.services import execute, outbox
from tests import make, people
from tests.integration.hl7 import views


def test_the_message_names_the_study_and_is_no_report() -> None:
    procedure = views.procedure(performed=(views.performed(status=PerformedStatus.COMPLETED),))
    event = views.event("ImagesAvailable", study_instance_uid=views.STUDY_UID, instances=42)

    draft = images_available(event, views.order(procedures=(procedure,)), views.profile())

    assert draft is not None
    assert (draft.code, draft.trigger, draft.structure) == ("ORU", "R01", "ORU_R01")
    rows = {str(row[0]): row for row in draft.rows if isinstance(row, tuple)}
    assert list(rows) == ["PID", "PV1", "ORC", "OBR", "OBX"]
    assert rows["OBX"] == (
        "OBX", 1, "ST", ("113014", "DICOM Study", "DCM"), None, views.STUDY_UID,
        None, None, None, None, None, "O",
    )  # fmt: skip
    obr = rows["OBR"]
    assert (obr[7], obr[25]) == ("20260303100000+0100", "R")
    assert rows["ORC"][1] == "RE"


def test_once_reported_the_status_of_the_report_stands() -> None:
    procedure = views.procedure(report=views.report())
    event = views.event("ImagesAvailable", study_instance_uid=views.STUDY_UID, instances=42)

    assert images_available(event, views.order(procedures=(procedure,)), views.profile()) is None


def tell_of_images(order: Order) -> None:
    instances = (InstanceDetails(sop_instance_uid="1.2.3", availability=Availability.ONLINE),)
    execute(
        RecordAvailability(
            study_instance_uid=order.procedures.get().study_instance_uid,
            series=(SeriesAvailabilityDetails(series_instance_uid="1.2", instances=instances),),
            told_by="ARCHIVE",
        ),
        actor=people.ct1,
    )
    outbox.fan_out()


@pytest.mark.django_db
def test_an_archive_s_notice_becomes_a_message_for_who_wants_it() -> None:
    make.site()
    make.device()
    make.endpoint("VIEWER", sends=(Subscription.IMAGES,))
    make.endpoint("EHR", sends=(Subscription.RESULTS,))
    order = make.performed()

    tell_of_images(order)
    tell_of_images(order)  # nothing new

    row = Delivery.objects.get()
    message = Message.from_bytes(bytes(row.payload))
    assert (row.endpoint.name, row.message_type, row.order) == ("VIEWER", "ORU^R01", order)
    assert (message.get("OBR-25"), message.get("OBX-3"), message.get("OBX-11")) == (
        "R", "113014", "O",
    )  # fmt: skip
    assert message.get("OBX-5") == order.procedures.get().study_instance_uid
