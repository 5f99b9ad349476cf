"""The site configuration as a file: read strictly, compared, applied, put back."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Any

import pytest

from ris import configure
from ris.domain.configuration import (
    ApplyConfiguration,
    RollBackConfiguration,
    normal,
    plan,
)
from ris.domain.configuration_file import TABLE, parse, render
from ris.domain.errors import DeniedError, InvalidValueError, RisError, StateConflictError
from ris.domain.facility import RegisterDevice
from ris.domain.opening_hours import format_hours, parse_hours
from ris.models import (
    AuditEvent,
    ConfigurationVersion,
    Device,
    DomainEvent,
    Endpoint,
    ProcedureDefinition,
    ResourceHours,
    User,
)
from ris.selectors import configuration
from ris.services import execute
from tests import people

pytestmark = pytest.mark.django_db

SITE = """\
[[room]]
name = "CT 2"
hours = ["Mon-Fri 07:00-19:00", "Sat 08:00-12:00"]

[[device]]
ae_title = "CT2"
station_name = "CT 2"
modality = "CT"
room = "CT 2"
address = "127.0.0.1"
character_sets = ["ISO_IR 192"]

[[procedure]]
code = "CTHEAD"
scheme = "LOCAL"
name = "CT head"
modality = "CT"
duration_minutes = 15

[[procedure.steps]]
modality = "CT"
description = "Head"

[[endpoint]]
name = "EHR"
protocol = "hl7"
direction = "out"
host = "127.0.0.1"
port = 2576
version = "2.5.1"
sends = ["order-status", "results"]

[[user]]
username = "mvoss"
roles = ["technologist"]
first_name = "Maren"
last_name = "Voss"
"""


def apply(content: str, **overrides: Any) -> Any:
    return execute(ApplyConfiguration(content=content, **overrides), actor=people.admin)


def refused(content: str) -> InvalidValueError:
    with pytest.raises(InvalidValueError) as caught:
        parse(content)
    return caught.value


# --- reading


@pytest.mark.django_db(databases=[])
@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ('[[device]]\nae_title = "CT2\n', "line 2", "Illegal character"),
        ('[[devise]]\nae_title = "CT2"\n', "line 1", "no such table: devise; did you mean device?"),
        ('[device]\nae_title = "CT2"\n', "line 1", "write each device as [[device]]"),
        (
            SITE.replace('station_name = "CT 2"', 'station_nane = "CT 2"'),
            "line 7",
            "device: no such name: station_nane; did you mean station_name?",
        ),
        (SITE.replace("port = 2576", 'port = "2576"'), "line 29", "endpoint: port is a whole nu"),
        (SITE.replace("port = 2576", "port = true"), "line 29", "endpoint: port is a whole number"),
        (
            SITE.replace('"results"', '"result"'),
            "line 31",
            "endpoint: sends is one of order-status",
        ),
        (SITE.replace('"technologist"', '"system"'), "line 35", "user: roles is one of scheduler"),
        (SITE.replace('modality = "CT"\nroom', "room"), "line 5", "device: modality is missing"),
        (SITE.replace("Sat 08:00", "Sat 8"), "line 3", "room: hours are written like"),
        (
            SITE.replace('description = "Head"', 'minutes = "Head"'),
            "line 22",
            "step: no such name: minutes",
        ),
        (
            SITE + '\n[[user]]\nusername = "b"\nroles = ["admin"]\npassword = "x"\n',
            "line 42",
            "user: no such name: password; passwords do not belong in a file",
        ),
        (
            SITE + '\n[[room]]\nname = "CT 2"\n',
            "line 39",
            "room CT 2 is there twice",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_line(content: str, line: str, message: str) -> None:
    error = refused(content)

    assert error.path == line
    assert error.message.startswith(message)


@pytest.mark.django_db(databases=[])
def test_hours_are_read_and_written_by_the_same_rule() -> None:
    rows = [row for text in ("Sat 08:00-12:00", "Mon-Fri 07:00-19:00") for row in parse_hours(text)]

    assert rows[0] == (5, time(8), time(12))
    assert len(rows) == 6
    assert format_hours(rows) == ["Mon-Fri 07:00-19:00", "Sat 08:00-12:00"]


@pytest.mark.django_db(databases=[])
@pytest.mark.parametrize("text", ["Fri-Mon 07:00-19:00", "Mon 25:00-26:00", "Mon 19:00-07:00", ""])
def test_hours_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        parse_hours(text)


@pytest.mark.django_db(databases=[])
def test_what_is_written_reads_the_same() -> None:
    tables = parse(SITE)
    tables["endpoint"][0]["settings"] = {
        "a key": 'quoted " text\n',
        "limit": 3,
        "list": ["Ä", "山"],
    }

    again = parse(render(tables))

    assert not plan(again, {name: [*map(_full(name), rows)] for name, rows in tables.items()})


def _full(name: str) -> Any:
    return lambda record: TABLE[name].complete(normal(TABLE[name], record))


# --- applying


def test_a_file_makes_what_it_names() -> None:
    found = apply(SITE)

    assert [change.title for change in found.changes] == [
        "room CT 2",
        "device CT2",
        "procedure LOCAL CTHEAD",
        "endpoint hl7 out EHR",
        "user mvoss",
    ]
    device = Device.objects.get(ae_title="CT2")
    assert device.room is not None
    assert (device.room.name, device.character_sets) == ("CT 2", ["ISO_IR 192"])
    assert ResourceHours.objects.filter(resource=device.room.resource).count() == 6
    definition = ProcedureDefinition.objects.get(code="CTHEAD")
    assert [step.description for step in definition.steps.all()] == ["Head"]
    endpoint = Endpoint.objects.get(name="EHR")
    assert (endpoint.port, endpoint.sends) == (2576, ["order-status", "results"])
    user = User.objects.get(username="mvoss")
    assert not user.has_usable_password()
    assert [group.name for group in user.groups.all()] == ["technologist"]


def test_each_change_is_a_command_with_its_audit_and_one_event_tells_of_the_file() -> None:
    apply(SITE)

    actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == [
        "RegisterRoom",
        "SetResourceHours",
        "RegisterDevice",
        "DefineProcedure",
        "ConfigureEndpoint",
        "CreateUser",
        "ApplyConfiguration",
    ]
    assert AuditEvent.objects.values("correlation").distinct().count() == 1
    event = DomainEvent.objects.get(name="ConfigurationApplied")
    assert event.payload["changed"][1] == "device CT2"


def test_the_same_file_again_changes_nothing() -> None:
    apply(SITE)
    events = DomainEvent.objects.count()

    found = apply(SITE)

    assert (len(found.changes), found.same) == (0, 5)
    assert DomainEvent.objects.count() == events
    assert ConfigurationVersion.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "changed"),
    [
        ('[[device]]\nae_title = "CT2"\nactive = false\n', ("active",)),
        ('[[device]]\nae_title = "CT2"\nsettings = { aliases = ["OLDCT"] }\n', ("settings",)),
        (
            '[[procedure]]\ncode = "CTHEAD"\nscheme = "LOCAL"\nduration_minutes = 20\n',
            ("duration_minutes",),
        ),
        ('[[user]]\nusername = "mvoss"\nactive = false\n', ("active",)),
    ],
)
def test_a_record_that_is_stored_says_what_changes_and_no_more(
    content: str, changed: tuple[str, ...]
) -> None:
    apply(SITE)

    (change,) = apply(content).changes

    assert change.before is not None
    assert change.names == changed
    assert Device.objects.get().modality == "CT"
    assert ProcedureDefinition.objects.get().meaning == "CT head"


def test_a_record_that_is_not_stored_needs_what_every_one_has() -> None:
    with pytest.raises(InvalidValueError, match=r"^device: modality is missing$") as caught:
        apply('[[device]]\nae_title = "CT9"\nactive = true\n')

    assert caught.value.path == "line 1"


def test_a_name_that_is_not_mentioned_stays() -> None:
    apply(SITE)

    found = apply('[[endpoint]]\nname="EHR"\nprotocol="hl7"\ndirection="out"\nport=2600\n')

    assert found.changes[0].lines() == ["endpoint hl7 out EHR: changed", "  port: 2576 → 2600"]
    endpoint = Endpoint.objects.get(name="EHR")
    assert (endpoint.host, endpoint.port, endpoint.version) == ("127.0.0.1", 2600, "2.5.1")
    assert Device.objects.filter(ae_title="CT2", active=True).exists()


def test_a_file_with_one_wrong_record_changes_nothing() -> None:
    with pytest.raises(
        InvalidValueError, match="device CT3: the address is an IP address"
    ) as error:
        apply(SITE + '[[device]]\nae_title="CT3"\nmodality="CT"\naddress="somewhere"\n')

    assert error.value.path == "address"
    assert not Device.objects.exists()
    assert not ConfigurationVersion.objects.exists()
    assert not DomainEvent.objects.exists()


def test_a_plan_shown_for_another_configuration_is_not_applied() -> None:
    expected = configuration.digest(configuration.stored())
    execute(RegisterDevice(ae_title="MR9", modality="MR"), actor=people.admin)

    with pytest.raises(StateConflictError, match="meanwhile"):
        apply(SITE, expected=expected)

    assert not Endpoint.objects.exists()


def test_only_an_administrator_applies_a_file() -> None:
    with pytest.raises(DeniedError):
        execute(ApplyConfiguration(content=SITE), actor=people.scheduler)

    assert not Device.objects.exists()


def test_names_of_a_known_login_stay_and_are_noted() -> None:
    apply(SITE)

    found = apply(SITE.replace('first_name = "Maren"', 'first_name = "Marie"'))

    assert not found
    assert found.notes == ("user mvoss: first_name of an existing login stays as it is",)


def test_roles_of_a_known_login_are_set() -> None:
    apply(SITE)

    apply(SITE.replace('["technologist"]', '["technologist", "admin"]'))

    user = User.objects.get(username="mvoss")
    assert sorted(group.name for group in user.groups.all()) == ["admin", "technologist"]


# --- going back


def test_a_rollback_puts_back_what_was_and_ends_what_was_new() -> None:
    apply(SITE)
    apply(
        SITE.replace("port = 2576", "port = 2600").replace('address = "127.0.0.1"', 'address = ""')
        + '[[device]]\nae_title = "CT3"\nmodality = "CT"\n'
        + '[[user]]\nusername = "b"\nroles = ["scheduler"]\n'
    )

    found = execute(RollBackConfiguration(), actor=people.admin)

    assert [change.title for change in found.changes] == [
        "device CT2",
        "device CT3",
        "endpoint hl7 out EHR",
        "user b",
    ]
    assert Endpoint.objects.get(name="EHR").port == 2576
    assert Device.objects.get(ae_title="CT2").address == "127.0.0.1"
    assert not Device.objects.get(ae_title="CT3").active
    assert not User.objects.get(username="b").is_active


def test_a_rollback_retires_a_procedure_that_was_new() -> None:
    apply(SITE)

    execute(RollBackConfiguration(), actor=people.admin)

    assert not ProcedureDefinition.objects.get(code="CTHEAD").active
    assert not Endpoint.objects.get(name="EHR").active


def test_a_second_rollback_undoes_the_first() -> None:
    apply('[[device]]\nae_title = "CT2"\nmodality = "CT"\n')
    apply('[[device]]\nae_title = "CT2"\nmodality = "CT"\naddress = "10.1.0.0/16"\n')

    execute(RollBackConfiguration(), actor=people.admin)
    before = Device.objects.get(ae_title="CT2").address
    execute(RollBackConfiguration(), actor=people.admin)

    assert (before, Device.objects.get(ae_title="CT2").address) == ("", "10.1.0.0/16")


# --- the command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE, encoding="utf-8")
    return path


def test_a_dry_run_shows_and_writes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = configure.main([str(file), "--dry-run"])

    assert code == 0
    shown = capsys.readouterr().out
    assert 'device CT2: new\n  ae_title = "CT2"\n' in shown
    assert shown.endswith("5 new, 0 changed, 0 as stored\n")
    assert not Device.objects.exists()


def test_without_a_terminal_nothing_is_applied_unless_told(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = configure.main([str(file)])
    made = Device.objects.count()
    second = configure.main([str(file), "--yes"])

    assert (first, made, second) == (1, 0, 0)
    assert Device.objects.count() == 1


def test_a_mistake_is_one_line_with_file_and_line(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("[[device]]\nae_titel = 'CT2'\n", encoding="utf-8")

    code = configure.main([str(file), "--yes"])

    assert code == 1
    assert capsys.readouterr().err == (
        f"ris: {file} line 2: device: no such name: ae_titel; did you mean ae_title?\n"
    )


def test_the_export_is_a_file_that_changes_nothing(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure.main([str(file), "--yes"])
    capsys.readouterr()
    configure.main(["--export"])
    file.write_text(capsys.readouterr().out, encoding="utf-8")

    code = configure.main([str(file), "--dry-run"])

    assert code == 0
    assert capsys.readouterr().out == "0 new, 0 changed, 5 as stored\n"


def test_rollback_without_a_version_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert configure.main(["--rollback", "--yes"]) == 1
    assert "nothing to go back to" in capsys.readouterr().err


def test_the_starter_catalog_is_a_site_file() -> None:
    root = Path(__file__).resolve().parents[2]

    for path in sorted((root / "fixtures" / "catalog").glob("*.toml")):
        apply(path.read_text(encoding="utf-8"))

    assert ProcedureDefinition.objects.count() >= 60
    assert set(ProcedureDefinition.objects.values_list("modality", flat=True)) == {
        "CT", "MR", "US", "DX", "MG", "NM",
    }  # fmt: skip


# --- an endpoint that MPPS is forwarded to

FORWARD = """\
[[endpoint]]
name = "PACS"
protocol = "dicom"
direction = "out"
protocol_name = "PACS"
host = "127.0.0.1"
port = 11113
sends = ["mpps-events", "mpps"]
settings = { modalities = ["CT"], events = ["completed"] }
"""


def test_mpps_forwarding_is_configured_by_the_file(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(FORWARD)

    code = configure.main([str(file), "--yes"])

    row = Endpoint.objects.get(name="PACS")
    assert code == 0
    assert (row.protocol, row.protocol_name, row.port) == ("dicom", "PACS", 11113)
    assert row.sends == ["mpps", "mpps-events"]
    assert row.settings == {"modalities": ["CT"], "events": ["completed"]}


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("modalities =", "modality =", "has no setting modality; did you mean modalities?"),
        ('protocol_name = "PACS"', "", "a DICOM endpoint needs its AE title"),
        ('"mpps"]', '"results"]', "results is not sent over dicom"),
        ('["CT"]', '["ct"]', "ct is no modality, such as CT"),
    ],
)
def test_a_fault_in_forwarding_is_named_with_its_endpoint(
    line: str, instead: str, message: str
) -> None:
    with pytest.raises(RisError) as refused:
        apply(FORWARD.replace(line, instead))

    assert refused.value.message.startswith("endpoint dicom out PACS: ")
    assert message in refused.value.message
    assert not Endpoint.objects.exists()


def test_a_site_by_another_clock_is_told_after_it_is_applied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[[site]]\nname = "East"\ntime_zone = "Asia/Tokyo"\n')

    code = configure.main([str(file), "--yes"])

    assert code == 0
    assert "the site East is in the time zone Asia/Tokyo" in capsys.readouterr().err
