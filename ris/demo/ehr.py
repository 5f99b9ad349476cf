"""The ordering system of the demo: what it sends as HL7 v2.3.1 (ORM^O01, ADT)."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from typing import Any

from ris.demo.cast import ISSUER, Case, Person, Physician
from ris.domain.values import NameGroup, PersonName

# The edge that reads HL7, by name only (DESIGN 4).
INBOUND = "integration.hl7.inbound"
LISTENER = "integration.hl7.server"

SENDER = ("EHR", "HOSPITAL")
_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}


class Ehr:
    """The ordering system: numbers its messages and orders, and sends them as HL7 v2.3.1."""

    def __init__(self) -> None:
        self._messages = 0
        self._orders = 0
        self._visits = 0
        self.last = b""
        self._edge = import_module(INBOUND)
        self._peer = import_module(LISTENER).Peer("127.0.0.1", 0, 2575, 1)

    def next_order(self) -> str:
        self._orders += 1
        return f"E{self._orders:06d}"

    def order(
        self,
        placer: str,
        person: Person,
        case: Case,
        at: datetime,
        *,
        start_at: datetime | None = None,
        control: str = "NW",
        code: str = "",
        reason: str = "",
        modality: bool = True,
        control_id: str = "",
        visit: str = "",
    ) -> str:
        """ORM^O01; ``code`` is what OBR-4 says instead of the case's own. Returns MSA-1."""
        timing = (
            f"^^^{_time(start_at)}^^{_priority(case)}" if start_at else f"^^^^^{_priority(case)}"
        )
        ordered = code or f"{case.code.value}^{_text(case.code.meaning)}^{case.code.scheme}"
        provider = _xcn(case.physician)
        return self.send(
            "ORM^O01",
            at,
            self._pid(person),
            visit or self._pv1(case, provider),
            _segment("ORC", control, f"{placer}^EHR", "", "", "", "", timing, "", _time(at),
                     "", "", provider, "", case.physician.phone, "", _text(reason),
                     _text(case.physician.service)),
            _segment("OBR", "1", f"{placer}^EHR", "", ordered, "", "", "", "", "", "", "", "",
                     "", "", f"^^^^{case.laterality}" if case.laterality else "", provider, "", "",
                     "", "", "", "", "", case.modality if modality else "", "", "", timing, "", "",
                     "WALK", f"^{_text(case.reason)}"),
            control_id=control_id,
        )  # fmt: skip

    def cancel(self, placer: str, person: Person, case: Case, at: datetime, reason: str) -> str:
        return self.order(placer, person, case, at, control="CA", reason=reason)

    def patient(self, event: str, person: Person, at: datetime, *segments: str) -> str:
        """ADT about a person; ``segments`` follow the PID."""
        return self.send(
            f"ADT^{event}", at, f"EVN|{event}|{_time(at)}", self._pid(person), *segments
        )

    def send(self, kind: str, at: datetime, *segments: str, control_id: str = "") -> str:
        self._messages += 1
        key = control_id or f"EHR{self._messages:07d}"
        header = (
            f"MSH|^~\\&|{SENDER[0]}|{SENDER[1]}|RIS|RADIOLOGY|{_time(at)}||{kind}|{key}|P|2.3.1"
            "||||||UNICODE UTF-8"
        )
        self.last = ("\r".join((header, *segments)) + "\r").encode()
        return self._deliver(self.last)

    def again(self) -> str:
        """The same bytes once more, as after a lost acknowledgement."""
        return self._deliver(self.last)

    def _deliver(self, raw: bytes) -> str:
        reply: Any = self._edge.handle(raw, self._peer)
        reply.sent(True)
        return str(reply.payload.decode().split("MSA|")[1][:2])

    def _pid(self, person: Person) -> str:
        said = person.demographics
        return _segment(
            "PID", "1", "", f"{person.number}^^^{ISSUER}^MR", "", _xpn(person.name), "",
            person.born.digits, person.sex, "", "", "", "",
            _telecom(said.phone or "", said.email or ""),
            "", said.language or "",
        )  # fmt: skip

    def _pv1(self, case: Case, provider: str) -> str:
        """Emergencies and inpatients have a visit number; others come for the exam only."""
        self._visits += 1
        kind, place = "O", ""
        if case.priority == "STAT":
            kind, place = "E", "ER^1"
        elif self._visits % 5 == 0:
            kind, place = "I", f"N{self._visits % 4 + 1}^{100 + self._visits % 20}^A"
        number = f"V{self._visits:06d}^^^{ISSUER}" if kind != "O" else ""
        return _segment("PV1", "1", kind, place, *[""] * 3, provider, *[""] * 11, number)


def _segment(*fields: str) -> str:
    return "|".join(fields).rstrip("|")


def _telecom(phone: str, mail: str) -> str:
    """A phone number and a mail address (XTN, HL7 v2.3.1 2.8.47)."""
    return f"{_text(phone)}~^NET^Internet^{_text(mail)}" if mail else _text(phone)


def _text(text: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in text)


def _time(at: datetime) -> str:
    return f"{at:%Y%m%d%H%M%S}{at:%z}"


def _priority(case: Case) -> str:
    return {"STAT": "S", "URGENT": "A", "ROUTINE": "R"}[case.priority]


def _xpn(name: PersonName) -> str:
    writings = ((name.alphabetic, "A"), (name.ideographic, "I"), (name.phonetic, "P"))
    told = [(group, code) for group, code in writings if group]
    if len(told) == 1:
        return _components(told[0][0]).rstrip("^")
    # XPN-7 and XPN-8 (table 0465) say which writing a repetition is.
    return "~".join(f"{_components(group)}^^L^{code}" for group, code in told)


def _components(group: NameGroup) -> str:
    parts = (group.family, group.given, group.middle, group.suffix, group.prefix)
    return "^".join(map(_text, parts))


def _xcn(physician: Physician) -> str:
    group = physician.name.alphabetic
    return f"{physician.number}^{_text(group.family)}^{_text(group.given)}^^^{_text(group.prefix)}"
