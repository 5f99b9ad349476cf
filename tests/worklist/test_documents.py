"""Dose reports and notices of images through the handlers: what is answered, and what is kept."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from ris.domain.actors import OPERATOR
from ris.domain.errors import ErrorCode
from ris.domain.exchange import (
    ConfigureEndpoint,
    Direction,
    MessageState,
    Protocol,
    ReplayMessage,
)
from ris.domain.identifiers import new_uid
from ris.models import (
    DoseRecord,
    ExamDose,
    InboundMessage,
    Order,
    StudyAvailability,
)
from ris.services import execute
from tests import make, people
from tests.worklist import requests
from tests.worklist.entries import SYNTAXES, encoded
from tests.worklist.notices import notice
from tests.worklist.reports import ct, report
from worklist.handlers import Handlers
from worklist.raw import StoredRequest
from worklist.service import Association, Outcome, Request
from worklist.sop_classes import (
    DOSE_REPORTS,
    INSTANCE_AVAILABILITY_NOTIFICATION,
    X_RAY_RADIATION_DOSE_SR,
    Operation,
)
from worklist.status import C_STORE

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()
    execute(
        ConfigureEndpoint(
            name="Archive",
            protocol=Protocol.DICOM,
            direction=Direction.IN,
            protocol_name="PACS",
            host="127.0.0.1",
        ),
        actor=OPERATOR,
    )


@pytest.fixture
def server() -> Handlers:
    return requests.handlers()


def request(
    operation: Operation,
    dataset: Dataset | bytes,
    uid: str,
    sop_class: str,
    *,
    ae_title: str = "CT1",
    syntax: str = "explicit",
) -> Request:
    return Request(
        association=Association(1, requests.caller(ae_title)),
        operation=operation,
        context_id=1,
        message_id=1,
        sop_class_uid=sop_class,
        transfer_syntax=SYNTAXES[syntax],
        dataset=dataset if isinstance(dataset, bytes) else encoded(dataset, syntax),
        sop_instance_uid=uid,
    )


def store(server: Handlers, document: Dataset | bytes, **options: Any) -> Outcome:
    uid = options.pop("uid", "") or str(getattr(document, "SOPInstanceUID", "2.25.7001"))
    sop_class = options.pop("sop_class", X_RAY_RADIATION_DOSE_SR)
    return server.c_store(request(Operation.C_STORE, document, uid, sop_class, **options))


def tell(server: Handlers, dataset: Dataset, *, uid: str | None = None, **options: Any) -> Outcome:
    options.setdefault("ae_title", "PACS")
    key = new_uid() if uid is None else uid
    return server.n_create(
        request(Operation.N_CREATE, dataset, key, INSTANCE_AVAILABILITY_NOTIFICATION, **options)
    )


def report_of(order: Order, **overrides: Any) -> Dataset:
    fields = {
        "AccessionNumber": order.accession_number,
        "StudyInstanceUID": make.step_of(order).procedure.study_instance_uid,
        "PatientID": order.patient.identifiers.get().value,
    }
    return ct({"2.25.8001": "100", "2.25.8002": "250.5"}, **fields | overrides)


# --- dose reports


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big"])
def test_a_dose_report_is_kept_and_counted(server: Handlers, syntax: str) -> None:
    order = make.performed()

    outcome = store(server, report_of(order), syntax=syntax)

    assert (outcome.status, outcome.comment) == (0x0000, "")
    row = DoseRecord.objects.get()
    assert (row.order, row.ae_title, row.events.count()) == (order, "CT1", 2)
    (total,) = [one for one in ExamDose.objects.get().totals if one["measure"] == "dlp"]
    assert total["value"] == "350.5"


def test_the_message_is_kept_to_the_byte_and_tied_to_its_order(server: Handlers) -> None:
    order = make.performed()
    document = report_of(order)

    store(server, document)

    message = InboundMessage.objects.get()
    stored = StoredRequest.unpack(bytes(message.raw))
    assert (message.message_type, message.state, message.outcome) == (
        "Dose SR C-STORE",
        MessageState.APPLIED.value,
        "0000",
    )
    assert stored.dataset == encoded(document, "explicit")
    assert stored.sop_class_uid == X_RAY_RADIATION_DOSE_SR
    assert DoseRecord.objects.get().message == message
    assert order in message.orders.all()


def test_the_answer_says_later_whether_it_left(server: Handlers) -> None:
    outcome = store(server, report_of(make.performed()))

    assert outcome.sent is not None
    outcome.sent(True)

    assert InboundMessage.objects.get().reply_state == "SENT"


def test_the_same_report_again_has_the_stored_answer(server: Handlers) -> None:
    document = report_of(make.performed())

    first, again = store(server, document), store(server, document)

    assert (first.status, again.status) == (0x0000, 0x0000)
    assert InboundMessage.objects.get().repeats == 1
    assert DoseRecord.objects.count() == 1


def test_what_is_no_dose_report_is_refused_and_visible(server: Handlers) -> None:
    outcome = store(server, report([], title="126000 Imaging Measurement Report"))

    assert outcome.status == 0xA900
    assert outcome.comment == "(0040,A043) the title is not that of a dose report"
    assert outcome.offending_elements == (0x0040A043,)
    assert InboundMessage.objects.get().state == MessageState.REJECTED.value
    assert not DoseRecord.objects.exists()


def test_a_report_under_another_class_is_refused(server: Handlers) -> None:
    other = next(uid for uid in DOSE_REPORTS if uid != X_RAY_RADIATION_DOSE_SR)

    outcome = store(server, report_of(make.performed()), sop_class=other)

    assert outcome.status == 0xA900
    assert outcome.comment == "(0008,0016) SOPClassUID is not that of the request"


def test_a_damaged_report_is_refused_and_kept(server: Handlers) -> None:
    data = encoded(report_of(make.performed()), "explicit")

    outcome = store(server, data[: len(data) // 2])

    message = InboundMessage.objects.get()
    assert outcome.status == 0xC000
    assert len(outcome.comment) <= 64
    assert (message.state, message.outcome) == (MessageState.REJECTED.value, "C000")
    assert bytes(message.raw).endswith(data[: len(data) // 2])


def test_a_refused_report_is_tried_again_when_it_comes_again(server: Handlers) -> None:
    document = report([], title="126000 Imaging Measurement Report")

    store(server, document)
    store(server, document)

    assert [row.outcome for row in InboundMessage.objects.all()] == ["A900", "A900"]


def test_a_stored_report_can_be_applied_again(server: Handlers) -> None:
    order = make.performed()
    store(server, report([], title="126000 Imaging Measurement Report"))
    message = InboundMessage.objects.get()
    whole = StoredRequest(
        "C-STORE",
        X_RAY_RADIATION_DOSE_SR,
        "2.25.7001",
        SYNTAXES["explicit"],
        "CT1",
        encoded(report_of(order), "explicit"),
    )
    InboundMessage.objects.filter(pk=message.pk).update(raw=whole.pack())

    execute(ReplayMessage(message=str(message.public_id), reason="mended"), actor=people.admin)

    assert DoseRecord.objects.get().order == order


def test_a_device_whose_services_leave_dose_out_may_not_send_it(server: Handlers) -> None:
    make.device(settings={"services": ["worklist", "mpps"]})

    outcome = store(server, report_of(make.performed()))

    assert (outcome.status, outcome.comment) == (0x0124, "this AE title may not send that")
    assert not InboundMessage.objects.exists()


def test_an_archive_passes_dose_reports_on(server: Handlers) -> None:
    order = make.performed()

    outcome = store(server, report_of(order), ae_title="PACS")

    assert outcome.status == 0x0000
    assert DoseRecord.objects.get().order == order


def test_every_error_has_its_status_of_c_store() -> None:
    assert set(C_STORE) == set(ErrorCode)


# --- notices of images


def made(order: Order) -> str:
    return make.step_of(order).procedure.study_instance_uid


def test_a_notice_says_that_the_images_are_there(server: Handlers) -> None:
    order = make.performed()

    outcome = tell(server, notice(made(order), {"2.25.1": {"2.25.11": "ONLINE"}}))

    assert outcome.status == 0x0000
    row = StudyAvailability.objects.get()
    assert (row.order, row.images, row.told_by) == (order, "AVAILABLE", "PACS")
    message = InboundMessage.objects.get()
    assert message.message_type == "IAN N-CREATE"
    assert order in message.orders.all()


def test_a_notice_without_uid_is_given_one(server: Handlers) -> None:
    study = notice("2.25.5", {"2.25.1": {"2.25.11": "ONLINE"}})

    outcome = tell(server, study, uid="")

    assert outcome.status == 0x0000
    assert outcome.sop_instance_uid.startswith("2.25.")


@pytest.mark.parametrize(
    ("dataset", "status", "comment"),
    [
        (notice("2.25.5", {}), 0x0121, "(0008,1115) ReferencedSeriesSequence has no value"),
        (
            notice("2.25.5", {}, ReferencedSeriesSequence=None),
            0x0120,
            "(0008,1115) ReferencedSeriesSequence is missing",
        ),
        (
            notice("", {"2.25.1": {"2.25.11": "ONLINE"}}),
            0x0121,
            "(0020,000D) StudyInstanceUID has no value",
        ),
        (
            notice("2.25.5", {"2.25.1": {"2.25.11": "SOMEWHERE"}}),
            0x0106,
            "(0008,0056) not an availability of instances",
        ),
        (
            notice("2.25.5", {"2.25.1": {"2.25.11": "ONLINE"}}, retrieve=""),
            0x0121,
            "(0008,0054) RetrieveAETitle has no value",
        ),
        (notice("2.25.5", {"no-uid": {"2.25.11": "ONLINE"}}), 0x0106, "(0020,000E) not a DICOM"),
    ],
)
def test_a_notice_must_hold_what_annex_r_asks(
    server: Handlers, dataset: Dataset, status: int, comment: str
) -> None:
    outcome = tell(server, dataset)

    assert outcome.status == status
    assert outcome.comment.startswith(comment)
    assert InboundMessage.objects.get().state == MessageState.REJECTED.value
    assert not StudyAvailability.objects.exists()


def test_a_scanner_does_not_tell_what_an_archive_has(server: Handlers) -> None:
    outcome = tell(server, notice("2.25.5", {"2.25.1": {"2.25.11": "ONLINE"}}), ae_title="CT1")

    assert outcome.status == 0x0124
    assert not InboundMessage.objects.exists()


def test_a_device_that_is_named_so_may_tell(server: Handlers) -> None:
    make.device(settings={"services": ["worklist", "mpps", "dose", "availability"]})

    outcome = tell(server, notice("2.25.5", {"2.25.1": {"2.25.11": "ONLINE"}}), ae_title="CT1")

    assert outcome.status == 0x0000


def test_an_archive_gets_no_worklist(server: Handlers) -> None:
    admission = server.admit(requests.caller("PACS"))

    classes = getattr(admission, "sop_classes", None)
    assert classes is not None
    assert INSTANCE_AVAILABILITY_NOTIFICATION in classes
    assert "1.2.840.10008.5.1.4.31" not in classes
