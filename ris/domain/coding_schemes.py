"""Coding schemes as DICOM names them (PS3.16 8): designators of at most 16 characters."""

from __future__ import annotations

from collections.abc import Mapping

# FHIR code systems → coding scheme designators (PS3.16 Table 8-1). HL7 names are the same already.
DESIGNATORS: Mapping[str, str] = {
    "http://loinc.org": "LN",
    "http://snomed.info/sct": "SCT",
    "http://www.ama-assn.org/go/cpt": "C4",
    "http://hl7.org/fhir/sid/icd-10": "I10",
    "http://hl7.org/fhir/sid/icd-10-cm": "I10C",
    "http://dicom.nema.org/resources/ontology/DCM": "DCM",
    "http://playbook.radlex.org": "RADLEX",
    "http://www.radlex.org": "RADLEX",
}
# Private schemes begin with 99. For codes that came without any scheme we could show.
UNNAMED = "99LOCAL"
LONGEST = 16


def designator(scheme: str) -> str:
    """The coding scheme as (0008,0102), VR SH."""
    known = DESIGNATORS.get(scheme, scheme)
    return known if known and len(known) <= LONGEST else UNNAMED
