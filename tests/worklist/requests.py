"""Requests as the upper layer hands them to the handlers, without any network."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode

from tests.worklist.entries import SYNTAXES, encoded
from worklist.handlers import Handlers
from worklist.registry import Registry
from worklist.service import Association, AssociationRequest, FindAnswer, Outcome, Request
from worklist.sop_classes import (
    MODALITY_PERFORMED_PROCEDURE_STEP,
    MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
    MODALITY_WORKLIST_FIND,
    Operation,
)


def handlers(**options: Any) -> Handlers:
    """Handlers that look the register up anew each time."""
    accept = options.pop("accept_unknown", False)
    return Handlers(Registry("RIS", accept_unknown=accept, seconds=0), **options)


def caller(ae_title: str = "CT1", called: str = "RIS", **overrides: Any) -> AssociationRequest:
    return AssociationRequest(
        **{"calling_ae_title": ae_title, "called_ae_title": called, "address": "127.0.0.1"}
        | overrides
    )


def request(
    operation: Operation,
    dataset: Dataset | None = None,
    *,
    uid: str = "",
    ae_title: str = "CT1",
    syntax: str = "explicit",
    **overrides: Any,
) -> Request:
    classes = {
        Operation.C_FIND: MODALITY_WORKLIST_FIND,
        Operation.N_GET: MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
    }
    return Request(
        association=Association(1, caller(ae_title)),
        operation=operation,
        context_id=1,
        message_id=1,
        sop_class_uid=classes.get(operation, MODALITY_PERFORMED_PROCEDURE_STEP),
        transfer_syntax=SYNTAXES[syntax],
        dataset=encoded(dataset, syntax) if dataset is not None else b"",
        sop_instance_uid=uid,
        **overrides,
    )


def find(server: Handlers, query: Dataset, **options: Any) -> FindAnswer:
    return server.c_find(request(Operation.C_FIND, query, **options))


def rows(answer: FindAnswer, syntax: str = "explicit") -> list[Dataset]:
    return [
        decode(BytesIO(data), syntax == "implicit", syntax != "big") for data in answer.identifiers
    ]


def create(server: Handlers, dataset: Dataset, uid: str, **options: Any) -> Outcome:
    return server.n_create(request(Operation.N_CREATE, dataset, uid=uid, **options))


def change(server: Handlers, dataset: Dataset, uid: str, **options: Any) -> Outcome:
    return server.n_set(request(Operation.N_SET, dataset, uid=uid, **options))


def get(server: Handlers, uid: str, *tags: int, **options: Any) -> Outcome:
    return server.n_get(
        request(Operation.N_GET, uid=uid, attribute_identifiers=tuple(tags), **options)
    )
