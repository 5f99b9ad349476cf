"""Messages in parts: those that came wait for the rest, in the database (spec 1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ris.domain.errors import UnknownKeyError
from ris.domain.exchange import MESSAGE, MessageState, MessageTrigger
from ris.domain.places import Place
from ris.models import InboundMessage, MessagePart
from ris.services import _clock
from ris.services._execute import transactional
from ris.services._transition import move

NOT_COMPLETE = "the rest of the message did not come in time"


def keep(
    message: InboundMessage, *, sender: str, pointer: str, previous: str, minutes: int
) -> None:
    """Have a stored message wait for what goes on from ``pointer``, inside its transaction."""
    MessagePart.objects.create(
        message=message,
        sender=sender,
        pointer=pointer,
        previous=previous,
        due_at=_clock.now() + timedelta(minutes=minutes),
    )


def before(sender: str, pointer: str, *, most: int, in_time: bool) -> tuple[list[bytes], list[str]]:
    """The parts that lead to ``pointer`` in order, and the messages they came in (public ids).

    Raises UnknownKeyError if one of them never came, or, with ``in_time``, too long ago: senders
    use their pointers again, and an old part must not be taken for a new one.
    """
    parts = MessagePart.objects.select_related("message").filter(sender=sender)
    if in_time:
        parts = parts.filter(due_at__gte=_clock.now(), message__state=MessageState.RECEIVED.value)
    found: list[MessagePart] = []
    while pointer:
        part = parts.filter(pointer=pointer).order_by("-pk").first()
        if part is None or part in found or len(found) >= most:
            raise UnknownKeyError(
                "what this part goes on from is not here", path=Place.PREVIOUS_PART
            )
        found.append(part)
        pointer = part.previous
    found.reverse()
    messages = [part.message for part in found]
    return [bytes(each.raw) for each in messages], [str(each.public_id) for each in messages]


def use(messages: Sequence[str]) -> None:
    """The whole was applied, and so were these parts of it; joins the caller's transaction."""
    if not messages:
        return
    for message in InboundMessage.objects.filter(public_id__in=messages).order_by("pk"):
        if message.state == MessageState.REJECTED.value:
            move(message, MESSAGE, MessageTrigger.REPLAY)
        message.error = message.error_path = ""
        move(message, MESSAGE, MessageTrigger.APPLY, "error", "error_path")
    MessagePart.objects.filter(message__public_id__in=messages).delete()


@transactional
def give_up_late() -> int:
    """Put parts whose rest did not come among the exceptions; they stay there to be joined."""
    late = InboundMessage.objects.select_for_update(of=("self",)).filter(
        state=MessageState.RECEIVED.value, part__due_at__lt=_clock.now()
    )
    count = 0
    for message in late.order_by("pk")[:200]:
        message.error = NOT_COMPLETE
        move(message, MESSAGE, MessageTrigger.REJECT, "error")
        count += 1
    return count


def is_late() -> bool:
    """Whether a part waits longer than agreed."""
    return MessagePart.objects.filter(
        due_at__lt=_clock.now(), message__state=MessageState.RECEIVED.value
    ).exists()
