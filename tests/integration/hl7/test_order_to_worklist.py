"""IHE RAD TF-2 Table B-1 (spec 1.8): every row from an ORM and an OMI to a scanner's answer.

Each row names where a value stands in a message and what a C-FIND brings for it. What is of the
site and not of the order (institution, station) comes from this system's own records.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from integration.hl7.inbound import handle
from integration.hl7.server import Peer, Reply
from tests import make
from tests.integration.hl7.messages import obr, text
from tests.worklist import requests

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("accepting")]

PID = (
    "PID|1|OLD9^^^OLDHOSP|4711^^^HOSP&1.2.40.0.34.99&ISO^MR~8899^^^NATIONAL^NI||Berg^Anna^Maria"
    "|Stein^Rosa|19700503|F||2106-3^White^HL70005|Ringstrasse 1^^Wien^^1010^AUT|"
    "|+43 1 5550100^PRN^PH||de|||||||H^Hispanic^HL70189"
)
NOTE = "NTE|1|L|hard of hearing"
PV1 = "PV1|1|I|NEURO^12^A||||0100^Attend^Al|0200^Refer^Ria||SUR|||||A2|V|||V1^^^HOSP"
AL1 = "AL1|1||^Iodine contrast"
ORC_TAIL = (
    "20290310101000|0300^Enter^Emil||1234^Ordonez^Olga^^^Dr.|NEURO^12|+43 1 5550200|||"
    "SUR^Surgery^99HOSP|||||||||||V^very restricted^HL70177"
)
OBX = (
    "OBX|1|NM|29463-7^Body weight^LN||158.73|lb|||||F",
    "OBX|2|NM|8302-2^Body height^LN||169|cm|||||F",
    "OBX|3|CE|82810-3^Pregnancy status^LN||LA26683-5^Not pregnant^LN||||||F",
)


def _obr(**more: str) -> str:
    return obr(
        f1="1",
        f2="PL1^HIS",
        f3="F77^RAD",
        f4="CTHEAD^CT head^99HOSP^P1^Native^99HOSP",
        f5="S",
        f12="^MRSA carrier",
        f13="fell from a ladder",
        f16="0400^Ask^Ada",
        f24="CT",
        f30="WHLC",
        f31="R51^Headache^I10",
        f34="0500&Radic&Rita",
        **more,
    )


TIMING = "^^M30^20290311090000^^S"

ORM = text(
    PID, NOTE, PV1, AL1,
    f"ORC|NW|PL1^HIS|F77^RAD||||{TIMING}||{ORC_TAIL}",
    _obr(f18="A77", f19="RP7", f20="S7", f21="CT1", f27=TIMING),
    "NTE|1|L|please call the ward",
    *OBX,
    "ZDS|1.2.276.0.7230010.3.1.2.77^HIS^Application^DICOM",
)  # fmt: skip
OMI = text(
    PID, NOTE, PV1, AL1,
    f"ORC|NW|PL1^HIS|F77^RAD||||||{ORC_TAIL}",
    "TQ1|1|||||30^min|20290311090000||S^Stat^HL70485",
    _obr(),
    "NTE|1|L|please call the ward",
    *OBX,
    "IPC|A77^RAD|RP7|1.2.276.0.7230010.3.1.2.77|S7|CT|P1^Native^99HOSP|CT 1|^Room CT1|CT1",
    message_type="OMI^O23^OMI_O23",
    version="2.5.1",
)  # fmt: skip

COMMENTS = "please call the ward\nClinical information: fell from a ladder\nHazard: MRSA carrier"

# (attribute, what is answered); a path goes through the first item of each sequence.
ROWS: tuple[tuple[str, Any], ...] = (
    ("AccessionNumber", "A77"),
    ("ReferringPhysicianName", "Refer^Ria"),
    ("InstitutionName", "Test Hospital"),
    ("PatientName", "Berg^Anna^Maria"),
    ("PatientID", "4711"),
    ("IssuerOfPatientID", "HOSP"),
    ("OtherPatientIDsSequence.PatientID", "8899"),
    ("PatientBirthDate", "19700503"),
    ("PatientSex", "F"),
    ("PatientMotherBirthName", "Stein^Rosa"),
    ("PatientAddress", "Ringstrasse 1, Wien, 1010, AUT"),
    ("PatientTelephoneNumbers", "+43 1 5550100"),
    ("PatientPrimaryLanguageCodeSequence.CodeValue", "de"),
    ("EthnicGroup", "Hispanic"),
    ("PatientWeight", "71.9987"),
    ("PatientSize", "1.69"),
    ("MedicalAlerts", "fell from a ladder"),
    ("Allergies", "Iodine contrast"),
    ("PregnancyStatus", 1),
    ("SpecialNeeds", "wheelchair or stretcher"),
    ("PatientState", "MRSA carrier"),
    ("ConfidentialityConstraintOnPatientDataDescription", "V"),
    ("ConfidentialityCode", "very restricted"),
    ("AdmissionID", "V1"),
    ("IssuerOfAdmissionIDSequence.LocalNamespaceEntityID", "HOSP"),
    ("RouteOfAdmissions", "I"),
    ("CurrentPatientLocation", "NEURO / 12 / A"),
    ("StudyInstanceUID", "1.2.276.0.7230010.3.1.2.77"),
    ("RequestedProcedureID", "RP7"),
    ("RequestedProcedureDescription", "CT head"),
    ("RequestedProcedureCodeSequence.CodeValue", "CTHEAD"),
    ("RequestedProcedureCodeSequence.CodingSchemeDesignator", "99HOSP"),
    ("RequestedProcedurePriority", "STAT"),
    ("ReasonForTheRequestedProcedure", "Headache"),
    ("ReasonForRequestedProcedureCodeSequence.CodeValue", "R51"),
    ("RequestedProcedureComments", COMMENTS),
    ("PatientComments", "hard of hearing"),
    ("PatientTransportArrangements", "Wheelchair"),
    ("RequestingPhysician", "Ordonez^Olga^^Dr."),
    ("RequestingService", "Surgery"),
    ("RequestingServiceCodeSequence.CodeValue", "SUR"),
    ("OrderEnteredBy", "Enter^Emil"),
    ("OrderEntererLocation", "NEURO / 12"),
    ("OrderCallbackPhoneNumber", "+43 1 5550200"),
    ("PlacerOrderNumberImagingServiceRequest", "PL1"),
    ("OrderPlacerIdentifierSequence.LocalNamespaceEntityID", "HIS"),
    ("FillerOrderNumberImagingServiceRequest", "F77"),
    ("ScheduledProcedureStepSequence.Modality", "CT"),
    ("ScheduledProcedureStepSequence.ScheduledProcedureStepStartDate", "20290311"),
    ("ScheduledProcedureStepSequence.ScheduledProcedureStepStartTime", "090000"),
    ("ScheduledProcedureStepSequence.ScheduledProcedureStepID", "S7"),
    ("ScheduledProcedureStepSequence.ScheduledProcedureStepDescription", "Native"),
    ("ScheduledProcedureStepSequence.ScheduledProtocolCodeSequence.CodeValue", "P1"),
    ("ScheduledProcedureStepSequence.ScheduledPerformingPhysicianName", "Radic^Rita"),
    ("ScheduledProcedureStepSequence.ScheduledStationAETitle", "CT1"),
    ("ScheduledProcedureStepSequence.ScheduledStationName", "CT 1"),
    ("ScheduledProcedureStepSequence.ScheduledProcedureStepLocation", "Room CT1"),
    ("ScheduledProcedureStepSequence.ScheduledProcedureStepStatus", "SCHEDULED"),
)


def _query() -> Dataset:
    """Universal keys for all rows."""
    query = Dataset()
    for path, _ in ROWS:
        *sequences, keyword = path.split(".")
        place = query
        for name in sequences:
            if name not in place:
                setattr(place, name, Sequence([Dataset()]))
            place = place[name].value[0]
        if keyword not in place:
            setattr(place, keyword, None)
    return query


def _value(answer: Dataset, path: str) -> Any:
    place: Any = answer
    for name in path.split("."):
        if isinstance(place, Sequence):
            place = place[0]
        place = place[name].value if name in place else None
        if place is None:
            return None
    return place if isinstance(place, int) else str(place)


@pytest.mark.parametrize("message", [ORM, OMI], ids=["ORM 2.3.1", "OMI 2.5.1"])
def test_every_row_of_the_table_reaches_the_scanner(message: str) -> None:
    make.site()
    make.device(character_sets=("ISO_IR 100",))

    reply = handle(message.encode(), Peer("127.0.0.1", 50000, 2575, 1))
    assert isinstance(reply, Reply)
    assert b"MSA|AA|" in reply.payload, reply.payload
    (answer,) = requests.rows(requests.find(requests.handlers(), _query()))

    told = {path: _value(answer, path) for path, _ in ROWS}
    assert told == dict(ROWS)
