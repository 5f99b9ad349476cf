"""What a device is shown where its query does not say itself: views, windows, states, sharers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from pydicom.dataset import Dataset

from ris.config_sections import Dicom
from ris.domain.orders import StepStatus
from ris.selectors.facility import DeviceView
from ris.selectors.views import TextMatch, WorklistQuery
from tests.worklist.entries import SYNTAXES, encoded, identifier
from worklist.matching import to_request
from worklist.offering import offered, with_sharers
from worklist.registry import Snapshot, configured, window
from worklist.rules import View

VIENNA = ZoneInfo("Europe/Vienna")
NOW = datetime(2026, 7, 6, 12, 0, tzinfo=UTC)
OFFERED = frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY})


def device(ae_title: str, site: str = "", **settings: Any) -> DeviceView:
    return DeviceView(
        public_id="", ae_title=ae_title, station_name="", modality=ae_title[:2], room="",
        address="", character_sets=(), settings=settings, active=True, site=site,
    )  # fmt: skip


def shown(
    query: Dataset, *devices: DeviceView, called: str = "RIS", calling: str = "CT1", **site: Any
) -> WorklistQuery | None:
    """What CT1 is shown for ``query``."""
    snapshot = Snapshot.of(devices or (device("CT1"),), VIENNA, **site)
    profile = snapshot.profile(calling)
    asked = to_request(encoded(query), SYNTAXES["explicit"], zone=VIENNA, rules=profile.rules)
    return offered(asked, profile, snapshot, called, NOW)


def wanted(**conditions: Any) -> WorklistQuery:
    return WorklistQuery(**{"statuses": OFFERED, **conditions})


# --- states (MWL-34)


def test_what_waits_is_shown() -> None:
    assert shown(identifier(PatientID="P1")) == wanted(patient_id=TextMatch(pattern="P1"))


@pytest.mark.parametrize(
    ("settings", "statuses"),
    [
        ({"offers": ["ARRIVED"]}, {StepStatus.ARRIVED}),
        ({"offers": ["SCHEDULED", "STARTED"]}, {StepStatus.SCHEDULED, StepStatus.STARTED}),
        ({"offers": ["DEPARTED"]}, {StepStatus.COMPLETED, StepStatus.DISCONTINUED}),
        ({"offer_started": True}, OFFERED | {StepStatus.STARTED}),
        ({"offers": ["ARRIVED"], "offer_started": True}, {StepStatus.ARRIVED, StepStatus.STARTED}),
    ],
)
def test_a_device_may_be_shown_other_states(settings: Any, statuses: set[StepStatus]) -> None:
    assert shown(identifier(), device("CT1", **settings)) == wanted(statuses=frozenset(statuses))


def test_a_status_key_overrides_what_is_shown() -> None:
    query = identifier(step={"ScheduledProcedureStepStatus": "STARTED"})

    assert shown(query, device("CT1", offers=["ARRIVED"])) == wanted(
        statuses=frozenset({StepStatus.STARTED})
    )


# --- the window (MWL-30)

WINDOW = {"start_from": datetime(2026, 7, 4, 22, 0, tzinfo=UTC),
          "start_before": datetime(2026, 7, 13, 22, 0, tzinfo=UTC)}  # fmt: skip


@pytest.mark.parametrize(
    ("query", "is_limited"),
    [
        (identifier(), True),
        (identifier(step={"Modality": "CT", "ScheduledStationAETitle": "CT1"}), True),
        (identifier(PatientSex="F", step={"ScheduledProcedureStepStartTime": "0800-1200"}), True),
        (identifier(step={"ScheduledProcedureStepStartDate": "20200101-"}), False),
        (identifier(step={"ScheduledProcedureStepStartDate": "-20200101"}), False),
        (identifier(step={"ScheduledProcedureStepStartDate": "00010101-99991231"}), False),
        (identifier(step={"ScheduledProcedureStepStartDate": "*"}), True),
        (identifier(PatientName="D*"), False),
        (identifier(PatientID="P1"), False),
        (identifier(AccessionNumber="A1"), False),
        (identifier(RequestedProcedureID="P1"), False),
        (identifier(StudyInstanceUID="1.2"), False),
        (identifier(AdmissionID="V1"), False),
        (identifier(PlacerOrderNumberImagingServiceRequest="PL1"), False),
        (identifier(step={"ScheduledProcedureStepID": "S1"}), False),
    ],
)
def test_a_query_without_a_day_or_a_patient_gets_a_window(query: Dataset, is_limited: bool) -> None:
    found = shown(query, window=window((1, 7)))

    assert found is not None
    limits = {"start_from": found.start_from, "start_before": found.start_before}
    assert (limits == WINDOW) is is_limited


def test_the_window_of_a_device_goes_before_that_of_the_site() -> None:
    own = shown(identifier(), device("CT1", window_days=[0, 0]), window=window((1, 7)))
    none = shown(identifier(), device("CT1", window_days=[]), window=window((1, 7)))

    assert own == wanted(
        start_from=datetime(2026, 7, 5, 22, 0, tzinfo=UTC),
        start_before=datetime(2026, 7, 6, 22, 0, tzinfo=UTC),
    )
    assert none == wanted()


def test_a_device_that_is_not_registered_gets_the_window_of_the_site() -> None:
    assert shown(identifier(), calling="OTHER", window=window((1, 7))) == wanted(**WINDOW)


def test_the_window_counts_days_of_the_site_over_a_change_of_clocks() -> None:
    snapshot = Snapshot.of((device("CT1"),), VIENNA, window=window((1, 1)))
    asked = to_request(encoded(identifier()), SYNTAXES["explicit"], zone=VIENNA)

    found = offered(
        asked, snapshot.profile("CT1"), snapshot, "RIS", datetime(2026, 3, 29, 12, tzinfo=UTC)
    )

    assert found is not None
    assert found.start_from == datetime(2026, 3, 27, 23, 0, tzinfo=UTC)
    assert found.start_before == datetime(2026, 3, 30, 22, 0, tzinfo=UTC)


# --- views (MWL-35)


def test_a_device_sees_its_stations_and_modalities_whatever_it_asks_for() -> None:
    viewer = device("CT1", stations=["CT*"], modalities=["CT"])
    query = identifier(step={"ScheduledStationAETitle": "MR1"})

    assert shown(query, viewer) == wanted(
        station_ae_titles=("MR1",), view_stations=(("CT*",),), view_modalities=(("CT",),)
    )


def test_a_site_is_the_stations_in_its_rooms() -> None:
    devices = (
        device("CT1", "North", sites=["North"]), device("MR1", "North"), device("CT2", "South"),
    )  # fmt: skip

    assert shown(identifier(), *devices) == wanted(view_stations=(("CT1", "MR1"),))


def test_a_site_without_stations_shows_nothing() -> None:
    found = shown(identifier(), device("CT1", sites=["Nowhere"]))

    assert found == wanted(view_stations=(("\\",),))


def test_the_called_title_and_the_device_may_each_name_a_worklist() -> None:
    lists = {"CTLIST": View(modalities=("CT",)), "ER": View(stations=("CT9", "DX9"))}

    found = shown(identifier(), device("CT1", worklist="ER"), called="CTLIST ", worklists=lists)

    assert found == wanted(view_stations=(("CT9", "DX9"),), view_modalities=(("CT",),))


def test_the_settings_name_worklists_and_the_window() -> None:
    dicom = Dicom.model_validate(
        {"window_days": "0, 2", "worklists": {"ERLIST": {"stations": ["CT9"], "sites": "North"}}}
    )

    registry = configured(dicom)

    assert registry.window == (timedelta(0), timedelta(days=3))
    assert registry.worklists == {"ERLIST": View(stations=("CT9",), sites=("North",))}
    assert configured(Dicom(window_days=())).window is None


@pytest.mark.parametrize(
    "said",
    [{"window_days": (1,)}, {"window_days": (-1, 7)}, {"worklists": {"A" * 17: {}}},
     {"worklists": {"ER": {"rooms": ["1"]}}}],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Dicom.model_validate(said)


def test_a_worklist_that_is_not_there_narrows_nothing() -> None:
    assert shown(identifier(), device("CT1", worklist="GONE")) == wanted()


def test_a_device_may_ask_for_its_own_by_asking_for_no_station() -> None:
    own = device("CT1", own_station=True)

    assert shown(identifier(), own) == wanted(station_ae_titles=("CT1",))
    assert shown(identifier(step={"ScheduledStationAETitle": "CT2"}), own) == wanted(
        station_ae_titles=("CT2",)
    )


# --- several stations for a step (MWL-32)

SHARING = (device("CT1", shares_list_with=["CT2"]), device("CT2"), device("MR1"))


@pytest.mark.parametrize(
    ("title", "titles"),
    [("CT1", ("CT1", "CT2")), ("CT2", ("CT2", "CT1")), ("MR1", ("MR1",)),
     ("CT*", ("CT*", "CT1", "CT2")), ("ct1", ("ct1",))],
)  # fmt: skip
def test_stations_with_one_list_find_each_others_steps(title: str, titles: tuple[str, ...]) -> None:
    query = identifier(step={"ScheduledStationAETitle": title})

    assert shown(query, *SHARING) == wanted(station_ae_titles=titles)


def test_a_former_title_finds_the_steps_of_its_device_and_is_served_like_it() -> None:
    renamed = device("CT1", aliases=["OLDCT"], offers=["ARRIVED"])
    query = identifier(step={"ScheduledStationAETitle": "OLDCT"})

    assert shown(query, renamed, calling="OLDCT") == wanted(
        station_ae_titles=("OLDCT", "CT1"), statuses=frozenset({StepStatus.ARRIVED})
    )


def test_a_title_that_is_registered_is_nobodys_alias() -> None:
    devices = (device("CT2", offers=["READY"]), device("CT1", aliases=["CT2"]))

    assert Snapshot.of(devices, VIENNA).profile("CT2").ae_title == "CT2"


def test_a_view_of_a_station_is_one_of_its_sharers_too() -> None:
    viewer = device("WS1", stations=["CT1"])

    assert shown(identifier(), viewer, *SHARING, calling="WS1") == wanted(
        view_stations=(("CT1", "CT2"),)
    )


def test_sharers_are_named_once() -> None:
    assert with_sharers(("CT1", "CT2"), (("CT1", "CT2"),)) == ("CT1", "CT2")


def test_what_can_match_nothing_is_not_asked() -> None:
    assert shown(identifier(RequestedProcedurePriority="NEVER")) is None


def test_a_window_ends_with_its_last_day() -> None:
    assert window([1, 7]) == (timedelta(days=1), timedelta(days=8))
    assert window([]) is None
