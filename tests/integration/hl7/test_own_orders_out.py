"""Orders that were born here towards their placer, and orders that stand for others (spec 1.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integration.hl7.from_domain.archive import procedure_scheduled
from integration.hl7.from_domain.orders import order_status
from integration.hl7.profiles import check_settings
from ris.domain.errors import InvalidValueError
from ris.domain.orders import OrderStatus, Stage, StepStatus
from ris.domain.protocol import StoredEvent
from ris.domain.values import Code, Identifier
from ris.selectors.views import OrderView
from tests.integration.hl7 import views
from tests.integration.hl7.oracles import field, segments, written

PLACED = views.event("OrderPlaced", stage="REQUESTED")
NUMBERED = views.event("PlacerNumberAssigned")
NAMELESS = views.order(placer=Identifier(""), source="")


def told(
    event: StoredEvent,
    order: OrderView,
    *,
    asked: bool = False,
    replaced: tuple[OrderView, ...] = (),
    **settings: Any,
) -> str:
    """The message, checked by two other readers; empty if nothing is said."""
    profile = views.profile(**settings)
    draft = order_status(event, order, profile, asked_by_receiver=asked, replaced=replaced)
    return written(draft, profile) if draft is not None else ""


def says(text: str) -> tuple[str, str, str, str]:
    return tuple(field(text, path) for path in ("ORC-1", "ORC-2", "ORC-3", "ORC-5"))  # type: ignore[return-value]


@pytest.mark.parametrize("version", ["2.3.1", "2.5.1"])
def test_an_order_of_ours_asks_the_placer_for_its_number(version: str) -> None:
    assert says(told(PLACED, NAMELESS, version=version)) == ("SN", "", "F000000001^RIS", "")


def test_a_peer_may_want_the_order_itself_at_once() -> None:
    text = told(PLACED, NAMELESS, own_orders="NW")

    assert says(text) == ("NW", "", "F000000001^RIS", "SC")
    assert field(text, "OBR-25") == "S"


def test_a_peer_may_want_nothing_of_it() -> None:
    assert told(PLACED, NAMELESS, own_orders="none") == ""
    assert told(NUMBERED, views.order(), own_orders="none") == ""


@pytest.mark.parametrize(("own_orders", "control"), [("SN", "SC"), ("SN+NW", "NW")])
def test_with_its_number_the_placer_hears_how_far_the_order_is(
    own_orders: str, control: str
) -> None:
    text = told(NUMBERED, views.order(), own_orders=own_orders)

    assert says(text) == (control, "PL1^EHR", "F000000001^RIS", "SC")


def test_what_came_from_elsewhere_without_a_number_asks_for_none() -> None:
    assert told(PLACED, replace(NAMELESS, source="EHR")) == ""
    assert told(PLACED, views.order()) == ""


@pytest.mark.parametrize(("own_orders", "control"), [("SN", ""), ("SN+NW", ""), ("NW", "SC")])
def test_progress_of_a_nameless_order_is_told_only_to_who_knows_it(
    own_orders: str, control: str
) -> None:
    text = told(views.booked(), NAMELESS, own_orders=own_orders)

    assert (field(text, "ORC-1") if text else "") == control


def test_an_order_that_stands_for_another_is_told_behind_it() -> None:
    other = views.procedure(public_id="procedure-2", code=Code("MRHEAD", "L", "MR head"))
    old = views.order(
        public_id="order-0",
        placer=Identifier("PL0", "EHR"),
        filler=Identifier("F000000000"),
        procedures=(other,),
        status=OrderStatus.CANCELED,
    )
    event = views.event("OrderReplaced", replaced=["order-0"])

    text = told(event, views.order(), replaced=(old,))

    assert [line.split("|")[1:4] for line in segments(text, "ORC")] == [
        ["RU", "PL0^EHR", "F000000000^RIS"],
        ["RO", "PL1^EHR", "F000000001^RIS"],
    ]
    assert field(text, "ORC[2]-8") == "PL0&EHR^F000000000&RIS"
    assert field(text, "OBR[1]-4").startswith("MRHEAD^")
    assert field(text, "OBR[2]-4").startswith("CTHEAD^")


def test_an_order_under_a_requisition_names_it() -> None:
    text = told(views.booked(), views.order(parent=Identifier("RQ1", "EHR")))

    assert field(text, "ORC-8") == "RQ1&EHR"


def test_who_asked_for_the_replacement_has_its_answer_already() -> None:
    event = views.event("OrderReplaced", replaced=["order-0"])

    assert told(event, views.order(), asked=True) == ""


def test_a_cancellation_for_a_replacement_is_not_told_by_itself() -> None:
    event = views.event("OrderCanceled", reason="", by_placer=True, replaced=True)

    assert told(event, views.order(status=OrderStatus.CANCELED)) == ""


def test_a_cancellation_that_had_been_refused_is_told_to_who_asked_for_it() -> None:
    over = views.order(
        status=OrderStatus.CANCELED,
        procedures=(
            views.procedure(stage=Stage.CANCELED, steps=(views.step(status=StepStatus.CANCELED),)),
        ),
    )
    event = views.event("OrderCanceled", reason="twice", by_placer=True, early=True)

    assert says(told(event, over, asked=True)) == ("SC", "PL1^EHR", "F000000001^RIS", "CA")


# --- ORC-1 and ORC-5 towards an archive, per peer ------------------------------------------------


def announced(event: StoredEvent, **settings: Any) -> list[str]:
    profile = views.profile(**settings)
    drafts = procedure_scheduled(event, views.order(), profile)
    texts = [written(draft, profile, all_readers=False) for draft in drafts]
    return [f"{field(text, 'ORC-1')}_{field(text, 'ORC-5')}" for text in texts]


@pytest.mark.parametrize(
    ("controls", "pairs"),
    [({}, ["XO_SC"]), ({"changed": "SC_SC"}, ["SC_SC"]), ({"changed": ""}, [])],
    ids=["as usual", "another pair", "not told"],
)
def test_an_archive_may_want_another_pair_or_none(
    controls: dict[str, str], pairs: list[str]
) -> None:
    assert announced(views.booked("AppointmentMoved"), archive_controls=controls) == pairs


@pytest.mark.parametrize(
    "controls", [{"moved": "XO_SC"}, {"changed": "XO"}, {"changed": "xo_sc"}, {"changed": "XO_SC_"}]
)
def test_only_pairs_of_what_can_happen_are_settings(controls: dict[str, str]) -> None:
    with pytest.raises(InvalidValueError) as caught:
        check_settings({"archive_controls": controls})

    assert caught.value.path == "settings.archive_controls"
