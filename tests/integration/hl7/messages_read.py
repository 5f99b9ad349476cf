"""Messages of the tests, read, and the header of some that are written."""

from __future__ import annotations

from integration.hl7 import er7_writer
from integration.hl7.er7 import Message
from integration.hl7.er7_writer import msh

ORDER = (
    "MSH|^~\\&|HIS|GENERAL|RIS|RAD|20290310101500||ORM^O01|M1|P|2.3.1||||||8859/1\r"
    "PID|||4711^^^HOSP&1.2.3&ISO^MR~998877^^^NATIONAL^NI||Miller^Anna^Maria||19700503|F\r"
    "PV1||O|RAD^WAIT\r"
    "ORC|NW|PL1^HIS\r"
    "OBR|1|PL1^HIS||CTHEAD^CT head^L\r"
    "NTE|1|L|first\r"
    "ORC|NW|PL2^HIS\r"
    "OBR|2|PL2^HIS||CTNECK^CT neck^L\r"
    "NTE|1|L|second\r"
    "NTE|2|L|third\r"
    "ZDS|1.2.3.4^HIS^Application^DICOM\r"
)


def read(text: str, **options: str) -> Message:
    return Message.from_bytes(text.encode("latin-1"), **options)


def with_pid(fields: str) -> Message:
    return read(f"MSH|^~\\&|A|B|C|D|2029||ADT^A08|1|P|2.5.1\rPID|{fields}\r")


def some_msh() -> tuple[er7_writer.Value, ...]:
    return msh(
        sending=("RIS", "RAD"),
        receiving=("EHR", "GENERAL"),
        at="20290310101500+0100",
        message_type=("ORU", "R01", "ORU_R01"),
        control_id="C1",
        version="2.5.1",
    )
