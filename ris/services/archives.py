"""Archives asked for earlier exams and numbers of images, while somebody waits for a few seconds.

Each edge that can ask registers how. All archives are asked at once and none is waited for longer
than a page can wait; what comes later is kept for the next look. What was told is kept for minutes
in this process and nowhere else: it is another system's, and it may be about somebody else.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from time import monotonic
from typing import NamedTuple
from typing import Protocol as Offers

import structlog

from ris.domain.archives import (
    ArchiveAnswer,
    Doubt,
    ImageCount,
    Terms,
    ToldSeries,
    ToldStudy,
    count,
    doubt,
)
from ris.domain.exchange import Protocol
from ris.domain.protocol import EndpointInfo
from ris.domain.values import Identifier
from ris.selectors import archives as known
from ris.selectors.archives import Examined

log = structlog.get_logger(__name__)

WAIT_SECONDS = 3.0  # a page waits so long, all archives together
ASK_SECONDS = 10.0  # a question ends then, waited for or not
KEPT_SECONDS = 300.0
REST_SECONDS = 60.0  # an archive that did not answer is left alone
_KEPT = 500
_THREADS = 8
_NUMBERS = 3  # of a patient's identifiers are asked for at one archive
_SHOWN = 50


class SilentArchiveError(Exception):
    """An archive did not answer, or not with what was asked; in words for people."""


class Archive(Offers):
    """How an edge asks; both questions raise SilentArchiveError and use no database."""

    def terms(self, endpoint: EndpointInfo) -> Terms:
        """What its settings say."""

    def studies(
        self, endpoint: EndpointInfo, number: str, issuer: str, seconds: float
    ) -> Sequence[ToldStudy]:
        """The studies under a patient's number."""

    def series(self, endpoint: EndpointInfo, study: str, seconds: float) -> Sequence[ToldSeries]:
        """The series of a study."""


class _Question(NamedTuple):
    """What is asked at an endpoint: the studies under a number, or the series of a study."""

    endpoint: int
    number: str = ""
    issuer: str = ""
    study: str = ""


# What a question gives is of one kind; both kinds are kept in one place.
_Told = Sequence[ToldStudy | ToldSeries] | SilentArchiveError

_ARCHIVES: dict[Protocol, Archive] = {}
_lock = threading.Lock()
_kept: OrderedDict[_Question, tuple[float, _Told]] = OrderedDict()
_asking: dict[_Question, Future[_Told]] = {}
_pool: ThreadPoolExecutor | None = None


def register_archive(protocol: Protocol, archive: Archive) -> None:
    """Called by each edge when it starts."""
    _ARCHIVES[protocol] = archive


def forget() -> None:
    """Forget what was told (a test begins)."""
    with _lock:
        _kept.clear()
        _asking.clear()


def about(exam: Examined, *, seconds: float = WAIT_SECONDS) -> list[ArchiveAnswer]:
    """What every archive tells of the patient and of the images of an exam."""
    endpoints = [
        (endpoint, _ARCHIVES[protocol])
        for protocol, endpoint in known.asked_for_priors()
        if protocol in _ARCHIVES
    ]
    if not endpoints:
        return []
    own = known.own_studies(exam.patient.public_id)
    questions = [
        (endpoint, archive, _questions(endpoint, archive, exam)) for endpoint, archive in endpoints
    ]
    wait([one for _, _, each in questions for one in each.values()], timeout=seconds)
    return [_answer(endpoint, archive, asked, exam, own) for endpoint, archive, asked in questions]


# --- asking


_Asked = Mapping[_Question, Future[_Told]]


def _questions(endpoint: EndpointInfo, archive: Archive, exam: Examined) -> _Asked:
    terms = archive.terms(endpoint)
    asked: dict[_Question, Future[_Told]] = {}
    for each in _numbers(exam.patient.identifiers, terms):
        # An archive with one issuer mostly names none, and would find nothing by it.
        issuer = "" if terms.issuer else each.issuer
        question = _Question(endpoint.id, number=each.value, issuer=issuer)
        asked[question] = _ask(
            question,
            endpoint,
            partial(archive.studies, endpoint, each.value, issuer, ASK_SECONDS),
        )
    for study in exam.made:
        question = _Question(endpoint.id, study=study)
        asked[question] = _ask(
            question, endpoint, partial(archive.series, endpoint, study, ASK_SECONDS)
        )
    return asked


def _numbers(identifiers: Sequence[Identifier], terms: Terms) -> list[Identifier]:
    """The patient's numbers that the archive can know."""
    named = [
        each
        for each in identifiers
        if each.value and each.issuer and terms.issuer in {"", each.issuer}
    ]
    return named[:_NUMBERS]


def _ask(question: _Question, endpoint: EndpointInfo, put: Callable[[], _Told]) -> Future[_Told]:
    """What was told lately, who asks already, or a new question in a thread of its own."""
    global _pool
    with _lock:
        known_already = _kept.get(question)
        if known_already is not None:
            at, told = known_already
            lasts = REST_SECONDS if isinstance(told, SilentArchiveError) else KEPT_SECONDS
            if monotonic() - at < lasts:
                done: Future[_Told] = Future()
                done.set_result(told)
                return done
        running = _asking.get(question)
        if running is not None:
            return running
        if _pool is None:
            _pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="archives")
        future = _pool.submit(_asked, question, endpoint, put)
        _asking[question] = future
        return future


def _asked(question: _Question, endpoint: EndpointInfo, put: Callable[[], _Told]) -> _Told:
    told: _Told
    try:
        told = put()
    except SilentArchiveError as silent:
        told = silent
    except Exception as error:
        log.exception("an archive could not be asked", endpoint=endpoint.name)
        told = SilentArchiveError(f"internal error ({type(error).__name__})")
    with _lock:
        _asking.pop(question, None)
        _kept[question] = (monotonic(), told)
        _kept.move_to_end(question)
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return told


# --- answering


def _answer(
    endpoint: EndpointInfo,
    archive: Archive,
    asked: _Asked,
    exam: Examined,
    own: frozenset[str],
) -> ArchiveAnswer:
    late = "it has not answered yet; look again in a moment"
    faults: list[str] = []
    studies: dict[str, ToldStudy] = {}
    series: dict[str, Sequence[ToldSeries]] = {}
    for question, future in asked.items():
        told = future.result() if future.done() else SilentArchiveError(late)
        if isinstance(told, SilentArchiveError):
            faults.append(str(told))
        elif question.study:
            series[question.study] = [each for each in told if isinstance(each, ToldSeries)]
        else:
            studies |= {
                each.study_instance_uid: each for each in told if isinstance(each, ToldStudy)
            }
    shown: list[ToldStudy] = []
    withheld: list[Doubt] = []
    terms, patient = archive.terms(endpoint), exam.patient
    for study in studies.values():
        if study.study_instance_uid in own:
            continue
        why = doubt(study, patient.identifiers, patient.name, patient.birth_date, terms)
        if why is Doubt.NONE:
            shown.append(study)
        else:
            withheld.append(why)
    return ArchiveAnswer(
        archive=endpoint.name,
        studies=tuple(sorted(shown, key=lambda each: each.made_on, reverse=True)[:_SHOWN]),
        withheld=tuple(withheld),
        images=_counted(exam.made, series),
        fault="; ".join(dict.fromkeys(faults)),
    )


def _counted(
    made: Mapping[str, Sequence[tuple[str, int]]], series: Mapping[str, Sequence[ToldSeries]]
) -> ImageCount | None:
    """Over all studies of the exam; None if one of them was not told of."""
    if not made or set(made) != set(series):
        return None
    counts = [count(made[study], series[study]) for study in made]
    there = [each.there for each in counts]
    return ImageCount(
        made=sum(each.made for each in counts),
        there=None if None in there else sum(number or 0 for number in there),
    )
