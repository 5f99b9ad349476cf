"""Association negotiation: A-ASSOCIATE-RQ in, the agreed contexts and A-ASSOCIATE-AC out.

pynetdicom's PDU classes and its presentation negotiation do the coding (PS3.8 9.3.2, 9.3.3; PS3.7
Annex D). They trust what they read, so the structure is checked here first, and unknown items are
left out as PS3.8 9.3.1 asks.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from struct import pack, unpack_from
from threading import Lock
from typing import Any, Final

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_items import UserIdentitySubItemAC, UserIdentitySubItemRQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SOPClassExtendedNegotiation,
)
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from worklist.config import IMPLEMENTATION_CLASS_UID, Limits, ListenerConfig
from worklist.pdu import AbortReason, PduError
from worklist.service import (
    CALLED_AE_NOT_RECOGNIZED,
    CALLING_AE_NOT_RECOGNIZED,
    CONTEXT_NAME_NOT_SUPPORTED,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    Rejection,
    UserIdentity,
)
from worklist.sop_classes import SopClass

APPLICATION_CONTEXT_NAME: Final = "1.2.840.10008.3.1.1.1"

_FIXED_BYTES: Final = 74  # header, version, AE titles and reserved fields
_TITLES = slice(10, 74)
_SMALLEST_PEER_PDU: Final = 64  # below this a peer could not even receive a response in pieces

_CONTEXT, _USER_INFORMATION = 0x20, 0x50
_TRANSFER_SYNTAX = 0x40
_VERSION_NAME = 0x55
_TOP_ITEMS = frozenset({0x10, _CONTEXT, _USER_INFORMATION})
_CONTEXT_ITEMS = frozenset({0x30, _TRANSFER_SYNTAX})
_USER_ITEMS = frozenset({0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58})

_AE_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]+")

_Key = tuple[bytes, frozenset[str] | None]
_CACHED_REQUESTS: Final = 256
_CACHED_BYTES: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class Context:
    """One accepted presentation context."""

    context_id: int
    sop_class: SopClass
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a request leads to if its sender is let in; immutable, so it can be kept."""

    contexts: Mapping[int, Context]
    answer: bytes
    peer_maximum: int
    abstract_syntaxes: tuple[str, ...]
    implementation_class_uid: str
    implementation_version_name: str
    offered_information: Mapping[str, bytes]
    agreed_information: Mapping[str, bytes]
    identity: UserIdentity | None = None
    _answer_pdu: Any = field(default=None, repr=False, compare=False)

    @property
    def holds(self) -> bool:
        """Whether the peer may keep the association open for long without using it."""
        return any(context.sop_class.holds for context in self.contexts.values())

    def answer_with_identity(self, response: bytes) -> bytes:
        """The A-ASSOCIATE-AC with a server response to the user identity (PS3.7 D.3.3.7.2)."""
        item = UserIdentitySubItemAC()
        item.server_response = response
        self._answer_pdu.variable_items[-1].user_data.append(item)
        return _echo_titles(self._answer_pdu.encode(), self.answer)


def ae_titles(raw: bytes) -> tuple[str, str] | Rejection:
    """The calling and called AE title of an A-ASSOCIATE-RQ; outer spaces do not count."""
    if len(raw) < _FIXED_BYTES:
        raise PduError(AbortReason.INVALID_PARAMETER, "an A-ASSOCIATE-RQ without its fixed fields")
    calling = _ae_title(raw[26:42])
    called = _ae_title(raw[10:26])
    if not calling:
        return CALLING_AE_NOT_RECOGNIZED
    if not called:
        return CALLED_AE_NOT_RECOGNIZED
    return calling, called


def _ae_title(raw: bytes) -> str:
    title = raw.decode("latin-1").strip(" \0")
    return title if _AE_TITLE.fullmatch(title) else ""


class Negotiator:
    """Negotiates for one listener and keeps the results for requests seen before.

    Modalities send the same bytes each time, and decoding them costs more than anything else on a
    new association. Requests with a user identity are not kept.
    """

    def __init__(self, config: ListenerConfig) -> None:
        self._config = config
        self._sop_classes = {row.uid: row for row in config.sop_classes}
        self._supported = [_supported_context(row) for row in config.sop_classes]
        self._agreements: OrderedDict[_Key, Agreement] = OrderedDict()
        self._lock = Lock()

    def negotiate(self, raw: bytes, only: frozenset[str] | None = None) -> Agreement | Rejection:
        """What ``raw`` leads to; raises PduError if it is no proper A-ASSOCIATE-RQ.

        With ``only`` other SOP classes than these are answered as not supported.
        """
        with self._lock:
            known = self._agreements.get((raw, only))
            if known is not None:
                self._agreements.move_to_end((raw, only))
                return known
        if not unpack_from(">H", raw, 6)[0] & 1:
            return PROTOCOL_VERSION_NOT_SUPPORTED
        cleaned = _checked(raw, self._config.limits)
        try:
            pdu = A_ASSOCIATE_RQ()
            pdu.decode(cleaned)
            if pdu.application_context_name != APPLICATION_CONTEXT_NAME:
                return CONTEXT_NAME_NOT_SUPPORTED
            return self._agree(raw, pdu, only)
        except PduError:
            raise
        except Exception as exc:
            # The decoder reports faults by whatever happens to fail: struct.error, KeyError,
            # AssertionError, ValueError, IndexError. All mean the same to the peer.
            raise PduError(
                AbortReason.INVALID_PARAMETER, f"A-ASSOCIATE-RQ: {type(exc).__name__}"
            ) from exc

    def remember(
        self, raw: bytes, agreement: Agreement, only: frozenset[str] | None = None
    ) -> None:
        """Keep the agreement of a peer that was let in, so that strangers cannot fill the store."""
        if agreement.identity is not None or len(raw) > _CACHED_BYTES:
            return
        with self._lock:
            self._agreements[raw, only] = agreement
            if len(self._agreements) > _CACHED_REQUESTS:
                self._agreements.popitem(last=False)

    def _agree(self, raw: bytes, pdu: Any, only: frozenset[str] | None) -> Agreement:
        request = pdu.to_primitive()
        user = pdu.user_information
        proposed = request.presentation_context_definition_list
        if len({context.context_id for context in proposed}) != len(proposed):
            raise PduError(AbortReason.INVALID_PARAMETER, "a presentation context ID is used twice")
        roles: dict[UID, tuple[bool | None, bool | None]] = {
            uid: (bool(item.scu_role), bool(item.scp_role))
            for uid, item in (user.role_selection if user else {}).items()
        }
        supported = [
            context
            for context in self._supported
            if only is None or str(context.abstract_syntax) in only
        ]
        results, role_answers = negotiate_as_acceptor(proposed, supported, roles)
        contexts = {
            (context_id := int(result.context_id or 0)): Context(
                context_id,
                self._sop_classes[str(result.abstract_syntax)],
                str(result.transfer_syntax[0]),
            )
            for result in results
            if result.result == 0
        }
        offered = {str(item.uid): item.app_info or b"" for item in (user.ext_neg if user else ())}
        agreed = self._extended_answers(offered, contexts)
        peer_maximum = (user.maximum_length if user else None) or 0
        if 0 < peer_maximum < _SMALLEST_PEER_PDU:
            raise PduError(AbortReason.INVALID_PARAMETER, "the peer's maximum PDU length is absurd")
        answer = A_ASSOCIATE()
        answer.application_context_name = APPLICATION_CONTEXT_NAME
        answer.calling_ae_title = "calling"  # replaced by the peer's own bytes below
        answer.called_ae_title = "called"
        answer.presentation_context_definition_results_list = results
        answer.user_information = [
            *self._own_information(),
            *role_answers,
            *_window_answer(user),
            *_extended_items(agreed),
        ]
        answer_pdu = A_ASSOCIATE_AC(answer)
        identity = _identity(user)
        return Agreement(
            contexts=contexts,
            answer=_echo_titles(answer_pdu.encode(), raw),
            peer_maximum=peer_maximum,
            abstract_syntaxes=tuple(str(context.abstract_syntax) for context in proposed),
            implementation_class_uid=str((user and user.implementation_class_uid) or ""),
            implementation_version_name=(user and user.implementation_version_name) or "",
            offered_information=offered,
            agreed_information=agreed,
            identity=identity,
            _answer_pdu=answer_pdu if identity else None,
        )

    def _own_information(self) -> list[Any]:
        maximum = MaximumLengthNotification()
        maximum.maximum_length_received = self._config.limits.pdu_bytes
        implementation = ImplementationClassUIDNotification()
        implementation.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        version = ImplementationVersionNameNotification()
        version.implementation_version_name = self._config.implementation_version_name
        return [maximum, implementation, version]

    def _extended_answers(
        self, offered: Mapping[str, bytes], contexts: Mapping[int, Context]
    ) -> dict[str, bytes]:
        """Answers to extended negotiation, as long as what was offered (PS3.4 K.5.1)."""
        accepted = {
            context.sop_class.uid for context in contexts.values() if context.sop_class.extended
        }
        # Bytes 1 and 2 are reserved and 1; the others are set if both sides can do it.
        able = bytes((1, 1, self._config.fuzzy_names, self._config.timezone_adjustment))
        answers = {}
        for uid, information in offered.items():
            if uid in accepted and information:
                mine = able.ljust(len(information), b"\0")
                asked = b"\1\1" + information[2:]
                answers[uid] = bytes(
                    own & their & 1 for own, their in zip(mine, asked, strict=False)
                )[: len(information)]
        return answers


def _supported_context(row: SopClass) -> PresentationContext:
    context = PresentationContext()
    context.abstract_syntax = row.uid
    context.transfer_syntax = list(row.transfer_syntaxes)
    # The roles the requestor may take (PS3.7 D.3.3.4): SCU, and SCP only where we are the user.
    context.scu_role = True
    context.scp_role = row.reversed
    return context


def _window_answer(user: Any) -> list[AsynchronousOperationsWindowNegotiation]:
    """One operation at a time, if the peer asked for more (PS3.7 D.3.3.3)."""
    if user is None or user.async_ops_window is None:
        return []
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 1
    window.maximum_number_operations_performed = 1
    return [window]


def _extended_items(agreed: Mapping[str, bytes]) -> list[SOPClassExtendedNegotiation]:
    items = []
    for uid, information in agreed.items():
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid = uid
        item.service_class_application_information = information
        items.append(item)
    return items


def _identity(user: Any) -> UserIdentity | None:
    item = user.user_identity if user else None
    if not isinstance(item, UserIdentitySubItemRQ):
        return None
    return UserIdentity(
        kind=item.user_identity_type or 0,
        primary=item.primary_field or b"",
        secondary=(item.secondary_field or b"") if item.user_identity_type == 2 else b"",
        response_requested=bool(item.positive_response_requested),
    )


def _echo_titles(answer: bytes, source: bytes) -> bytes:
    """``answer`` with the AE titles and reserved bytes as they came (PS3.8 Table 9-17)."""
    return answer[: _TITLES.start] + source[_TITLES] + answer[_TITLES.stop :]


def _checked(raw: bytes, limits: Limits) -> bytes:
    """``raw`` without the items pynetdicom does not know; raises PduError if it is malformed.

    Counted here because decoding thousands of transfer syntaxes would take long.
    """
    parts = [raw[:_FIXED_BYTES]]
    contexts = transfer_syntaxes = 0
    for kind, start, end in _items(raw, _FIXED_BYTES, len(raw)):
        if kind == _CONTEXT:
            contexts += 1
            if end - start < 8:
                raise PduError(AbortReason.INVALID_PARAMETER, "a presentation context is too short")
            body = raw[start + 4 : start + 8]
            for inner, first, last in _items(raw, start + 8, end):
                if inner in _CONTEXT_ITEMS:
                    transfer_syntaxes += inner == _TRANSFER_SYNTAX
                    body += raw[first:last]
        elif kind == _USER_INFORMATION:
            body = b"".join(
                _plain_version(raw[first + 4 : last]) if inner == _VERSION_NAME else raw[first:last]
                for inner, first, last in _items(raw, start + 4, end)
                if inner in _USER_ITEMS
            )
        elif kind in _TOP_ITEMS:
            body = raw[start + 4 : end]
        else:
            continue
        if contexts > limits.contexts or transfer_syntaxes > limits.transfer_syntaxes:
            raise PduError(AbortReason.INVALID_PARAMETER, "too many presentation contexts")
        parts += (pack(">BxH", kind, len(body)), body)
    if not contexts:
        raise PduError(AbortReason.INVALID_PARAMETER, "no presentation context is proposed")
    return b"".join(parts)


def _plain_version(name: bytes) -> bytes:
    """The Implementation Version Name item as PS3.7 D.3.3.2.3 has it.

    It is for logs alone, and some devices send more than 16 characters, or letters of their own:
    no reason to turn a scanner away.
    """
    kept = bytes(byte for byte in name if 0x20 <= byte < 0x7F and byte != 0x5C)[:16].strip()
    return pack(">BxH", _VERSION_NAME, len(kept)) + kept if kept else b""


def _items(raw: bytes, pos: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(type, start, end) of each item between ``pos`` and ``end``."""
    while pos < end:
        if end - pos < 4:
            raise PduError(AbortReason.INVALID_PARAMETER, "the PDU ends inside an item")
        kind, length = unpack_from(">BxH", raw, pos)
        stop = pos + 4 + length
        if stop > end:
            raise PduError(
                AbortReason.INVALID_PARAMETER, "an item is longer than what surrounds it"
            )
        yield kind, pos, stop
        pos = stop
