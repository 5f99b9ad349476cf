"""Report messages for tests of what comes in: one invented exam, segments changed by keyword."""

from __future__ import annotations

import base64
from datetime import timedelta

from ris.models import Order, ReportVersion
from tests import make
from tests.integration.hl7.intake import answered, register
from tests.integration.hl7.messages import text

PID = "PID|1||4711^^^HOSP^MR||Berg^Anna||19700503|F"
BODY = (
    "OBX|1|FT|18782-3^Findings^LN|1|No bleeding.\\.br\\No mass.||||||{state}",
    "OBX|2|FT|19005-8^Impression^LN|2|Normal CT of the head.||||||{state}",
)
PDF = base64.b64encode(b"%PDF-1.4 an invented document").decode()
_keys = iter(range(1, 10_000))


def trust(level: str = "final", **settings: object) -> None:
    """The sender as an endpoint that may bring reports of this level."""
    register("Dictation", settings={"results": level, **settings})


def exam(**fields: object) -> Order:
    """An exam that is done and waits to be read."""
    at = make.NOON + timedelta(hours=Order.objects.count())
    return make.performed(patient=make.patient("4711"), start_at=at, **fields)


def obr(order: Order | None, status: str = "F", *, filler: str = "", **more: str) -> str:
    fields = dict.fromkeys(range(1, 36), "")
    fields |= {
        1: "1",
        3: filler,
        4: "CTHEAD^CT head^TEST",
        18: order.accession_number if order else "",
        25: status,
        32: "0300&Radic&Rita",
    }
    fields |= {int(key[1:]): value for key, value in more.items()}
    return "|".join(["OBR", *(fields[number] for number in range(1, 36))])


def body(state: str = "F") -> tuple[str, ...]:
    return tuple(line.format(state=state) for line in BODY)


def oru(*segments: str, key: str = "", sender: str = "HIS") -> list[str]:
    """MSA-1, and code and place of each fault of the answer."""
    message = text(
        *segments, message_type="ORU^R01^ORU_R01", key=key or f"R{next(_keys)}", version="2.5.1"
    ).replace("|HIS|", f"|{sender}|", 1)
    return answered(message)


def kinds() -> list[str]:
    return list(ReportVersion.objects.order_by("number").values_list("kind", flat=True))


NODULE = "OBX|1|NM|118565006^Volume^SCT||{value}|mm3^^UCUM||||||P"


def named(sender: str, *segments: str) -> list[str]:
    """The same from another sender."""
    return oru(*segments, key=f"{sender}{next(_keys)}", sender=sender)
