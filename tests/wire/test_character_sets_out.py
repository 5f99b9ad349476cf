"""Names in every character set, on the wire, read by codecs and libraries not ours (B9)."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator

import hl7
import pytest

from integration.hl7 import acks, mllp_client, server
from integration.hl7.er7 import Header
from integration.hl7.er7_writer import build, msh
from integration.hl7.fitting import fit
from integration.hl7.from_domain.patients import adt_as_is
from integration.hl7.mllp_client import Target
from integration.hl7.server import ListenerConfig, Peer
from ris.domain.errors import InvalidValueError
from ris.domain.protocol import Result
from ris.domain.values import NameGroup, PersonName
from tests.integration.hl7 import views

pytestmark = pytest.mark.wire


def euc_tw(data: bytes) -> str:
    """By the C library: Python has no such codec."""
    done = subprocess.run(
        ["iconv", "-f", "EUC-TW", "-t", "UTF-8"], input=data, capture_output=True, check=True
    )
    return done.stdout.decode()


def codec(name: str) -> Callable[[bytes], str]:
    return lambda data: data.decode(name)


JAPANESE = PersonName(
    NameGroup("Yamada", "Tarou"), NameGroup("山田", "太郎"), NameGroup("やまだ", "たろう")
)
# The peer's set, MSH-18, who decodes, and a name that only such a set can carry.
SETS = [
    ("ASCII", "ASCII", codec("ascii"), PersonName.of("O'Brien", "Ann")),
    ("8859/1", "8859/1", codec("latin-1"), PersonName.of("Müller", "Bjørn")),
    ("8859/2", "8859/2", codec("iso8859-2"), PersonName.of("Dvořák", "Łucja")),
    ("8859/3", "8859/3", codec("iso8859-3"), PersonName.of("Ħaġar", "Ċensa")),
    ("8859/4", "8859/4", codec("iso8859-4"), PersonName.of("Ķirsis", "Āra")),
    ("8859/5", "8859/5", codec("iso8859-5"), PersonName.of("Люкceмбypг", "Анна")),
    ("8859/6", "8859/6", codec("iso8859-6"), PersonName.of("قباني", "لنزار")),
    ("8859/7", "8859/7", codec("iso8859-7"), PersonName.of("Διονυσιος", "Άννα")),
    ("8859/8", "8859/8", codec("iso8859-8"), PersonName.of("שרון", "דבורה")),
    ("8859/9", "8859/9", codec("iso8859-9"), PersonName.of("Çavuşoğlu", "Işıl")),
    ("8859/15", "8859/15", codec("iso8859-15"), PersonName.of("Lœwe", "Žofie")),
    ("ISO IR14", "ISO IR14", codec("shift_jis"), PersonName.of("ﾔﾏﾀﾞ", "ﾀﾛｳ")),
    ("ISO IR6~ISO IR87", "ISO IR6~ISO IR87", codec("iso2022_jp"), JAPANESE),
    ("ISO IR6~ISO IR87~ISO IR159", "ISO IR6~ISO IR87~ISO IR159", codec("iso2022_jp_1"),
     PersonName.of("丂丄", "太郎")),
    ("KS X 1001", "KS X 1001", codec("euc_kr"), PersonName.of("김", "희중")),
    ("GB 18030-2000", "GB 18030-2000", codec("gb18030"), PersonName.of("王", "小东㐀")),
    ("BIG-5", "BIG-5", codec("big5"), PersonName.of("許", "功蓋")),
    ("CNS 11643-1992", "CNS 11643-1992", euc_tw, PersonName.of("許", "功蓋")),
    ("UNICODE UTF-8", "UNICODE UTF-8", codec("utf-8"), JAPANESE),
    ("UNICODE UTF-16", "UNICODE UTF-16", codec("utf-16-be"), JAPANESE),
    ("UNICODE UTF-32", "UNICODE UTF-32", codec("utf-32-be"), JAPANESE),
    ("CP1252", "", codec("cp1252"), PersonName.of("Šmíd", "Zoë")),
]  # fmt: skip


class Receiver:
    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.arrived = threading.Event()

    def __call__(self, frame: bytes, peer: Peer) -> bytes:
        self.frames.append(frame)
        self.arrived.set()
        header = Header.read(frame)
        assert header is not None
        return acks.acknowledge(header)


@pytest.fixture(scope="module")
def receiver() -> Iterator[tuple[Receiver, int]]:
    receiver = Receiver()
    with server.running(ListenerConfig(port=0), receiver) as listener:
        yield receiver, listener.port
        mllp_client.CONNECTIONS.close()


def message(name: PersonName, character_set: str, **settings: object) -> bytes:
    profile = views.profile(character_set=character_set, **settings)
    draft = adt_as_is("A08", views.patient(name=name), views.AT, profile)
    header = msh(
        sending=("RIS", "RAD"), receiving=("EHR", "X"), at="20260302",
        message_type=("ADT", "A08", "ADT_A01"), control_id="C1", version="2.5.1",
        charset=profile.charset,
    )  # fmt: skip
    rows = [header, *draft.rows]
    if profile.settings.unencodable == "transliterate":
        rows = fit(rows, profile.charset)  # type: ignore[assignment]
    return build(rows, charset=profile.charset)


@pytest.mark.parametrize(
    ("character_set", "declared", "decode", "name"), SETS, ids=[row[0] for row in SETS]
)
def test_a_name_arrives_as_it_is(
    receiver: tuple[Receiver, int],
    character_set: str,
    declared: str,
    decode: Callable[[bytes], str],
    name: PersonName,
) -> None:
    if decode is euc_tw and shutil.which("iconv") is None:
        pytest.skip("no iconv here")
    peer, port = receiver

    exchange = mllp_client.send(Target(host="127.0.0.1", port=port), message(name, character_set))

    assert exchange.result is Result.DELIVERED
    text = decode(peer.frames[-1])
    read = hl7.parse(text)
    assert "".join(map(str, read.segment("MSH")[18:])) == declared
    writings = [name.alphabetic, name.ideographic, name.phonetic]
    told = [f"{group.family}^{group.given}" for group in writings if group]
    assert [str(repetition)[: len(expected)] for repetition, expected in zip(
        read.segment("PID")[5], told, strict=True
    )] == told  # fmt: skip


def pid_5(data: bytes, decode: str) -> str:
    return str(hl7.parse(data.decode(decode)).segment("PID")[5])


@pytest.mark.parametrize(
    ("character_set", "name", "place"),
    [
        ("ASCII", PersonName.of("Müller", "Jörg"), "U+00FC cannot be written in ASCII"),
        ("8859/1", JAPANESE, "U+5C71 cannot be written in 8859/1"),
        ("8859/1", PersonName.of("Dvořák"), "U+0159 cannot be written in 8859/1"),
    ],
)
def test_what_a_set_lacks_is_never_sent_as_something_else(
    character_set: str, name: PersonName, place: str
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        message(name, character_set)

    assert caught.value.message == place
    assert caught.value.path.startswith("PID-5")


@pytest.mark.parametrize(
    ("character_set", "decode", "name", "told"),
    [
        ("ASCII", "ascii", PersonName.of("Müller", "Jörg"), "Muller^Jorg^^^^^L"),
        ("8859/1", "latin-1", PersonName.of("Dvořák", "Jörg"), "Dvorák^Jörg^^^^^L"),
        ("8859/1", "latin-1", JAPANESE, "Yamada^Tarou^^^^^L^A"),
        ("8859/1", "latin-1",
         PersonName(ideographic=NameGroup("山田", "太郎"), phonetic=NameGroup("やまだ", "たろう")),
         "yamada^tarou^^^^^L^P"),
        ("8859/7", "iso8859-7", PersonName.of("Müller", "Άννα"), "Muller^Άννα^^^^^L"),
    ],
)  # fmt: skip
def test_a_peer_may_have_it_in_letters_it_has(
    character_set: str, decode: str, name: PersonName, told: str
) -> None:
    data = message(name, character_set, unencodable="transliterate")

    assert pid_5(data, decode) == told


def test_what_has_no_other_writing_is_held_even_so() -> None:
    name = PersonName(ideographic=NameGroup("山田", "太郎"))

    with pytest.raises(InvalidValueError, match=r"U\+5C71 cannot be written in ASCII"):
        message(name, "ASCII", unencodable="transliterate")
