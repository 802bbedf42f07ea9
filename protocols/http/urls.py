"""Addresses of the web, as a client needs them (RFC 9110 section 4.2, RFC 3986)."""
from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

# Whatever else may stand in a URL is percent-encoded for the request line; '%' itself is taken to be encoded already.
_AS_IT_IS = "!$%&'()*+,-./:;=?@[]_~"


class Url(NamedTuple):
    """Where to connect to, and what to ask there."""

    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """For the Host field: an IPv6 address in brackets, port 80 left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"http://{self.authority}{self.target}"


def parse_url(text: str) -> Url:
    """What `text` names; without a scheme http is meant.  Raises ValueError with a sentence for the user."""
    if any(ord(character) <= 32 or ord(character) == 127 for character in text):
        raise ValueError(f"an address has no spaces or control characters: {text!r}")
    if "://" not in text:
        text = "http://" + text
    parts = urlsplit(text)
    if parts.scheme == "https":
        raise ValueError(f"https is not spoken here, because it needs TLS: {text}")
    if parts.scheme != "http":
        raise ValueError(f"only http:// can be fetched: {text}")
    if "@" in parts.netloc:
        raise ValueError("a name and password do not belong into an address; use -H 'Authorization: ...'")
    host = _ascii_host(parts.hostname)
    port = 80 if parts.port is None else parts.port  # .port raises ValueError itself
    query = "?" + parts.query if parts.query else ""
    return Url(host, port, quote((parts.path or "/") + query, safe=_AS_IT_IS + "?"))


def join_url(base: Url, reference: str) -> Url:
    """What a Location field that came from `base` names; raises ValueError as parse_url() does."""
    return parse_url(urljoin(str(base), reference))


def _ascii_host(host: object) -> str:
    if not host:
        raise ValueError("an address needs a host, as in http://localhost:8080/")
    try:
        name = str(host) if str(host).isascii() else str(host).encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"not a host name: {host}") from None
    if quote(name, safe="!$&'()*+,;=:%-._~") != name:
        raise ValueError(f"not a host name: {host}")
    return name
