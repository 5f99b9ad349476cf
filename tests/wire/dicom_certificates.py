"""Certificates for the tests of the DICOM listener: an authority, whom it vouches for, and not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


class Authority:
    """Writes ``authority.pem``, and on demand ``NAME.pem``, ``NAME.key`` and a revocation list."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(f"Test Authority {folder.name}")
        self._issued: dict[str, x509.Certificate] = {}
        self._write("authority", self._key, self._sign(self._name, self._key, [], days=400))

    def certify(self, name: str, *, days: float = 90, file: str = "") -> None:
        """A certificate for ``name``, in the place of an earlier one."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [
            x509.DNSName(f"{name}.hospital.example"), x509.IPAddress(ip_address("127.0.0.1"))
        ]  # fmt: skip
        certificate = self._sign(_named(name), key, names, days=days)
        self._issued[name] = certificate
        self._write(file or name, key, certificate)

    def revoke(self, *names: str, days: float = 30) -> Path:
        """The authority's revocation list, with these certificates on it."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - timedelta(days=2))
            .next_update(now + timedelta(days=days))
        )
        for name in names:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(self._issued[name].serial_number)
                .revocation_date(now - timedelta(days=1))
                .build()
            )
        path = self.folder / "revoked.pem"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM))
        return path

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: Sequence[x509.GeneralName],
        *,
        days: float,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=3))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(not names, None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(
        self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> None:
        # The key first: with the certificate, which a listener looks at too, the pair is whole.
        (self.folder / f"{name}.key").write_bytes(
            key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        (self.folder / f"{name}.pem").write_bytes(certificate.public_bytes(_PEM))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
