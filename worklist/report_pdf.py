"""A version of a report as Encapsulated PDF (PS3.3 A.45.1): the very bytes that are printed."""

from __future__ import annotations

from typing import Final

from worklist.building import code, elements
from worklist.dicom_json import Json
from worklist.report_content import DIAGNOSTIC_IMAGING_REPORT
from worklist.report_header import Told, header, hierarchy
from worklist.report_sr import COMPLETION

ENCAPSULATED_PDF: Final = "1.2.840.10008.5.1.4.1.1.104.1"
SERIES_NUMBER: Final = 9902


def dataset(told: Told, content: bytes) -> Json:
    """The object as DICOM JSON."""
    words = COMPLETION[told.version.kind]
    return elements(
        {
            **header(told, "DOC", "Report (PDF)"),
            "ConversionType": "WSD",
            "AcquisitionDateTime": "",
            # Name and number of the patient stand on every page.
            "BurnedInAnnotation": "YES",
            "RecognizableVisualFeatures": "NO",
            "DocumentTitle": f"Report, {words.lower()}" if words else "Report",
            "ConceptNameCodeSequence": [code(DIAGNOSTIC_IMAGING_REPORT)],
            "VerificationFlag": "VERIFIED" if told.is_verified else "UNVERIFIED",
            "PredecessorDocumentsSequence": (
                hierarchy([told.predecessor]) if told.predecessor else None
            ),
            "IdenticalDocumentsSequence": hierarchy(told.identical) or None,
            "MIMETypeOfEncapsulatedDocument": "application/pdf",
            # Of an odd length one byte follows that is not the document's (PS3.5 7.1.1).
            "EncapsulatedDocument": content + b"\0" * (len(content) % 2),
            "EncapsulatedDocumentLength": [len(content)],
        }
    )
