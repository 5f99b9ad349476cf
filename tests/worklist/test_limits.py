"""How large a message of each service may be, and what looks at it first."""

from __future__ import annotations

import struct

import pytest

from ris.domain.errors import InvalidValueError
from worklist import dose
from worklist.config import Deadlines, Limits
from worklist.sop_classes import (
    DOSE_REPORT_BYTES,
    DOSE_REPORTS,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    INSTANCE_AVAILABILITY_NOTIFICATION,
    MODALITY_PERFORMED_PROCEDURE_STEP,
    MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
    MODALITY_WORKLIST_FIND,
    SOP_CLASSES,
    STORAGE_COMMITMENT,
    VERIFICATION,
    Operation,
)

MEGABYTE = 1 << 20


def test_each_service_has_its_own_limit_and_only_reports_a_large_one() -> None:
    limits = {row.uid: row.dataset_bytes for row in SOP_CLASSES}

    assert limits == {
        VERIFICATION: 0,
        MODALITY_WORKLIST_FIND: MEGABYTE,
        MODALITY_PERFORMED_PROCEDURE_STEP: 4 * MEGABYTE,
        MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE: MEGABYTE,
        INSTANCE_AVAILABILITY_NOTIFICATION: 8 * MEGABYTE,
        STORAGE_COMMITMENT: MEGABYTE,
        **dict.fromkeys(DOSE_REPORTS, DOSE_REPORT_BYTES),
    }
    assert DOSE_REPORT_BYTES == 16 * MEGABYTE


def test_only_documents_are_stored_and_deflated_is_never_offered() -> None:
    stored = {row.uid for row in SOP_CLASSES if Operation.C_STORE in row.operations}
    offered = {syntax for row in SOP_CLASSES for syntax in row.transfer_syntaxes}

    assert stored == set(DOSE_REPORTS)
    assert offered == {
        EXPLICIT_VR_LITTLE_ENDIAN,
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
    }


def test_what_the_listener_does_not_scan_its_reader_does() -> None:
    unscanned = {row.uid for row in SOP_CLASSES if not row.prescanned}
    raw = b""
    for _ in range(500):
        inner = b"\xfe\xff\x00\xe0" + struct.pack("<L", len(raw)) + raw
        raw = b"\x40\x00\x30\xa7" + struct.pack("<L", len(inner)) + inner
    around = dose.Circumstances(ae_title="CT1", zone=None)  # type: ignore[arg-type]

    assert unscanned == set(DOSE_REPORTS)
    for uid in unscanned:
        assert dose.references_in(raw, IMPLICIT_VR_LITTLE_ENDIAN) == ()
        with pytest.raises(InvalidValueError, match="nested too deep"):
            dose.from_report(uid, "2.25.1", raw, IMPLICIT_VR_LITTLE_ENDIAN, around)


def test_the_limits_are_those_of_the_requirements() -> None:
    limits, deadlines = Limits(), Deadlines()

    assert limits.associate_pdu_bytes == limits.command_set_bytes == 64 * 1024
    assert (limits.contexts, limits.pdu_bytes) == (128, 128 * 1024)
    # A peer that does not read: this, one page of rows, and what the system holds.
    assert limits.write_buffer_bytes == 128 * 1024
    assert limits.held_bytes == 128 * MEGABYTE
    assert (deadlines.associate, deadlines.tls_handshake) == (5, 5)
    assert (deadlines.write, deadlines.drain) == (30, 10)
