"""Cipher suites: Go's names, as Prometheus' web configuration writes them, and OpenSSL's."""

from remedy.config.problems import did_you_mean

_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_TLS12 = {
    f"TLS_ECDHE_{key}_WITH_{go}": f"ECDHE-{key}-{openssl}"
    for key in ("RSA", "ECDSA")
    for go, openssl in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
        ("AES_128_CBC_SHA", "AES128-SHA"),
        ("AES_256_CBC_SHA", "AES256-SHA"),
    )
}


def openssl_name(go_name: str) -> str:
    """Return OpenSSL's name of a suite that Go calls secure; TLS 1.3's keep theirs.

    Raises:
        ValueError: there is no such suite.
    """
    if go_name in _TLS13:
        return go_name
    if go_name not in _TLS12:
        raise ValueError(f"unknown cipher suite '{go_name}'{did_you_mean(go_name, [*_TLS12, *_TLS13])}")
    return _TLS12[go_name]


def openssl_list(names: tuple[str, ...]) -> str:
    """Return what `SSLContext.set_ciphers` takes: TLS 1.2's alone, since 1.3's are not chosen by it."""
    return ":".join(name for name in names if name not in _TLS13)
