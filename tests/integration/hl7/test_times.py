"""HL7 times: precision, zones, changes to and from summer time, refusals."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration.hl7 import times
from integration.hl7.times import Adjustment, Precision
from ris.domain.errors import InvalidValueError
from ris.domain.values import PartialDate

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


@pytest.mark.parametrize(
    ("text", "utc", "precision"),
    [
        ("2029", "2028-12-31T23:00:00+00:00", Precision.YEAR),
        ("202903", "2029-02-28T23:00:00+00:00", Precision.MONTH),
        ("20290310", "2029-03-09T23:00:00+00:00", Precision.DAY),
        ("2029031014", "2029-03-10T13:00:00+00:00", Precision.HOUR),
        ("202903101430", "2029-03-10T13:30:00+00:00", Precision.MINUTE),
        ("20290310143015", "2029-03-10T13:30:15+00:00", Precision.SECOND),
        ("20290310143015.5", "2029-03-10T13:30:15.500000+00:00", Precision.FRACTION),
        ("20290310143015.1234", "2029-03-10T13:30:15.123400+00:00", Precision.FRACTION),
        ("20290710143015", "2029-07-10T12:30:15+00:00", Precision.SECOND),
        ("20290710143015-0500", "2029-07-10T19:30:15+00:00", Precision.SECOND),
        ("202907101430+0530", "2029-07-10T09:00:00+00:00", Precision.MINUTE),
        ("20290710+0000", "2029-07-10T00:00:00+00:00", Precision.DAY),
        (" 20290310143015 ", "2029-03-10T13:30:15+00:00", Precision.SECOND),
    ],
)
def test_a_time_is_read_with_its_precision(text: str, utc: str, precision: Precision) -> None:
    stamp = times.read(text, BERLIN)

    assert stamp.utc.isoformat() == utc
    assert stamp.precision is precision
    assert stamp.adjustment is Adjustment.NONE
    assert stamp.has_offset == ("+" in text or "-" in text)
    assert stamp.text == text.strip()
    assert stamp.at.tzinfo is not None


@pytest.mark.parametrize(
    "text",
    [
        "", "tomorrow", "29", "20291301", "20290230", "2029031025", "202903101460",
        "20290310143060", "2029031014301", "20290310143015.", "20290310143015.1234567",
        "2029-03-10", "00000000",
        "20290310+9900", "20290310+1401", "20290310+0160", "20290310Z", "٢٠٢٩",
        "99991231235959-1200", "00010101000000+1400", '""',
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_its_path(text: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        times.read(text, BERLIN, path="OBR-7.1")

    assert refused.value.path == "OBR-7.1"


# --- summer time --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "zone", "utc", "adjustment"),
    [
        ("202903250130", BERLIN, "2029-03-25T00:30:00+00:00", Adjustment.NONE),
        ("202903250200", BERLIN, "2029-03-25T01:00:00+00:00", Adjustment.GAP),
        ("202903250230", BERLIN, "2029-03-25T01:30:00+00:00", Adjustment.GAP),
        ("202903250300", BERLIN, "2029-03-25T01:00:00+00:00", Adjustment.NONE),
        ("202910280159", BERLIN, "2029-10-27T23:59:00+00:00", Adjustment.NONE),
        ("202910280230", BERLIN, "2029-10-28T00:30:00+00:00", Adjustment.AMBIGUOUS),
        ("202910280300", BERLIN, "2029-10-28T02:00:00+00:00", Adjustment.NONE),
        ("202910280230+0100", BERLIN, "2029-10-28T01:30:00+00:00", Adjustment.NONE),
        ("202903110230", NEW_YORK, "2029-03-11T07:30:00+00:00", Adjustment.GAP),
        ("202911040130", NEW_YORK, "2029-11-04T05:30:00+00:00", Adjustment.AMBIGUOUS),
        ("202910070215", LORD_HOWE, "2029-10-06T15:45:00+00:00", Adjustment.GAP),
    ],
)
def test_hours_that_occur_twice_or_never_are_settled_and_flagged(
    text: str, zone: ZoneInfo, utc: str, adjustment: Adjustment
) -> None:
    stamp = times.read(text, zone)

    assert stamp.utc.isoformat() == utc
    assert stamp.adjustment is adjustment


def test_an_hour_in_the_gap_shows_the_time_after_it() -> None:
    stamp = times.read("202903250230", BERLIN)

    assert stamp.at.isoformat() == "2029-03-25T03:30:00+02:00"


def test_the_local_date_is_that_of_the_zone() -> None:
    assert times.read("202903102330", NEW_YORK).on == date(2029, 3, 10)


# --- the zone of a message ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent_at", "expected"),
    [
        (None, BERLIN),
        ("20290110120000", BERLIN),
        ("garbage", BERLIN),
        ("20290110120000+0100", BERLIN),
        ("20290710120000+0200", BERLIN),
        ("20290710120000+0100", timezone(timedelta(hours=1))),
        ("20290110120000-0500", timezone(timedelta(hours=-5))),
    ],
)
def test_an_offset_in_the_header_is_in_force_unless_the_zone_of_the_peer_is_meant(
    sent_at: str | None, expected: object
) -> None:
    assert times.message_zone(sent_at, BERLIN) == expected


def test_a_summer_date_in_a_winter_message_is_in_summer_time() -> None:
    zone = times.message_zone("20290110120000+0100", BERLIN)

    assert times.read("202907100900", zone).utc.isoformat() == "2029-07-10T07:00:00+00:00"


# --- writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        (Precision.FRACTION, "20290710143015.1234+0200"),
        (Precision.SECOND, "20290710143015+0200"),
        (Precision.MINUTE, "202907101430+0200"),
        (Precision.HOUR, "2029071014+0200"),
        (Precision.DAY, "20290710+0200"),
        (Precision.MONTH, "202907+0200"),
        (Precision.YEAR, "2029+0200"),
    ],
)
def test_a_time_is_written_in_the_zone_asked_for(precision: Precision, expected: str) -> None:
    at = datetime(2029, 7, 10, 12, 30, 15, 123456, UTC)

    assert times.write(at, BERLIN, precision=precision) == expected
    assert times.write(at, BERLIN, precision=precision, offset=False) == expected[:-5]


def test_offsets_west_of_greenwich_and_of_half_hours_are_written() -> None:
    at = datetime(2029, 7, 10, 12, 30, 15, tzinfo=UTC)

    assert times.write(at, ZoneInfo("America/St_Johns")) == "20290710100015-0230"
    assert times.write(at, UTC) == "20290710123015+0000"
    assert times.write(datetime(987, 1, 2, tzinfo=UTC), UTC) == "09870102000000+0000"


def test_a_time_without_zone_is_never_written() -> None:
    with pytest.raises(ValueError, match="without zone"):
        times.write(datetime(2029, 7, 10, 12, 30), BERLIN)  # noqa: DTZ001 - the point of the test


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 2),  # noqa: DTZ001 - the zone comes next
        max_value=datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, ZoneInfo("Asia/Kathmandu")]),
        allow_imaginary=False,
    )
)
def test_a_written_time_is_read_as_the_same_instant(at: datetime) -> None:
    at = at.replace(microsecond=0)
    if (at.utcoffset() or timedelta()).total_seconds() % 60:
        return  # before zones were whole minutes, HL7 cannot say the offset

    assert times.read(times.write(at, BERLIN), NEW_YORK).utc == at.astimezone(UTC)


# --- dates and zones ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970", "1970"),
        ("197005", "1970-05"),
        ("19700503", "1970-05-03"),
        ("197005032359", "1970-05-03"),
        ("19700503000000+0100", "1970-05-03"),
    ],
)
def test_a_birth_date_keeps_its_precision_and_knows_no_zone(text: str, expected: str) -> None:
    assert times.read_date(text).text == expected


@pytest.mark.parametrize("text", ["", "1970-05-03", "19700231", "3.5.1970"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        times.read_date(text, path="PID-7")

    assert refused.value.path == "PID-7"


def test_dates_are_written_as_precise_as_they_are() -> None:
    assert times.write_date(date(1970, 5, 3)) == "19700503"
    assert times.write_date(PartialDate.parse("1970-05")) == "197005"
    assert times.write_date(PartialDate("")) == ""


def test_a_zone_is_named_by_iana() -> None:
    assert times.zone("Europe/Berlin") == BERLIN
    for name in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(InvalidValueError):
            times.zone(name)
