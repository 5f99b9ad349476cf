"""Which values have a table of their own per peer, where they stand, what ours may be.

One row an entry of ``maps``; the page, the check at saving and the conformance statement are made
of it. What a table gives is read by the bindings afterwards, so incoming tables may only give what
those know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from integration.hl7 import bindings
from ris.domain.exchange import Direction

BOTH = frozenset({Direction.IN, Direction.OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of value. ``parts``: how many components are code, text and scheme of it.

    ``movable`` names the setting in ``paths`` that puts it elsewhere; ``table`` the standard's.
    """

    name: str
    title: str
    paths: tuple[str, ...]
    ways: frozenset[Direction] = BOTH
    parts: int = 1
    table: str = ""
    movable: str = ""
    allowed: Callable[[], Collection[str]] | None = None
    example: str = ""
    messages: frozenset[str] = frozenset()  # in these alone; empty: in all


_STAFF = (
    "ORC-10[*]", "ORC-11[*]", "ORC-12[*]", "OBR-10[*]", "OBR-16[*]", "OBR-28[*]", "OBR-32.1",
    "OBR-33[*].1", "OBR-34[*].1", "OBR-35[*].1", "PV1-7[*]", "PV1-8[*]", "PV1-9[*]", "PV1-17[*]",
    "AIP-3[*]", "TXA-5[*]", "TXA-9[*]", "TXA-10[*]",
)  # fmt: skip


def _modalities() -> Collection[str]:
    return bindings.MODALITIES


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(
                name="procedure",
                title="Procedure codes",
                paths=("OBR-4", "OBR-44", "AIS-3"),
                parts=3,
                example="SCHAEDEL = CTHEAD^CT head^99RIS",
            ),
            Kind(
                name="sex",
                title="Administrative sex",
                paths=("PID-8",),
                table="0001",
                allowed=lambda: bindings.SEX,
                example="W = F",
            ),
            Kind(
                name="priority",
                title="Priority",
                paths=("TQ1-9", "ORC-7.6", "OBR-27.6", "OBR-5"),
                table="0485",
                allowed=lambda: bindings.PRIORITY,
                example="NOTFALL = S",
            ),
            Kind(
                name="patient_class",
                title="Patient class",
                paths=("PV1-2",),
                table="0004",
                allowed=lambda: bindings.PATIENT_CLASS,
                example="STAT = I",
            ),
            Kind(
                name="location",
                title="Wards and points of care",
                paths=("PV1-3", "PV1-6"),
                parts=3,
                example="4711 = 4 WEST^12",
            ),
            Kind(
                name="staff",
                title="Staff numbers",
                paths=_STAFF,
                parts=3,
                example="0815 = D100",
            ),
            Kind(
                name="modality",
                title="Modalities and sections",
                paths=("OBR-24", "IPC-5"),
                table="0074",
                movable="modality",
                allowed=_modalities,
                example="ROE = DX",
            ),
            Kind(
                name="station",
                title="Stations (AE titles)",
                paths=("OBR-21", "IPC-9", "AIG-3"),
                movable="station",
                example="CT1 = CT_ER",
            ),
            Kind(name="room", title="Rooms", paths=("AIL-3",), parts=3, example="R12 = CT room 1"),
            Kind(
                name="transport",
                title="Transportation mode",
                paths=("OBR-30",),
                table="0124",
                example="BETT = CART",
            ),
            Kind(
                name="authority",
                title="Assigning authorities",
                paths=("PID-2.4", "PID-3[*].4", "MRG-1[*].4", "PV1-19.4", "PID-18.4"),
                example="KIS1 = HOSP",
            ),
            Kind(
                name="identifier_type",
                title="Identifier types",
                paths=("PID-3[*].5", "MRG-1[*].5"),
                table="0203",
                example="PAT = MR",
            ),
            Kind(
                name="order_control",
                title="Order control",
                paths=("ORC-1",),
                table="0119",
                # What stands there in answers and results is no control.
                messages=frozenset({"ORM", "OMG", "OMI"}),
                allowed=lambda: bindings.CONTROLS,
                example="NEW = NW",
            ),
            Kind(
                name="order_status",
                title="Order status",
                paths=("ORC-5",),
                table="0038",
                example="IP = ZP",
            ),
            Kind(
                name="result_status",
                title="Result status",
                paths=("OBR-25",),
                table="0123",
                example="C = F",
            ),
            Kind(
                name="observation_status",
                title="Observation result status",
                paths=("OBX-11",),
                table="0085",
                example="C = F",
            ),
            Kind(
                name="appointment_status",
                title="Appointment status",
                paths=("SCH-25",),
                table="0278",
                example="Booked = 10",
            ),
        )
    }
)


def kinds(way: Direction) -> list[Kind]:
    """The kinds that messages of this direction can have a table for."""
    return [kind for kind in KINDS.values() if way in kind.ways]
