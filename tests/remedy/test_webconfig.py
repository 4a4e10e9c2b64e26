"""Prometheus' web configuration file: what is accepted, and what each wrong one is told."""

from pathlib import Path

import pytest

from remedy.config.problems import ConfigError
from remedy.web.ciphers import openssl_list, openssl_name
from remedy.web.webconfig import ClientAuth, TlsVersion, read_web_config
from tests.remedy.conftest import Certificates
from tests.wrong_files import cases, check

WRONG = Path(__file__).parent / "wrong" / "web"
HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"  # of exporter-toolkit's documentation


@pytest.mark.parametrize("file", cases(WRONG))
def test_a_wrong_file_is_refused_with_every_problem(file: Path) -> None:
    check(file, read_web_config)


def test_the_whole_format_is_read(tmp_path: Path, certificates: Certificates) -> None:
    (tmp_path / "tls").mkdir()
    for name in ("cert", "key", "ca"):
        (tmp_path / "tls" / f"{name}.pem").write_bytes(getattr(certificates, name).read_bytes())
    file = tmp_path / "web.yml"
    file.write_text(
        f"""
tls_server_config:
  cert_file: tls/cert.pem
  key_file: {tmp_path}/tls/key.pem
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: tls/ca.pem
  client_allowed_sans: [alertmanager.example]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: []
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: {HASH}
  ボブ: {HASH.replace("$2y$", "$2b$")}
"""
    )
    config = read_web_config(file)
    tls = config.tls_server_config
    assert tls is not None
    assert (tls.cert_file, tls.key_file) == (tmp_path / "tls/cert.pem", tmp_path / "tls/key.pem")
    assert (tls.client_ca_file, tls.client_auth_type) == (tmp_path / "tls/ca.pem", ClientAuth.REQUIRE)
    assert (tls.min_version, tls.max_version) == (TlsVersion.TLS12, TlsVersion.TLS13)
    assert openssl_list(tls.cipher_suites) == "ECDHE-RSA-AES128-GCM-SHA256"
    assert config.headers == {"X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=31536000"}
    assert set(config.basic_auth_users) == {"alice", "ボブ"}


@pytest.mark.parametrize(
    ("text", "authenticates"),
    [
        ("", False),
        ("{}", False),
        ("http_server_config: {http2: true}", False),
        ("tls_server_config: {cert_file: cert.pem, key_file: key.pem}", False),
        (
            (
                "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem, "
                "client_auth_type: VerifyClientCertIfGiven}"
            ),
            False,
        ),
        (
            (
                "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem, "
                "client_auth_type: RequireAndVerifyClientCert}"
            ),
            True,
        ),
        (f"basic_auth_users: {{alice: {HASH}}}", True),
    ],
)
def test_what_counts_as_authentication(
    tmp_path: Path, certificates: Certificates, text: str, authenticates: bool
) -> None:
    for name in ("cert", "key", "ca"):
        (tmp_path / f"{name}.pem").write_bytes(getattr(certificates, name).read_bytes())
    file = tmp_path / "web.yml"
    file.write_text(text)
    assert read_web_config(file).authenticates is authenticates


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        ("cert.pem", "tls_server_config.cert_file: certificate and key do not load: "),
        ("key.pem", "tls_server_config.cert_file: certificate and key do not load: "),
        ("ca.pem", "tls_server_config.client_ca_file: does not load: "),
    ],
)
def test_certificates_are_tried_when_they_are_read(
    tmp_path: Path, certificates: Certificates, break_it: str, message: str
) -> None:
    for name in ("cert", "key", "ca"):
        (tmp_path / f"{name}.pem").write_bytes(getattr(certificates, name).read_bytes())
    (tmp_path / break_it).write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    file = tmp_path / "web.yml"
    file.write_text(
        "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem, "
        "client_auth_type: RequireAndVerifyClientCert}"
    )
    with pytest.raises(ConfigError) as refused:
        read_web_config(file)
    assert [str(problem).startswith(f"{file}:1: {message}") for problem in refused.value.problems] == [True]


def test_another_key_is_told(tmp_path: Path, certificates: Certificates) -> None:
    file = tmp_path / "web.yml"
    other = certificates.issuer.issue_cert("localhost")
    other.private_key_pem.write_to_path(str(tmp_path / "other.pem"))
    file.write_text(f"tls_server_config: {{cert_file: {certificates.cert}, key_file: other.pem}}")
    with pytest.raises(ConfigError, match="certificate and key do not load: key values mismatch"):
        read_web_config(file)


def test_a_suite_that_is_unknown_is_suggested() -> None:
    with pytest.raises(ValueError, match="did you mean 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'"):
        openssl_name("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA265")
