"""The SOP classes the listener offers: one row each, read by negotiation, dispatch and limits.

A new service (a dose report receiver, say) is a row here plus a method of ``service.Service``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"

# Order of preference, ours wins over the requestor's (PS3.8 9.3.3.2). Explicit VR first: the value
# representations travel with the data, so neither side depends on the other's dictionary. Big
# Endian is retired and comes last, that is, it is chosen only if nothing else was proposed.
# Deflated is never accepted: a few bytes may inflate to gigabytes.
TRANSFER_SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)

VERIFICATION = "1.2.840.10008.1.1"
MODALITY_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
MODALITY_PERFORMED_PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"
MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
INSTANCE_AVAILABILITY_NOTIFICATION = "1.2.840.10008.5.1.4.33"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"  # Push Model
STORAGE_COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"  # the one well-known instance (PS3.4 J.3.5)
X_RAY_RADIATION_DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.67"
RADIOPHARMACEUTICAL_RADIATION_DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.68"
PATIENT_RADIATION_DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.73"
ENHANCED_X_RAY_RADIATION_DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.76"

# A report of a long intervention: hundreds of events with some fifty content items each.
DOSE_REPORT_BYTES = 16 << 20
DOSE_REPORT_DEPTH = 32
DOSE_REPORT_ELEMENTS = 200_000


class Operation(IntEnum):
    """Command Field (0000,0100) of the requests (PS3.7 E.1)."""

    C_STORE = 0x0001
    C_FIND = 0x0020
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_GET = 0x0110
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    N_DELETE = 0x0150

    @property
    def is_normalized(self) -> bool:
        """Whether this is a DIMSE-N service, with its own status and error fields."""
        return self >= Operation.N_EVENT_REPORT


@dataclass(frozen=True, slots=True, kw_only=True)
class SopClass:
    """One abstract syntax: what may be asked over it and how large the question may be."""

    uid: str
    name: str
    operations: frozenset[Operation]
    transfer_syntaxes: tuple[str, ...] = TRANSFER_SYNTAXES
    # SOP Class UIDs a request over this context may name. The instances of the Retrieve class are
    # created under the other MPPS class, and requestors name either of the two (PS3.4 F.8).
    named: frozenset[str] = frozenset()
    dataset_bytes: int = 0
    dataset_depth: int = 8
    dataset_elements: int = 2_000
    # A scanner may keep its association open for a whole examination.
    holds: bool = False
    # We are its user: the requestor plays the provider (PS3.7 D.3.3.4).
    reversed: bool = False
    # Service class application information we understand, answered in the offered length.
    extended: bool = False
    # Whether a dataset is scanned before the handler has it; documents are stored first, so that
    # a damaged one can be looked at.
    prescanned: bool = True

    def is_named(self, uid: str) -> bool:
        """Whether a request over this context may carry ``uid``."""
        return uid == self.uid or uid in self.named


_MPPS_FAMILY = frozenset(
    {MODALITY_PERFORMED_PROCEDURE_STEP, MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE}
)

# No image and no other object is stored here.
DOSE_REPORTS = {
    X_RAY_RADIATION_DOSE_SR: "X-Ray Radiation Dose SR Storage",
    RADIOPHARMACEUTICAL_RADIATION_DOSE_SR: "Radiopharmaceutical Radiation Dose SR Storage",
    PATIENT_RADIATION_DOSE_SR: "Patient Radiation Dose SR Storage",
    ENHANCED_X_RAY_RADIATION_DOSE_SR: "Enhanced X-Ray Radiation Dose SR Storage",
}

SOP_CLASSES = (
    SopClass(
        uid=VERIFICATION,
        name="Verification",
        operations=frozenset({Operation.C_ECHO}),
    ),
    SopClass(
        uid=MODALITY_WORKLIST_FIND,
        name="Modality Worklist Information Model - FIND",
        operations=frozenset({Operation.C_FIND}),
        dataset_bytes=1 << 20,
        extended=True,
    ),
    SopClass(
        uid=MODALITY_PERFORMED_PROCEDURE_STEP,
        name="Modality Performed Procedure Step",
        operations=frozenset({Operation.N_CREATE, Operation.N_SET}),
        named=_MPPS_FAMILY,
        dataset_bytes=4 << 20,
        # The final N-SET names every image, three elements each; a perfusion has tens of thousands.
        dataset_elements=130_000,
        holds=True,
    ),
    SopClass(
        uid=MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
        name="Modality Performed Procedure Step Retrieve",
        operations=frozenset({Operation.N_GET}),
        named=_MPPS_FAMILY,
        dataset_bytes=1 << 20,
        holds=True,
    ),
    SopClass(
        uid=INSTANCE_AVAILABILITY_NOTIFICATION,
        name="Instance Availability Notification",
        operations=frozenset({Operation.N_CREATE}),
        dataset_bytes=8 << 20,
        # Five elements for each image of a study.
        dataset_elements=150_000,
    ),
    SopClass(
        uid=STORAGE_COMMITMENT,
        name="Storage Commitment Push Model",
        operations=frozenset({Operation.N_EVENT_REPORT}),
        dataset_bytes=1 << 20,
        reversed=True,
    ),
    *(
        SopClass(
            uid=uid,
            name=name,
            operations=frozenset({Operation.C_STORE}),
            dataset_bytes=DOSE_REPORT_BYTES,
            dataset_depth=DOSE_REPORT_DEPTH,
            dataset_elements=DOSE_REPORT_ELEMENTS,
            prescanned=False,
        )
        for uid, name in DOSE_REPORTS.items()
    ),
)
