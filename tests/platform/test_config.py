"""Configuration: what is read from where, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ris import config


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RIS_DATA_DIR", "RIS_CONFIG_FILE", "RIS_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def load() -> config.Configuration:
    return config.load.__wrapped__()


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    settings = load()

    assert settings.public_url == "http://127.0.0.1:8000"
    assert (settings.dicom.host, settings.dicom.port) == ("127.0.0.1", 11112)
    assert (settings.dicom.ae_title, settings.dicom.unknown_ae) == ("RIS", "refuse")
    assert (settings.mllp.host, settings.mllp.port) == ("127.0.0.1", 2575)
    assert settings.mllp.unknown_senders == "refuse"
    assert settings.home == tmp_path / "var"
    assert settings.database_is_sqlite
    assert settings.broker_is_embedded
    assert settings.time_zone == "UTC"


def test_environment_wins_over_the_file_and_secrets_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ris.toml").write_text(
        'time_zone = "Europe/Vienna"\n[dicom]\nport = 104\nae_title = "FILE"\n[mllp]\nport = 6000\n'
    )
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "RIS_MLLP__PORT").write_text("6002\n")
    monkeypatch.setenv("RIS_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("RIS_DICOM__PORT", "11113")
    monkeypatch.setenv("RIS_MLLP__PORT", "6001")

    settings = load()

    assert settings.time_zone == "Europe/Vienna"
    assert settings.dicom.ae_title == "FILE"
    assert settings.dicom.port == 11113
    assert settings.mllp.port == 6002
    assert config.origins() == {
        ("time_zone",): "ris.toml",
        ("dicom", "ae_title"): "ris.toml",
        ("dicom", "port"): "environment",
        ("mllp", "port"): "secrets folder",
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "RIS_DICOM__AE_TITLE",
            "ABCDEFGHIJKLMNOPQ",
            "RIS_DICOM__AE_TITLE: must be 1 to 16 characters",
        ),
        ("RIS_DICOM__PRT", "1", "RIS_DICOM__PRT: no such setting in the section [dicom]"),
        ("RIS_DATABSE_URL", "x", "RIS_DATABSE_URL: no such setting"),
        (
            "RIS_TIME_ZONE",
            "Europe/Wien",
            "RIS_TIME_ZONE: is no IANA time zone such as Europe/Vienna",
        ),
        (
            "RIS_DATABASE_URL",
            "mysql://h/x",
            "RIS_DATABASE_URL: must begin with postgresql://, postgres://, sqlite://",
        ),
        (
            "RIS_BROKER_URL",
            "kafka://h",
            "RIS_BROKER_URL: must begin with redis://, rediss://, amqp://, amqps://",
        ),
        ("RIS_MLLP__TLS_PORT", "2762", "RIS_MLLP: tls_port needs tls_cert and tls_key"),
        (
            "RIS_HTTP__PORT",
            "70000",
            "RIS_HTTP__PORT: Input should be less than or equal to 65535",
        ),
        ("RIS_SECRETS_DIR", "/nowhere", "RIS_SECRETS_DIR: /nowhere is not a folder"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(config.ConfigurationError) as error:
        load()

    assert str(error.value) == message


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ris.toml").write_text("[dicom]\nprot = 104\n")

    with pytest.raises(config.ConfigurationError, match=r"RIS_DICOM__PROT: no such setting"):
        load()


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ris.toml").write_text("[dicom\n")

    with pytest.raises(config.ConfigurationError, match=r"^ris\.toml: "):
        load()


def test_secrets_are_masked_where_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIS_DATABASE_URL", "postgresql://ris:geheim@db.example:5433/ris?x=geheim")
    monkeypatch.setenv("RIS_SECRET_KEY", "very-secret")

    settings = load()

    assert config.masked(settings.database_url) == "postgresql://ris:********@db.example:5433/ris"
    assert config.masked(settings.secret_key) == "********"
    assert "geheim" not in repr(settings)
