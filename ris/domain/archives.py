"""What archives of others tell of a patient, and whether it is this patient they mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ris.domain.errors import InvalidValueError
from ris.domain.values import Identifier, NameGroup, PartialDate, PersonName, fold

# Series that are about images and are none: reports, states of presentation, key objects.
NO_IMAGES = frozenset({"SR", "DOC", "PR", "KO"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldStudy:
    """A study as an archive tells of it; what it left out is empty, numbers are None."""

    study_instance_uid: str
    number: str  # of the patient
    issuer: str
    name: str  # of the patient, as DICOM writes it
    birth_date: str
    made_on: str  # YYYYMMDD
    description: str = ""
    modalities: tuple[str, ...] = ()
    accession_number: str = ""
    images: int | None = None

    @property
    def day(self) -> date | None:
        """When it was made, if the archive says so to the day."""
        text = _date(self.made_on).text
        return date.fromisoformat(text) if len(text) == _WHOLE_DAY else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldSeries:
    series_instance_uid: str
    modality: str
    images: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an archive is asked: ``issuer`` is whose numbers it has where it names none."""

    issuer: str = ""


_WHOLE_DAY = 10  # letters of an ISO date


class Doubt(StrEnum):
    """Why a study is not shown as this patient's."""

    NONE = ""
    NUMBER = "number"  # another number, or the same of another or an unnamed issuer
    BIRTH_DATE = "birth-date"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCount:
    """Images of one of our exams: what the device said it made, and what the archive has."""

    made: int
    there: int | None

    @property
    def is_complete(self) -> bool:
        return self.there is not None and self.there >= self.made


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveAnswer:
    """What one archive told; with a ``fault`` it told nothing."""

    archive: str
    studies: tuple[ToldStudy, ...] = ()
    withheld: tuple[Doubt, ...] = ()  # one for each study that may be somebody else's
    images: ImageCount | None = None
    fault: str = ""


def doubt(
    told: ToldStudy,
    identifiers: Iterable[Identifier],
    name: PersonName,
    birth_date: PartialDate,
    terms: Terms,
) -> Doubt:
    """Whether a study is of this patient, by number with issuer and by birth date and name.

    A number alone is never enough: numbers are typed, reused and differ between hospitals. Without
    a birth date on one of the sides the given name must agree as well.
    """
    issuer = told.issuer or terms.issuer
    if not issuer or not any(
        each.value == told.number and each.issuer == issuer for each in identifiers
    ):
        return Doubt.NUMBER
    theirs = _date(told.birth_date)
    if theirs and birth_date and theirs.text != birth_date.text:
        return Doubt.BIRTH_DATE
    strict = not (theirs and birth_date)
    return Doubt.NONE if _is_named(told.name, name, strict=strict) else Doubt.NAME


def _is_named(told: str, name: PersonName, *, strict: bool) -> bool:
    """Whether a name has the family name in one of the writings; ``strict``: the given one too."""
    try:
        theirs = PersonName.parse(told)
    except InvalidValueError:
        return False
    pairs = (
        (theirs.alphabetic, name.alphabetic),
        (theirs.ideographic, name.ideographic),
        (theirs.phonetic, name.phonetic),
    )
    return any(_agree(one, other, strict=strict) for one, other in pairs)


def _agree(one: NameGroup, other: NameGroup, *, strict: bool) -> bool:
    if not one.family or fold(one.family) != fold(other.family):
        return False
    return not strict or fold(one.given) == fold(other.given)


def _date(text: str) -> PartialDate:
    try:
        return PartialDate.parse(text)
    except InvalidValueError:
        return PartialDate("")


def count(made: Sequence[tuple[str, int]], told: Iterable[ToldSeries]) -> ImageCount:
    """Images of the series that the device said it made; of all with images if it named none."""
    rows = list(told)
    wanted = {uid for uid, _ in made}
    counted = [
        row
        for row in rows
        if (row.series_instance_uid in wanted if wanted else row.modality not in NO_IMAGES)
    ]
    numbers = [row.images for row in counted]
    there = None if None in numbers else sum(number or 0 for number in numbers)
    return ImageCount(made=sum(number for _, number in made), there=there)
