"""What the upper layer asks of the handlers, and what they answer.

The upper layer knows PDUs, deadlines and limits; it hands over one request at a time per
association and codes the answer. All methods of :class:`Service` are synchronous and run in a
bounded pool of long-lived threads: requests of one association one after the other, but on any of
the threads, and an answer's ``identifiers`` may be drawn by a different thread each time. So keep
no cursor and no thread-local state open across a ``yield``; read a page, then yield it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from worklist.sop_classes import Operation

SUCCESS_STATUS = 0x0000
PENDING_STATUS = 0xFF00
PENDING_KEYS_IGNORED_STATUS = 0xFF01
CANCEL_STATUS = 0xFE00


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The peer's TLS certificate; ``subject`` and ``names`` only if a CA file verified it."""

    sha256: str
    subject: str = ""
    names: tuple[str, ...] = ()  # common names and alternative names

    def is_named(self, name: str) -> bool:
        """Whether it was issued to this host, address or common name."""
        return name.lower() in (one.lower() for one in self.names)


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """User Identity Negotiation (PS3.7 D.3.3.7); its secrets never appear in a ``repr``."""

    kind: int  # 1 user name, 2 name and passcode, 3 Kerberos, 4 SAML, 5 JSON Web Token
    primary: bytes = field(repr=False)
    secondary: bytes = field(default=b"", repr=False)
    response_requested: bool = False


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """Who asks to be let in."""

    calling_ae_title: str
    called_ae_title: str
    address: str
    port: int = 0
    tls: bool = False
    certificate: PeerCertificate | None = None
    identity: UserIdentity | None = None
    abstract_syntaxes: tuple[str, ...] = ()
    implementation_class_uid: str = ""
    implementation_version_name: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """Let in. ``peer`` is the service's own note about the caller, handed back with each request.

    ``identity_response`` answers a user identity whose sender wants to hear that it was checked
    (empty bytes for a name or passcode); None says nothing. ``idle_seconds`` and ``associations``
    replace the configured idle time and number of associations of this AE title.
    ``sop_classes`` are the only ones it is offered; None means all. Above ``queries_per_minute``
    queries are refused; None means any number.
    """

    peer: object = None
    identity_response: bytes | None = None
    idle_seconds: float | None = None
    associations: int | None = None
    sop_classes: frozenset[str] | None = None
    queries_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Not let in: the fields of A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    result: int
    source: int
    diagnostic: int
    reason: str = ""  # for our log


CONTEXT_NAME_NOT_SUPPORTED = Rejection(1, 1, 2, "application context name not supported")
CALLING_AE_NOT_RECOGNIZED = Rejection(1, 1, 3, "calling AE title not recognized")
CALLED_AE_NOT_RECOGNIZED = Rejection(1, 1, 7, "called AE title not recognized")
IDENTITY_REFUSED = Rejection(1, 2, 1, "user identity refused")  # PS3.7 D.3.3.7.3
PROTOCOL_VERSION_NOT_SUPPORTED = Rejection(1, 2, 2, "protocol version not supported")
TEMPORARY_CONGESTION = Rejection(2, 3, 1, "temporary congestion")
LOCAL_LIMIT_EXCEEDED = Rejection(2, 3, 2, "local limit exceeded")


@dataclass(frozen=True, slots=True)
class Association:
    """What handlers may know about an established association.

    ``application_information`` holds what the peer offered per SOP class by extended negotiation;
    ``agreed_information`` what we answered (PS3.4 K.5.1: byte 3 fuzzy names, byte 4 time zone).
    """

    number: int
    request: AssociationRequest
    peer: object = None
    application_information: Mapping[str, bytes] = field(default_factory=dict)
    agreed_information: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def calling_ae_title(self) -> str:
        return self.request.calling_ae_title

    @property
    def called_ae_title(self) -> str:
        return self.request.called_ae_title

    @property
    def address(self) -> str:
        return self.request.address


class Page(NamedTuple):
    """Which of the matches to answer with; DIMSE always wants all (PS3.18 8.3.4.4 does not)."""

    first: int
    most: int


@dataclass(frozen=True, slots=True)
class Request:
    """One DIMSE request. ``dataset`` is raw, pre-scanned, in ``transfer_syntax``; empty if none.

    ``sop_instance_uid`` is the Affected or Requested SOP Instance UID, empty if there is none (an
    N-CREATE may leave it to us). ``is_cancelled`` is for handlers that work long before their first
    row; between rows the upper layer looks itself. ``page`` comes from web clients only.
    """

    association: Association
    operation: Operation
    context_id: int
    message_id: int
    sop_class_uid: str
    transfer_syntax: str
    dataset: bytes = field(default=b"", repr=False)
    sop_instance_uid: str = ""
    attribute_identifiers: tuple[int, ...] = ()
    is_cancelled: Callable[[], bool] = field(default=lambda: False, repr=False)
    page: Page | None = None
    event_type: int = 0  # of an N-EVENT-REPORT


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final response: its status and the fields that explain it (PS3.7 C).

    ``comment`` goes out as Error Comment (0000,0902), cut to 64 characters and without patient
    data; ``error_id`` (0000,0903) and ``attribute_identifiers`` (0000,1005) only in DIMSE-N
    responses, ``offending_elements`` (0000,0901) only in DIMSE-C ones. ``dataset`` is the encoded
    Attribute List of a DIMSE-N response. ``sop_instance_uid`` replaces the one of the request, for
    an N-CREATE that left it to us. ``sent`` is called in a pool thread once the response has been
    handed to the network, with False if the peer was gone before.
    """

    status: int = SUCCESS_STATUS
    comment: str = ""
    error_id: int | None = None
    offending_elements: tuple[int, ...] = ()
    attribute_identifiers: tuple[int, ...] = ()
    dataset: bytes = field(default=b"", repr=False)
    sop_instance_uid: str = ""
    sent: Callable[[bool], None] | None = field(default=None, repr=False, compare=False)


SUCCESS = Outcome()


class Refused(Exception):  # noqa: N818 - a final response, not a fault of ours
    """Ends an operation with this response; may also be raised between the rows of an answer."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.status:04X} {outcome.comment}".rstrip())
        self.outcome = outcome


class Paged(Protocol):
    """Identifiers that are kept framed, as many on a page as go out in one write."""

    def pages(self, context_id: int, fragment: int, page_bytes: int) -> Sequence[list[bytes]]: ...


@dataclass(frozen=True, slots=True)
class FindAnswer:
    """The matches of a C-FIND, each an encoded identifier in the request's transfer syntax.

    A list (or tuple) of ready bytes is sent in one write, and what is :class:`Paged` without being
    framed anew; a generator is drawn in pages, only as
    fast as the peer reads, and closed if the peer cancels or goes away. To end with something else
    than success after the last row, raise :class:`Refused`. ``pending`` is FF00, or FF01 if a
    requested optional key is not supported (PS3.4 Table K.4-1). ``matches`` is how many there are,
    whatever page of them was asked for.
    """

    identifiers: Iterable[bytes] = ()
    pending: int = PENDING_STATUS
    final: Outcome = SUCCESS
    matches: int = 0


class Service(Protocol):
    """The handlers. Anything they raise but :class:`Refused` is answered as our own fault."""

    def admit(self, request: AssociationRequest) -> Admission | Rejection:
        """Decide on an association; asked for each."""
        ...

    def c_echo(self, request: Request) -> Outcome: ...

    def c_find(self, request: Request) -> FindAnswer: ...

    def c_store(self, request: Request) -> Outcome:
        """Keep a document; its dataset is not scanned yet if its SOP class says so."""
        ...

    def n_create(self, request: Request) -> Outcome: ...

    def n_set(self, request: Request) -> Outcome: ...

    def n_get(self, request: Request) -> Outcome: ...

    def n_event_report(self, request: Request) -> Outcome:
        """Take the word of a provider whose user we are."""
        ...


@runtime_checkable
class ThreadAware(Protocol):
    """A service that keeps something per pool thread, such as a database connection."""

    def thread_ended(self) -> None:
        """Called in each pool thread as its last act, when the listener has been drained."""
        ...
