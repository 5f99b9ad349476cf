"""Ids of procedures and steps are one exam's alone (spec/dicom.md ID-05)."""

from __future__ import annotations

import pytest

from ris.domain.errors import DuplicateKeyError
from ris.domain.orders import ProcedureRequest
from ris.domain.places import Place
from tests import make

pytestmark = pytest.mark.django_db


def test_ids_of_another_exam_are_refused_by_name() -> None:
    make.order(procedures=(named("2.25.1", "P1", "S1"),))

    with pytest.raises(DuplicateKeyError, match="step id is another step's") as step:
        make.order(procedures=(named("2.25.2", "P2", "S1"),))
    with pytest.raises(DuplicateKeyError, match="procedure id is another procedure's") as procedure:
        make.order(procedures=(named("2.25.3", "P1", "S3"),))

    assert (step.value.path, procedure.value.path) == (Place.STEP_ID, Place.PROCEDURE_ID)


def named(study: str, procedure_id: str, step_id: str) -> ProcedureRequest:
    return ProcedureRequest(
        code=make.CT_HEAD,
        study_instance_uid=study,
        procedure_id=procedure_id,
        steps=(make.step_request(step_id=step_id),),
    )
