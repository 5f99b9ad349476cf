"""The files of TLS, looked at before a restart needs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ris import config, probes
from tests.running import clean_environment, ris
from tests.wire.mllp_certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def found(monkeypatch: pytest.MonkeyPatch, **settings: Path) -> list[tuple[str, str]]:
    for name, path in settings.items():
        monkeypatch.setenv(f"RIS_{name}", str(path))
        monkeypatch.setenv(f"RIS_{name.partition('__')[0]}__TLS_PORT", "2762")
    return [(str(one.state), one.text) for one in probes.certificates(config.Configuration())]


def test_a_key_of_another_certificate_is_found_before_the_restart(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, _ = authority.certify("ris", days=90)
    _, key = authority.certify("other", days=90)

    told = found(monkeypatch, MLLP__TLS_CERT=certificate, MLLP__TLS_KEY=key)

    assert told == [("failed", f"mllp.tls_cert: {key}: the key of another certificate")]


def test_an_authority_that_ends_is_told_as_a_certificate_is(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = authority.certify("ris", days=-1)

    told = found(
        monkeypatch,
        DICOM__TLS_CERT=certificate,
        DICOM__TLS_KEY=key,
        DICOM__TLS_CA=authority.pem,
    )

    assert [(state, text.rpartition(" ended ")[0]) for state, text in told[:1]] == [
        ("failed", "dicom.tls_cert")
    ]
    assert told[1][1].startswith("dicom.tls_ca ends in 0 days")


@pytest.mark.parametrize("part", ["web", "dicom", "mllp"])
def test_a_part_that_cannot_use_its_certificate_names_the_file(
    part: str, authority: Authority, tmp_path: Path
) -> None:
    certificate, _ = authority.certify("ris")
    prefix = {"web": "HTTP", "dicom": "DICOM", "mllp": "MLLP"}[part]
    environment = clean_environment(
        tmp_path / "var",
        **{
            f"RIS_{prefix}__TLS_CERT": str(certificate),
            f"RIS_{prefix}__TLS_KEY": str(tmp_path / "missing.key"),
            **({} if part == "web" else {f"RIS_{prefix}__TLS_PORT": "1"}),
        },
    )

    done = ris("run", part, environment=environment)

    assert done.returncode == 1
    assert f"ris: No such file or directory: {tmp_path / 'missing.key'}\n" in done.stderr
