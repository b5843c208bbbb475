"""Lists of files: a URL or an S3 key on each line, with digests where there are some, or as aria2 reads them (pure).

A line names one file: its address, further addresses of the same bytes (aria2 separates them by tabs), digests before or after it
(``sha256:…``, or bare as ``sha256sum`` prints them). An indented line is an option of the file above it, as aria2 has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from skyhaul.discreet import without_secrets
from skyhaul.errors import UnsafeName
from skyhaul.model import Checksum, Product
from skyhaul.transfer.layout import LISTED, collisions, safe_path
from skyhaul.vocabulary import retired

PROVIDER = LISTED
"""What the archive of such products is called."""

ALGORITHMS = {
    "md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512", "sha3256": "SHA3-256", "sha3512": "SHA3-512",
    "blake3": "BLAKE3",
}  # fmt: skip
"""Digests that can be computed, by their names without dashes."""

_DIGITS = {"MD5": 32, "SHA-1": 40, "SHA-256": 64, "SHA-512": 128, "SHA3-256": 64, "SHA3-512": 128, "BLAKE3": 64}
_BARE = {32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}
_DIGEST = re.compile(r"(?:([A-Za-z][A-Za-z0-9-]*)[:=])?([0-9A-Fa-f]{32,128})")
_OPTION = re.compile(r"[ \t]+([a-z][a-z0-9-]*)=(.*)")
_SCHEMES = ("https", "http", "s3")
_ELSEWHERE = ("ftp", "ftps", "sftp", "rsync", "magnet")
_ASKING = frozenset(
    {
        "header", "http-user", "http-passwd", "ftp-user", "ftp-passwd", "load-cookies", "certificate", "private-key", "referer",
        "user-agent", "http-proxy", "https-proxy", "all-proxy", "select-file",
    }
)  # fmt: skip
"""Options of aria2 that change what is asked for: they are not taken over, and not passed over either."""

_SIGNATURES = re.compile(r"(?:X-(?:Amz|Goog)-.*|Signature|Expires|Key-Pair-Id|Policy|AWSAccessKeyId)", re.IGNORECASE)
_SHARED_ACCESS = frozenset({"sig", "se", "st", "sp", "sv", "sr", "spr", "skoid", "sktid", "skt", "ske", "sks", "skv"})


@dataclass(slots=True, kw_only=True)
class Entry:
    """One file of a list. ``where`` is the line that names it, ``urls`` are its addresses, the preferred one first."""

    where: str
    urls: list[str]
    checksums: list[Checksum] = field(default_factory=list)
    size: int | None = None
    folder: str = ""
    name: str = ""

    def option(self, name: str, value: str) -> None:
        """Take an option of aria2.

        Raises:
            ValueError: it cannot be taken over.
        """
        match name:
            case "out":
                self.name = value
            case "dir":
                self.folder = value
            case "checksum":
                algorithm, _, digest = value.partition("=")
                self.checksums.append(checksum(algorithm, digest))
            case _ if name in _ASKING:
                raise ValueError(f"the option {name} is not taken over from lists")

    @property
    def path(self) -> str:
        """Where the file belongs below the destination."""
        name = self.name or unquote(urlsplit(self.urls[0]).path).rstrip("/").rpartition("/")[2]
        return f"{self.folder.rstrip('/')}/{name}" if self.folder else name


def option(row: str) -> tuple[str, str] | None:
    """The name and value of an indented option; ``None`` where the row is something else."""
    found = _OPTION.fullmatch(row.rstrip())
    return (found[1], found[2].strip()) if found else None


def entry(row: str, where: str) -> Entry | None:
    """The file that a row names; ``None`` where there is no address in it.

    Raises:
        ValueError: it cannot be fetched. The text is the end of a sentence.
    """
    tokens = row.split()
    # sha256sum writes the names of files that it read as bytes with a star.
    urls = [token.removeprefix("*") for token in tokens if is_address(token.removeprefix("*"))]
    if not urls:
        return None
    rest = [token for token in tokens if token.removeprefix("*") not in urls]
    return Entry(where=where, urls=usable(urls), checksums=[_digest(token) for token in rest])


def is_address(token: str) -> bool:
    """Whether it is an address of a file, on whatever kind of host."""
    scheme, separator, _ = token.partition("://")
    return bool(separator) and scheme.lower() in (*_SCHEMES, *_ELSEWHERE)


def usable(urls: Iterable[str]) -> list[str]:
    """The addresses that can be fetched from, in their order.

    Raises:
        ValueError: there are none, or one of them is of a host that is gone, or holds a password.
    """
    given = list(urls)
    if not given:
        raise ValueError("it has no plain address")
    found = [url for url in given if url.partition("://")[0].lower() in _SCHEMES]
    if not found:
        raise ValueError(f"{_shown(given[0])!r} cannot be fetched: files come over https, http or s3")
    for url in found:
        _check(url)
    return list(dict.fromkeys(found))


def checksum(algorithm: str, digest: str) -> Checksum:
    """A digest under the name that it has here.

    Raises:
        ValueError: it cannot be computed, or is not of its length.
    """
    name = ALGORITHMS.get(algorithm.lower().replace("-", "").replace("_", ""))
    if name is None:
        raise ValueError(f"digests of type {algorithm!r} cannot be checked; known are {', '.join(ALGORITHMS)}")
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{_DIGITS[name]}}}", digest):
        raise ValueError(f"{digest[:80]!r} is no {name}, which has {_DIGITS[name]} hex digits")
    return Checksum(algorithm=name, value=digest.lower())


def products(entries: Sequence[Entry]) -> tuple[Product, ...]:
    """The files as products of one file each. Of those with one name all get as much of their address as tells them apart.

    Raises:
        ValueError: they cannot lie side by side. The text names the line.
    """
    single = list({(entry.path, tuple(entry.urls)): entry for entry in entries}.values())
    paths = _apart(single)
    found = tuple(_product(entry, path) for entry, path in zip(single, paths, strict=True))
    # An archive has two places: its own, and the folder that it is taken apart into.
    apart = [
        (product.name, each) for each, path, product in zip(single, paths, found, strict=True) if product.name != path
    ]
    places = [*zip(paths, single, strict=True), *apart]
    if clash := collisions(place for place, _ in places):
        line = next(each.where for place, each in places if place == clash[1])
        raise ValueError(f"{line}: {clash[0]!r} and {clash[1]!r} cannot lie side by side; name them with out=")
    return found


def _shown(text: str) -> str:
    """The beginning of what stands in a list, as a complaint may quote it."""
    return without_secrets(text)[:80]


def _digest(token: str) -> Checksum:
    found = _DIGEST.fullmatch(token)
    if found is None:
        raise ValueError(f"{_shown(token)!r} is neither an address nor a digest such as sha256:…")
    algorithm = found[1] or _BARE.get(len(found[2]))
    if algorithm is None:
        raise ValueError(
            f"a digest of {len(found[2])} digits may be of any kind: write its kind in front, as in sha256:…"
        )
    return checksum(algorithm, found[2])


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
        parts = urlsplit("")
    if not named or not parts.path.strip("/"):
        raise ValueError(f"{_shown(url)!r} names no file")
    if parts.username or parts.password:
        raise ValueError(f"an address of {parts.hostname} holds a user name or a password: leave it out")
    if fate := retired(url):
        raise ValueError(fate)


def _apart(entries: Sequence[Entry]) -> list[str]:
    """A path for each entry; where several have the same, each with the folders of its address in front, as many as tell them apart."""
    paths = [_safe(entry, entry.path) for entry in entries]
    longest = max((len(_folders(entry)) for entry in entries), default=0)
    for depth in range(1, longest + 1):
        times: dict[str, int] = {}
        for path in paths:
            times[path.casefold()] = times.get(path.casefold(), 0) + 1
        again = [number for number, path in enumerate(paths) if times[path.casefold()] > 1]
        if not again:
            break
        for number in again:
            entry = entries[number]
            if not entry.name and not entry.folder:
                paths[number] = _safe(entry, "/".join([*_folders(entry)[-depth:], entry.path]))
    return paths


def _folders(entry: Entry) -> list[str]:
    parts = urlsplit(entry.urls[0])
    return [parts.netloc.replace(":", "_"), *filter(None, unquote(parts.path).split("/")[:-1])]


def _safe(entry: Entry, path: str) -> str:
    try:
        return str(safe_path(path))
    except UnsafeName as error:
        raise ValueError(f"{entry.where}: {error}") from None


def _product(entry: Entry, path: str) -> Product:
    stem, dot, suffix = path.rpartition(".")
    # An archive is taken apart into a folder of its name.
    name = stem if dot and suffix.lower() == "zip" and PurePosixPath(stem).name else path
    key = f"{path} {_unsigned(entry.urls[0])}"
    return Product(
        id=sha256(key.encode()).hexdigest()[:32],
        name=name,
        provider=PROVIDER,
        size=entry.size,
        checksums=tuple(dict.fromkeys(entry.checksums)),
        attributes={"urls": " ".join(entry.urls), "file": PurePosixPath(path).name},
    )


def _unsigned(url: str) -> str:
    """The address without its signature, which is another one each day: what was fetched with one is known again with the next."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    shared = any(name == "sig" for name, _ in pairs)
    kept = [
        (name, value)
        for name, value in pairs
        if not _SIGNATURES.fullmatch(name) and not (shared and name in _SHARED_ACCESS)
    ]
    return parts._replace(query=urlencode(kept), fragment="").geturl()
