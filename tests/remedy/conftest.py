"""A certificate authority of the tests' own, and a server's and two clients' certificates from it."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme


@dataclass(frozen=True)
class Certificates:
    """Files in PEM."""

    ca: Path
    cert: Path
    key: Path
    client: Path
    """`alertmanager.example`: certificate and key in one file."""
    other_client: Path
    """`stranger.example`, from the same authority."""
    issuer: trustme.CA


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(folder / "ca.pem"))
    server = issuer.issue_cert("localhost", "127.0.0.1")
    server.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    server.private_key_pem.write_to_path(str(folder / "key.pem"))
    for name in ("alertmanager", "stranger"):
        leaf = issuer.issue_cert(f"{name}.example")
        leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / f"{name}.pem"))
    return Certificates(
        folder / "ca.pem",
        folder / "cert.pem",
        folder / "key.pem",
        folder / "alertmanager.pem",
        folder / "stranger.pem",
        issuer,
    )
