"""What an MPPS pair costs in statements (performance.md goal 14)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ris.domain.identifiers import new_uid
from ris.models import Order
from tests import make
from tests.worklist import requests
from tests.worklist.performed import n_create, n_set, scheduled
from worklist.handlers import Handlers
from worklist.registry import Registry

pytestmark = pytest.mark.django_db

# Savepoints and BEGIN included; the rows written are twelve and thirteen.
N_CREATE = 20
N_SET = 27


def dataset(order: Order) -> Any:
    step = make.step_of(order)
    item = scheduled(
        StudyInstanceUID=step.procedure.study_instance_uid,
        AccessionNumber=order.accession_number,
        RequestedProcedureID=step.procedure.procedure_id,
        ScheduledProcedureStepID=step.step_id,
    )
    number = order.patient.identifiers.get().value
    return n_create(PatientID=number, ScheduledStepAttributesSequence=[item])


def test_a_pair_takes_no_more_statements_than_it_did(django_assert_max_num_queries: Any) -> None:
    make.site()
    make.device()
    server = Handlers(Registry("RIS", seconds=60))  # as it runs: the register is read at times
    warm, measured = make.booked(), make.booked(make.NOON + timedelta(hours=1))
    first, uid = new_uid(), new_uid()
    requests.create(server, dataset(warm), first)
    requests.change(server, n_set(), first)
    sent = dataset(measured)

    with django_assert_max_num_queries(N_CREATE):
        created = requests.create(server, sent, uid)
    with django_assert_max_num_queries(N_SET):
        changed = requests.change(server, n_set(), uid)

    assert (created.status, changed.status) == (0, 0)
    assert make.step_of(measured).status == "COMPLETED"
