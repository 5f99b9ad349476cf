"""Who and what the demo site is made of, read from ``fixtures/demo`` and ``fixtures/catalog``."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.patients import Demographics, Sex
from ris.domain.values import Code, Identifier, PartialDate, PersonName

ISSUER = "HOSPITAL"
SCHEME = "RISDEMO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login of the demo, and the person who uses it."""

    role: Role
    first_name: str
    last_name: str

    @property
    def username(self) -> str:
        return self.role.value

    def actor(self, user_id: int) -> Actor:
        return Actor(
            ActorKind.USER,
            self.username,
            frozenset({self.role}),
            user_id=user_id,
            address="127.0.0.1",
            display=f"{self.first_name} {self.last_name}",
        )


LOGINS = (
    Login(role=Role.SCHEDULER, first_name="Solveig", last_name="Terminsen"),
    Login(role=Role.FRONTDESK, first_name="Femi", last_name="Adebowale"),
    Login(role=Role.TECHNOLOGIST, first_name="Tomasz", last_name="Rębacz"),
    Login(role=Role.RADIOLOGIST, first_name="Renata", last_name="Bildhauer"),
    Login(role=Role.RESIDENT, first_name="Rasmus", last_name="Ekdahl"),
    Login(role=Role.ADMIN, first_name="Aditi", last_name="Narayanan"),
    Login(role=Role.MANAGER, first_name="Matteo", last_name="Conti-Reale"),
    Login(role=Role.REFERRER, first_name="Paweł", last_name="Brzozowski"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    number: str
    name: PersonName
    born: PartialDate
    age: int
    demographics: Demographics
    reserved: bool  # comes only when called by number

    @property
    def identifier(self) -> Identifier:
        return Identifier(self.number, ISSUER, "MR")

    @property
    def sex(self) -> str:
        return self.demographics.sex.value if self.demographics.sex else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Physician:
    number: str
    name: PersonName
    service: str
    phone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    modality: str
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An exam as it is asked for and as it is read."""

    code: Code
    steps: tuple[Step, ...]
    physician: Physician
    priority: str
    reason: str
    laterality: str
    sections: dict[str, str]
    critical: str
    sex: str
    from_age: int
    to_age: int

    @property
    def modality(self) -> str:
        return self.steps[0].modality

    def suits(self, person: Person) -> bool:
        return self.from_age <= person.age <= self.to_age and self.sex in ("", person.sex)


@dataclass(slots=True)
class Cast:
    """Everybody and everything, with the dice that pair them; the same dice every time."""

    people: list[Person]
    physicians: dict[str, Physician]
    cases: list[Case]
    dice: random.Random = field(
        default_factory=lambda: random.Random(2311)  # noqa: S311 - a demo, and always the same one
    )
    _dealt: dict[str, int] = field(default_factory=dict)

    def case(self, code: str) -> Case:
        """A case of the procedure; each time the next one, if there are several."""
        cases = [case for case in self.cases if case.code.value == code]
        number = self._dealt.get(code, 0)
        self._dealt[code] = number + 1
        return cases[number % len(cases)]

    def person(self, number: str) -> Person:
        return next(person for person in self.people if person.number == number)

    def somebody(self, case: Case) -> Person:
        """Whom the case may happen to and who has not been here for longest."""
        for person in self.people:
            if case.suits(person) and not person.reserved:
                self.people.remove(person)
                self.people.append(person)
                return person
        raise LookupError(f"nobody for {case.code.value}")


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def folder(name: str) -> Path:
    return Path(settings.FIXTURES_FOLDER) / name


def catalog() -> Iterator[str]:
    """The starter catalog: site files, one for each modality."""
    for path in sorted(folder("catalog").glob("*.toml")):
        yield path.read_text(encoding="utf-8")


def gather(today: date) -> Cast:
    """Read the people, the physicians and the cases."""
    content = _read(folder("demo") / "people.toml")
    physicians = {row["number"]: _physician(row) for row in content["physician"]}
    definitions = {
        row["code"]: row for text in catalog() for row in tomllib.loads(text)["procedure"]
    }
    return Cast(
        people=[_person(row, today) for row in content["patient"]],
        physicians=physicians,
        cases=[
            _case(row, definitions[row["procedure"]], physicians)
            for row in _read(folder("demo") / "cases.toml")["case"]
        ],
    )


def _person(row: dict[str, Any], today: date) -> Person:
    if "age_days" in row:
        born = PartialDate((today - timedelta(days=row["age_days"])).isoformat())
    else:
        born = PartialDate.parse(row["born"])
    name = PersonName.parse(row["name"])
    return Person(
        number=row["number"],
        name=name,
        born=born,
        age=today.year - int(born.text[:4]),
        demographics=Demographics(
            name=name,
            birth_date=born,
            sex=Sex(row["sex"]),
            phone=row.get("phone"),
            email=_mail(row["number"]),
            language=row.get("language"),
            weight_kg=row.get("weight_kg"),
            allergies=tuple(row["allergies"]) if "allergies" in row else None,
            alerts=tuple(row["alerts"]) if "alerts" in row else None,
            pregnancy_status=row.get("pregnancy_status"),
            special_needs=row.get("special_needs"),
        ),
        reserved=row.get("reserved", False),
    )


def _mail(number: str) -> str | None:
    """Most people have an address; the domain belongs to nobody (RFC 2606)."""
    return None if number.endswith(("4", "9")) else f"{number.lower()}@mail.example"


def _physician(row: dict[str, Any]) -> Physician:
    return Physician(
        number=row["number"],
        name=PersonName.parse(row["name"]),
        service=row["service"],
        phone=row["phone"],
    )


def _case(
    row: dict[str, Any], definition: dict[str, Any], physicians: dict[str, Physician]
) -> Case:
    steps = definition.get("steps") or [definition]
    return Case(
        code=Code(definition["code"], definition["scheme"], definition["name"]),
        steps=tuple(
            Step(modality=step["modality"], minutes=step["duration_minutes"]) for step in steps
        ),
        physician=physicians[row["by"]],
        priority=row.get("priority", "ROUTINE"),
        reason=row["reason"],
        laterality=row.get("laterality", ""),
        sections={
            "indication": row["reason"],
            **{name: row[name] for name in ("technique", "findings", "impression")},
        },
        critical=row.get("critical", ""),
        sex=row.get("sex", ""),
        from_age=row.get("from_age", 3),
        to_age=row.get("to_age", 120),
    )
