"""Referring doctors: the own orders, nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.accounts import CreateUser, SetRoles
from ris.domain.actors import OPERATOR, Role
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.order_questions import AskForInformation
from ris.domain.orders import OrderDetails, OrderReference, Priority, ProcedureRequest
from ris.domain.patients import Sex
from ris.domain.referring import (
    AnswerDepartment,
    GrantReferrerAccess,
    IdentifiedPatient,
    RequestExams,
    RevokeReferrerAccess,
    WithdrawRequest,
)
from ris.domain.safety import SafetyAnswerGiven
from ris.domain.saved_views import SaveView, ViewedPage
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.models import (
    AuditEvent,
    DomainEvent,
    Order,
    OrderQuestion,
    Patient,
    Practitioner,
    ReferrerAccess,
    SafetyAnswer,
)
from ris.selectors import referred_orders, referring
from ris.selectors.referred_orders import Pile
from ris.services import execute
from tests import make, people
from tests import referring as build
from tests.referring import OTTO, Doctors, seen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def request(patient: Patient | None = None, **said: Any) -> RequestExams:
    fields: dict[str, Any] = {
        "procedures": (ProcedureRequest(code=make.CT_HEAD),),
        "details": OrderDetails(priority=Priority.URGENT, reason="Headache for six weeks"),
        "patient": IdentifiedPatient(public_id=str(patient.public_id)) if patient else None,
    }
    return RequestExams(**{**fields, **said})


# --- whose orders


def test_a_login_from_outside_has_no_other_role() -> None:
    with pytest.raises(InvalidValueError, match="that one role"):
        execute(
            CreateUser(
                username="both",
                password="",
                roles=frozenset({Role.REFERRER, Role.RADIOLOGIST}),
            ),
            actor=OPERATOR,
        )


def test_orders_are_the_own_by_number_and_issuer_never_by_name(doctors: Doctors) -> None:
    mine = build.order()
    build.order(OTTO)
    build.order(Identifier("D100", "OTHER"))  # the same number, given out by somebody else
    make.order()  # the same name, without a number

    assert seen(doctors.olga) == [mine]


def test_a_number_without_its_issuer_needs_the_name_and_nobody_else(doctors: Doctors) -> None:
    """Most systems do not say who gave a doctor's number out (XCN-9)."""
    bare = Identifier("D100", "")
    mine = make.order(details=build.details(bare))
    make.order(details=build.details(bare, requester=PersonName.of("Other", "Ona")))
    assert seen(doctors.olga) == [mine]
    assert [
        referring.reach(doctors.olga.pk).covers(each) for each in Order.objects.order_by("id")
    ] == [
        True,
        False,
    ]

    build.registered(Identifier("D100", "ELSEWHERE"), "Ordonez", "Oscar")

    assert seen(doctors.olga) == []
    assert not referring.reach(doctors.olga.pk).covers(mine)


def test_a_practice_sees_what_it_ordered(doctors: Doctors) -> None:
    ours = make.order(details=build.details(OTTO, requesting_service="Practice at the Pond"))
    build.order(OTTO)

    assert seen(doctors.desk) == [ours]


def test_without_access_there_is_nothing(doctors: Doctors) -> None:
    build.order()
    access = ReferrerAccess.objects.get(user=doctors.olga)

    execute(RevokeReferrerAccess(access=str(access.public_id)), actor=people.manager)

    assert seen(doctors.olga) == []
    assert DomainEvent.objects.filter(name="ReferrerAccessRevoked").count() == 1


def test_access_is_for_referring_logins_and_for_people_with_a_number(doctors: Doctors) -> None:
    execute(
        CreateUser(username="sam", password="", roles=frozenset({Role.SCHEDULER})), actor=OPERATOR
    )
    nobody = Practitioner.objects.create(name="Nameless^Nora")

    with pytest.raises(InvalidValueError, match="not a referring doctor"):
        execute(GrantReferrerAccess(username="sam", service="X"), actor=people.admin)
    with pytest.raises(InvalidValueError, match="no number"):
        execute(
            GrantReferrerAccess(username="olga", practitioner=str(nobody.public_id)),
            actor=people.admin,
        )
    with pytest.raises(DeniedError):
        execute(GrantReferrerAccess(username="olga", service="X"), actor=people.scheduler)


def test_the_door_refuses_all_that_is_not_a_referring_doctors(doctors: Doctors) -> None:
    """Also what a permission table gives to everybody with a login."""
    olga = build.actor(doctors.olga)

    with pytest.raises(DeniedError):
        execute(make.place_order(), actor=olga)
    with pytest.raises(DeniedError, match="not for referring doctors"):
        execute(SaveView(page=ViewedPage.ORDERS, name="All", query=""), actor=olga)
    with pytest.raises(DeniedError):
        execute(SetRoles(username="olga", roles=frozenset({Role.ADMIN})), actor=olga)
    assert Order.objects.count() == 0


# --- orders


def test_an_own_patient_gets_an_order_in_the_doctors_name(doctors: Doctors) -> None:
    patient = build.order().patient

    placed = execute(request(patient), actor=build.actor(doctors.olga))

    order = Order.objects.get(public_id=placed.public_id)
    assert (order.patient, order.requester, order.requester_identifier, order.entered_by) == (
        patient,
        "Ordonez^Olga",
        "D100",
        "Olga Test",
    )
    assert order.priority == "URGENT"
    assert order in seen(doctors.olga, Pile.OPEN)
    assert AuditEvent.objects.filter(action="RequestExams", order_id=order.pk).count() == 1


def test_nobody_orders_in_another_doctors_name(doctors: Doctors) -> None:
    patient = build.order().patient
    otto = Practitioner.objects.get(identifier="D200")

    with pytest.raises(DeniedError, match="does not order for that person"):
        execute(request(patient, requester=str(otto.public_id)), actor=build.actor(doctors.olga))


def test_a_practices_order_is_in_its_name(doctors: Doctors) -> None:
    ours = make.order(details=build.details(OTTO, requesting_service="Practice at the Pond"))

    placed = execute(request(ours.patient), actor=build.actor(doctors.desk))

    order = Order.objects.get(public_id=placed.public_id)
    assert (order.requesting_service, order.requester) == ("Practice at the Pond", "Test^Desk")


def test_somebody_elses_patient_needs_number_and_birth_date(doctors: Doctors) -> None:
    known = build.order(OTTO, patient=make.patient("MRN77")).patient
    olga = build.actor(doctors.olga)

    def named(number: str, born: str) -> RequestExams:
        whom = IdentifiedPatient(
            public_id=str(known.public_id), number=number, birth_date=PartialDate(born)
        )
        return RequestExams(
            procedures=(ProcedureRequest(code=make.CT_HEAD),),
            details=OrderDetails(reason="Headache for six weeks"),
            patient=whom,
        )

    for number, born in (("", "1970-05-03"), ("MRN77", "1970-05-04"), ("MRN7", "1970-05-03")):
        with pytest.raises(UnknownKeyError, match="no patient with this number and birth date"):
            execute(named(number, born), actor=olga)
    with pytest.raises(UnknownKeyError, match="no patient with this number and birth date"):
        execute(request(known), actor=olga)
    assert Order.objects.count() == 1

    execute(named("MRN77", "1970-05-03"), actor=olga)

    assert [order.patient for order in seen(doctors.olga)] == [known]


def test_number_and_birth_date_name_one_living_person() -> None:
    make.site()
    make.definition()
    make.order(patient=make.patient("MRN77"))

    found = referring.identified("MRN77", "1970-05-03")

    assert found is not None
    assert referring.identified("MRN77", "1970-05") is None
    assert referring.identified("MRN77", "1971-05-03") is None
    assert referring.identified("", "1970-05-03") is None


def test_somebody_new_is_entered_whole(doctors: Doctors) -> None:
    person = make.demographics(name=PersonName.of("Neu", "Nina"), phone="0664 123456")

    for lack in (
        {"birth_date": PartialDate("1970")},
        {"sex": Sex.UNKNOWN},
        {"phone": ""},
        {"name": PersonName.of("Neu", "")},
    ):
        said = make.demographics(**{"name": person.name, "phone": person.phone, **lack})
        with pytest.raises(MissingValueError):
            execute(request(person=said), actor=build.actor(doctors.olga))
    assert Patient.objects.count() == 0

    placed = execute(request(person=person), actor=build.actor(doctors.olga))

    order = Order.objects.get(public_id=placed.public_id)
    assert order.patient.name == "Neu^Nina"
    assert order.patient.identifiers.get().issuer == "HOSP"
    assert OrderQuestion.objects.count() == 0


def test_who_is_like_somebody_known_is_compared_by_the_department(doctors: Doctors) -> None:
    """And the doctor is not told whom we know."""
    build.order(OTTO)  # Anna Berg, born on the same day
    person = make.demographics(phone="0664 123456")

    placed = execute(request(person=person), actor=build.actor(doctors.olga))

    assert Patient.objects.count() == 2
    question = OrderQuestion.objects.get(order__public_id=placed.public_id)
    assert question.text == referring.COMPARE
    shown = referred_orders.order_page(referring.reach(doctors.olga.pk), placed.public_id)
    assert shown.questions == ()
    assert shown.line.question is False


def test_safety_answers_come_with_the_order(doctors: Doctors) -> None:
    from ris.domain.safety import AnswerKind, DefineSafetyQuestion, QuestionDetails

    execute(
        DefineSafetyQuestion(
            question=QuestionDetails(code="PACE", words="Pacemaker?", kind=AnswerKind.YES_NO)
        ),
        actor=people.manager,
    )
    patient = build.order().patient

    placed = execute(
        request(patient, answers=(SafetyAnswerGiven(question="PACE", value="no"),)),
        actor=build.actor(doctors.olga),
    )

    answer = SafetyAnswer.objects.get()
    assert (str(answer.order.public_id), answer.value) == (placed.public_id, "no")


def test_a_reason_and_a_known_exam_are_needed(doctors: Doctors) -> None:
    patient = build.order().patient
    olga = build.actor(doctors.olga)

    with pytest.raises(MissingValueError, match="why the exam is needed"):
        execute(request(patient, details=OrderDetails(reason=" ")), actor=olga)
    with pytest.raises(MissingValueError, match="whom the order is for"):
        execute(request(), actor=olga)
    assert Order.objects.count() == 1


def test_an_own_order_is_withdrawn_until_it_is_begun(doctors: Doctors) -> None:
    waiting, done, others = build.order(), build.performed(), build.order(OTTO)
    olga = build.actor(doctors.olga)

    execute(WithdrawRequest(order=str(waiting.public_id), reason="Feels well"), actor=olga)

    waiting.refresh_from_db()
    assert waiting.status == "CANCELED"
    with pytest.raises(StateConflictError, match="was started"):
        execute(WithdrawRequest(order=str(done.public_id), reason="x"), actor=olga)
    with pytest.raises(UnknownKeyError):
        execute(WithdrawRequest(order=str(others.public_id), reason="x"), actor=olga)
    others.refresh_from_db()
    assert others.status == "ACTIVE"


def test_the_departments_question_is_answered_by_its_doctor(doctors: Doctors) -> None:
    mine, others = build.order(), build.order(OTTO)
    asked = [
        execute(
            AskForInformation(
                order=OrderReference(public_id=str(order.public_id)), question="Which side?"
            ),
            actor=people.scheduler,
        )
        for order in (mine, others)
    ]
    olga = build.actor(doctors.olga)

    execute(AnswerDepartment(question=asked[0], answer="Left"), actor=olga)

    question = OrderQuestion.objects.get(order=mine)
    assert (question.answer, question.answered_by) == ("Left", "Olga Test")
    with pytest.raises(UnknownKeyError):
        execute(AnswerDepartment(question=asked[1], answer="Left"), actor=olga)
