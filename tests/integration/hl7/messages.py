"""Messages for tests of what comes in: one invented order, segments changed by keyword."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from integration.hl7 import charset as charsets
from integration.hl7.er7 import Message
from integration.hl7.profiles import Profile, Settings

MSH = "MSH|^~\\&|HIS|GENERAL|RIS|RAD|20290310101500||{type}|{key}|P|{version}||||||UNICODE UTF-8"
PID = "PID|1||4711^^^HOSP^MR||Berg^Anna^Maria||19700503|F"
PV1 = "PV1|1|O|NEURO^12^A||||0100^Attend^Al|0200^Refer^Ria|||||||||||V1^^^HOSP"
ORC = "ORC|NW|PL1^HIS|||||^^M30^20290311090000^^S||20290310101000|||1234^Ordonez^Olga^^^Dr."
OBR = "OBR|1|PL1^HIS||CTHEAD^CT head^L" + "|" * 20 + "CT|||||||^headache"
ZDS = "ZDS|1.2.276.0.7230010.3.1.2.9^HIS^Application^DICOM"


def text(
    *segments: str, message_type: str = "ORM^O01", key: str = "M1", version: str = "2.3.1"
) -> str:
    return "\r".join((MSH.format(type=message_type, key=key, version=version), *segments, ""))


def order(
    *,
    pid: str = PID,
    pv1: str = PV1,
    orc: str = ORC,
    obr: str = OBR,
    more: tuple[str, ...] = (ZDS,),
    **header: str,
) -> str:
    """A whole ORM^O01; an empty segment is left out."""
    return text(*(each for each in (pid, pv1, orc, obr, *more) if each), **header)


def read(message: str) -> Message:
    return Message.from_bytes(message.encode())


def profile(zone: str = "Europe/Vienna", authority: str = "HOSP", **settings: object) -> Profile:
    return Profile(
        settings=Settings.model_validate(settings),
        zone=ZoneInfo(zone),
        charset=charsets.find("", charsets.UTF_8),
        peer=("HIS", "GENERAL"),
        facility="Test Hospital",
        default_authority=authority,
        order_authority="HIS",
    )


def obr(**fields: str) -> str:
    """An OBR by field numbers: ``obr(f4="CTHEAD", f24="CT")``."""
    return _segment("OBR", fields)


def orc(**fields: str) -> str:
    return _segment("ORC", fields)


def _segment(name: str, fields: dict[str, str]) -> str:
    numbered = {int(key[1:]): value for key, value in fields.items()}
    values = [numbered.get(number, "") for number in range(1, max(numbered) + 1)]
    return "|".join((name, *values))
