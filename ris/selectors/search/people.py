"""Patients and visits; practitioners, rooms, modalities and the institution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Lower, NullIf

from ris.domain.languages import SYSTEM as LANGUAGE
from ris.domain.languages import spellings_of, tags_called
from ris.domain.values import Identifier, PersonName
from ris.models import (
    CodeMap,
    Device,
    FhirIndex,
    FhirOverlay,
    Patient,
    Practitioner,
    Room,
    Site,
    Visit,
)
from ris.models.prepared import Select
from ris.selectors.facility import site as letterhead
from ris.selectors.patients import patient_views, visit_view
from ris.selectors.search import beside, terms
from ris.selectors.search.criteria import (
    PatientCriteria,
    PractitionerCriteria,
    RoomCriteria,
    SiteCriteria,
    StationCriteria,
    VisitCriteria,
)
from ris.selectors.search.engine import TEXTS, Finder, OrLast, SortKey, Source
from ris.selectors.search.index import Test, Token
from ris.selectors.search.kept import by_index
from ris.selectors.search.requests import patient_identifier
from ris.selectors.search.terms import Comparison
from ris.selectors.search.views import (
    Directory,
    InstitutionView,
    PractitionerView,
    RoomView,
    StationView,
    VisitHit,
)
from ris.selectors.views import PatientView

M = TypeVar("M", bound=Model)

_REACHED = ~Q(phone="") | ~Q(email="")
_UPDATED: dict[str, SortKey] = {"updated": F("updated_at")}

# --- patients


def _patients(criteria: PatientCriteria) -> QuerySet[Patient] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= terms.every(criteria.identifiers, patient_identifier("pk"))
    found &= terms.every(criteria.name, terms.any_name)
    found &= terms.every(criteria.family, terms.family)
    found &= terms.every(criteria.given, terms.given)
    found &= terms.every(criteria.birth_date, terms.partial_date("birth_date"))
    if criteria.sexes is not None:
        found &= terms.product(("sex",), criteria.sexes)
    if criteria.deceased is not None:
        found &= Q(deceased__in=list(criteria.deceased))
    if criteria.active is not None:
        found &= Q() if True in criteria.active else Q(merged_into__isnull=False)
        found &= Q() if False in criteria.active else Q(merged_into__isnull=True)
    found &= terms.every(criteria.phone, terms.text("phone"))
    found &= terms.every(criteria.email, terms.text("email"))
    found &= terms.every(criteria.telecom, _telecom)
    found &= terms.every(criteria.address, terms.part("address"))
    found &= terms.keys("merged_into__public_id", criteria.links)
    found &= terms.changed(criteria.updated, terms.touched(Patient.objects.all()))
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    return Patient.objects.filter(found)


def _telecom(term: terms.TextTerm) -> Q:
    return terms.text("phone")(term) | terms.text("email")(term)


def _load_patients(public_ids: Sequence[str]) -> list[PatientView]:
    keys = [str(each) for each in terms.as_keys(public_ids)]
    return patient_views(keys) if keys else []


_BORN = OrLast(NullIf(F("birth_date"), Value("")), TEXTS)

patients: Finder[PatientCriteria, PatientView] = Finder(
    sources=(
        Source(
            _patients,
            {"updated": F("updated_at"), "family": F("name_key"), "birth_date": _BORN},
            paths={"links": ("merged_into__public_id",)},
            there={
                "identifiers": Q(identifiers__isnull=False),
                "name": ~Q(name_key=""),
                "family": ~Q(name_key="") & ~Q(name_key__startswith="^"),
                "given": Q(name_key__contains="^"),
                "birth_date": ~Q(birth_date=""),
                "phone": ~Q(phone=""),
                "email": ~Q(email=""),
                "telecom": _REACHED,
                "address": ~Q(address=""),
            },
        ),
    ),
    load=_load_patients,
)

_ANSWERED = ~Q(language="")


def _spoken() -> QuerySet[Patient]:
    return Patient.objects.annotate(spoken=Lower("language"))


def _speaks_as(test: Test) -> Q:
    """Who speaks what is called so, by the message or in English."""
    if not isinstance(test, terms.TextTerm) or not test.text.strip():
        return terms.NOTHING
    found = Q(language__istartswith=test.text)
    for tag in tags_called(test.text):
        found |= _speaks(Token(tag))
    return found


def _speaks(test: Test) -> Q:
    """Who speaks a language, as far as it is plain what a message says of it."""
    if not isinstance(test, Token) or test.system not in {None, LANGUAGE}:
        return terms.NOTHING
    said = {form for each in spellings_of(test.code) for form in (each, _lowered(each.upper()))}
    found = Q(spoken__in=sorted(said))
    for each in sorted(said):
        found |= Q(spoken__startswith=f"{each}^")
    return found


def _lowered(text: str) -> str:
    """As SQLite makes letters small, which knows those of English only."""
    return "".join(each.lower() if each.isascii() else each for each in text)


beside.answer(
    "Patient",
    (_spoken, {"language": (_speaks, _ANSWERED), "language:text": (_speaks_as, _ANSWERED)}),
)

# --- visits


def _visits(criteria: VisitCriteria) -> QuerySet[Visit] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= terms.keys("patient__public_id", criteria.patients)
    found &= terms.every(criteria.patient_identifiers, patient_identifier("patient"))
    found &= terms.every(criteria.identifiers, terms.identifier("number", "issuer"))
    if criteria.classes is not None:
        found &= terms.product(("patient_class",), criteria.classes)
    if criteria.statuses is not None:
        found &= terms.product(("status",), criteria.statuses)
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    return Visit.objects.filter(found)


def _load_visits(public_ids: Sequence[str]) -> list[VisitHit]:
    found = {}
    for row in Visit.objects.filter(public_id__in=list(terms.as_keys(public_ids))).select_related(
        "patient"
    ):
        view = visit_view(row)
        if view is not None:
            found[view.public_id] = VisitHit(view, str(row.patient.public_id), row.updated_at)
    return [found[each] for each in public_ids if each in found]


_DATED = Q(started_at__isnull=False) | Q(ended_at__isnull=False)
_during = terms.period("started_at", "ended_at")


def _dated(test: Test) -> Q:
    """The time of a visit; one whose beginning nobody told began before anything."""
    if not isinstance(test, terms.TimeTerm):
        return terms.NOTHING
    found = _during(test)
    if test.comparison in {Comparison.LT, Comparison.LE, Comparison.NE}:
        found |= Q(started_at__isnull=True)
    return _DATED & found


def _told_here() -> QuerySet[Visit]:
    """Visits whose time is shown as the core has it: no client told it, or it changed since."""
    same = {"type": "Encounter", "public_id": OuterRef("public_id")}
    return Visit.objects.exclude(
        Exists(FhirIndex.objects.filter(**same, parameter="date")),
        Exists(FhirOverlay.objects.filter(**same, updated_at__gte=OuterRef("updated_at"))),
    )


_ATTENDED = ~Q(attending="") | ~Q(referring="")
beside.answer("Encounter", (_told_here, {"date": (_dated, _DATED)}))
beside.answer(
    "Encounter",
    (
        Visit.objects.all,
        {
            "location": (beside.unnamed, ~Q(location="")),
            "participant": (beside.unnamed, _ATTENDED),
            "practitioner": (beside.unnamed, _ATTENDED),
        },
    ),
)

# As a message said, else as a client did.
_BEGAN = OrLast(Coalesce("started_at", by_index("Encounter", "date", "low").value))

visits: Finder[VisitCriteria, VisitHit] = Finder(
    sources=(
        Source(
            _visits,
            {**_UPDATED, "date": _BEGAN},
            paths={"patients": ("patient__public_id",)},
            there={"identifiers": ~Q(number="")},
        ),
    ),
    load=_load_visits,
)

# --- practitioners


def _practitioners(criteria: PractitionerCriteria) -> QuerySet[Practitioner] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= terms.every(criteria.identifiers, terms.identifier("identifier", "issuer"))
    found &= terms.every(
        criteria.name,
        lambda term: Q(name__icontains=term.text.replace("^", " ")),
    )
    found &= terms.every(criteria.family, _family)
    found &= terms.every(criteria.given, _given)
    found &= terms.every(criteria.phone, terms.text("phone"))
    found &= terms.every(criteria.email, terms.text("email"))
    found &= terms.every(criteria.telecom, _telecom)
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    return Practitioner.objects.filter(found)


def _family(term: terms.TextTerm) -> Q:
    """The first part of a name, which is kept as in DICOM, in each of its writings."""
    if not term.text or "^" in term.text:
        return terms.NOTHING
    match term.mode:
        case terms.TextMode.EXACT:
            return Q(name=term.text) | terms.component("name", term.text, first=True)
        case terms.TextMode.CONTAINS:
            return Q(name__icontains=term.text)
        case terms.TextMode.STARTS:
            return Q(name__istartswith=term.text) | Q(name__icontains=f"={term.text}")


def _given(term: terms.TextTerm) -> Q:
    """A later part of a name."""
    if not term.text or "^" in term.text:
        return terms.NOTHING
    match term.mode:
        case terms.TextMode.EXACT:
            return terms.component("name", term.text, first=False)
        case terms.TextMode.CONTAINS:
            return Q(name__icontains=term.text) & Q(name__contains="^")
        case terms.TextMode.STARTS:
            return Q(name__icontains=f"^{term.text}")


def _load_practitioners(public_ids: Sequence[str]) -> list[PractitionerView]:
    rows = Practitioner.objects.filter(public_id__in=list(terms.as_keys(public_ids)))
    found = {
        str(row.public_id): PractitionerView(
            public_id=str(row.public_id),
            name=PersonName.parse(row.name),
            identifier=Identifier(row.identifier, row.issuer),
            phone=row.phone,
            email=row.email,
            updated_at=row.updated_at,
        )
        for row in rows
    }
    return [found[each] for each in public_ids if each in found]


practitioners: Finder[PractitionerCriteria, PractitionerView] = Finder(
    sources=(
        Source(
            _practitioners,
            _UPDATED,
            there={
                "identifiers": ~Q(identifier=""),
                "name": ~Q(name=""),
                "family": ~Q(name="") & ~Q(name__startswith="^"),
                "given": Q(name__contains="^"),
                "phone": ~Q(phone=""),
                "email": ~Q(email=""),
                "telecom": _REACHED,
            },
        ),
    ),
    load=_load_practitioners,
)

# --- rooms


def _rooms(criteria: RoomCriteria) -> QuerySet[Room] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= terms.every(criteria.name, terms.text("name"))
    found &= terms.keys("site__public_id", criteria.sites)
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    return Room.objects.filter(found)


def _load_rooms(public_ids: Sequence[str]) -> list[RoomView]:
    rows = Room.objects.filter(public_id__in=list(terms.as_keys(public_ids))).select_related("site")
    found = {
        str(row.public_id): RoomView(
            public_id=str(row.public_id),
            name=row.name,
            site=str(row.site.public_id) if row.site else "",
            updated_at=row.updated_at,
        )
        for row in rows
    }
    return [found[each] for each in public_ids if each in found]


rooms: Finder[RoomCriteria, RoomView] = Finder(
    sources=(
        Source(
            _rooms,
            _UPDATED,
            paths={"sites": ("site__public_id",)},
            there={"name": ~Q(name="")},
        ),
    ),
    load=_load_rooms,
)

# --- modalities


def _stations(criteria: StationCriteria) -> QuerySet[Device] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    for wanted in criteria.ae_titles:
        found &= Q(ae_title__in=list(wanted))
    found &= terms.every(criteria.name, terms.text("station_name"))
    for wanted in criteria.modalities:
        found &= Q(modality__in=list(wanted))
    found &= terms.keys("room__public_id", criteria.rooms)
    if criteria.active is not None:
        found &= Q(active__in=list(criteria.active))
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    return Device.objects.filter(found)


def _load_stations(public_ids: Sequence[str]) -> list[StationView]:
    rows = Device.objects.filter(public_id__in=list(terms.as_keys(public_ids)))
    found = {
        str(row.public_id): StationView(
            public_id=str(row.public_id),
            ae_title=row.ae_title,
            station_name=row.station_name,
            modality=row.modality,
            room=str(row.room.public_id) if row.room else "",
            room_name=row.room.name if row.room else "",
            active=row.active,
            updated_at=row.updated_at,
        )
        for row in rows.select_related("room")
    }
    return [found[each] for each in public_ids if each in found]


stations: Finder[StationCriteria, StationView] = Finder(
    sources=(
        Source(
            _stations,
            _UPDATED,
            paths={"rooms": ("room__public_id",)},
            # A station without a name is called by its AE title.
            there={"ae_titles": Q(), "name": Q(), "modalities": ~Q(modality="")},
        ),
    ),
    load=_load_stations,
)

# --- the institution


def _sites(criteria: SiteCriteria) -> QuerySet[Site] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= terms.every(
        criteria.name, lambda term: terms.text("name")(term) | terms.text("institution")(term)
    )
    found &= terms.every(criteria.address, terms.part("address"))
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    return Site.objects.filter(found)


def _load_sites(public_ids: Sequence[str]) -> list[InstitutionView]:
    rows = Site.objects.filter(public_id__in=list(terms.as_keys(public_ids)))
    found = {
        str(row.public_id): InstitutionView(
            public_id=str(row.public_id),
            name=row.name,
            institution=row.institution,
            address=row.address,
            updated_at=row.updated_at,
        )
        for row in rows
    }
    return [found[each] for each in public_ids if each in found]


sites: Finder[SiteCriteria, InstitutionView] = Finder(
    sources=(Source(_sites, _UPDATED, there={"name": ~Q(name=""), "address": ~Q(address="")}),),
    load=_load_sites,
)

# --- what answers need beside


# What nearly every answer needs: their statements are worked out once.
_DEVICES = Select(lambda: Device.objects.only("ae_title", "public_id"))
_ROOMS = Select(lambda: Room.objects.only("name", "public_id"))
_ISSUERS = Select(lambda: CodeMap.objects.filter(table="issuer", endpoint=None).order_by("id"))


def directory(*, stations: bool = False, rooms: bool = False, site: bool = False) -> Directory:
    """Public ids by AE title and room name, and of the institution; only what is asked for."""
    here = letterhead() if site else None
    return Directory(
        stations=_station_ids.read() if stations else {},
        rooms=_room_ids.read() if rooms else {},
        site=here.public_id if here else "",
        site_name=(here.institution or here.name) if here and here.public_id else "",
        letterhead=here,
    )


def issuers() -> dict[str, str]:
    """The site's own names of authorities: URI → issuer (code map ``issuer``)."""
    return _issuer_names.read()


class _Small(Generic[M]):
    """What is made of a small table: read each time, made again only of other rows."""

    def __init__(self, select: Select[M], make: Callable[[list[M]], dict[str, str]]) -> None:
        self._select = select
        self._make = make
        self._known: tuple[Any, dict[str, str]] = (None, {})

    def read(self) -> dict[str, str]:
        rows, instances = self._select.rows()
        known, made = self._known
        if known != rows:
            made = self._make(instances())
            self._known = rows, made
        return made


_station_ids = _Small(_DEVICES, lambda rows: {row.ae_title: str(row.public_id) for row in rows})
_room_ids = _Small(_ROOMS, lambda rows: {row.name: str(row.public_id) for row in rows})
_issuer_names = _Small(
    _ISSUERS,
    lambda rows: {
        row.source_value: str(row.target["value"]) for row in rows if row.target.get("value")
    },
)
