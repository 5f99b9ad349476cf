"""pynetdicom as a modality: an association, a query, the names that come back."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dsutils import encode

from tests.wire.dicom_peer import VERIFICATION, WORKLIST
from worklist.server import ServerThread
from worklist.service import Request


def client(*abstract: str, syntaxes: list[Any] | None = None, ae_title: str = "CT1") -> AE:
    ae = AE(ae_title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 5
    for uid in abstract or (VERIFICATION,):
        ae.add_requested_context(uid, syntaxes or [ImplicitVRLittleEndian])
    return ae


def associate(server: ServerThread, ae: AE, **options: Any) -> Association:
    association = ae.associate("127.0.0.1", server.port, ae_title="RIS", **options)
    assert association.is_established
    return association


def query(**values: str) -> Dataset:
    dataset = Dataset()
    dataset.PatientName = ""
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def rows(request: Request, *names: str) -> list[bytes]:
    """Encoded identifiers, one for each patient name."""
    implicit = request.transfer_syntax == ImplicitVRLittleEndian
    little = request.transfer_syntax != ExplicitVRBigEndian
    return [encode(query(PatientName=name), implicit, little) or b"" for name in names]


def long_rows(*names: str, size: int = 900) -> list[bytes]:
    """Identifiers of about ``size`` bytes, in Implicit VR."""
    return [
        encode(query(PatientName=name, PatientComments="X" * size), True, True) or b""
        for name in names
    ]


def found(association: Association, identifier: Dataset) -> tuple[list[str], list[Dataset]]:
    """Names in the order they came, and all statuses."""
    names, statuses = [], []
    for status, answer in association.send_c_find(identifier, WORKLIST):
        statuses.append(status)
        if answer is not None:
            names.append(str(answer.PatientName))
    return names, statuses
