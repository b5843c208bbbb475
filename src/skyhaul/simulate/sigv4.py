"""AWS Signature Version 4, checked from the server's side with botocore's own arithmetic."""

from __future__ import annotations

import datetime as dt
import hmac
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, quote, unquote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,]+)/(?P<date>\d{8})/(?P<region>[^/,]*)/s3/aws4_request,\s*"
    r"SignedHeaders=(?P<headers>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
SKEW_MAX = dt.timedelta(minutes=15)


class SignatureError(Exception):
    """A request that is not signed as it should be; ``code`` is the S3 error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Received(NamedTuple):
    """A request as it came over the wire."""

    method: str
    path: str  # percent-encoded
    query: str
    headers: Mapping[str, str]  # case-insensitive


def verify(received: Received, secrets: Mapping[str, str], now: dt.datetime) -> str:
    """The access key that signed ``received``.

    Only the header form counts: a presigned URL is answered as CDSE does, as if its key were unknown.

    Raises:
        SignatureError: AccessDenied, InvalidAccessKeyId, SignatureDoesNotMatch or RequestTimeTooSkewed.
    """
    if "X-Amz-Signature=" in received.query:
        raise SignatureError("InvalidAccessKeyId")
    signed = AUTHORIZATION.fullmatch(received.headers.get("Authorization", "").strip())
    if signed is None:
        raise SignatureError("AccessDenied")
    if signed["key"] not in secrets:
        raise SignatureError("InvalidAccessKeyId")
    stamp = received.headers.get("X-Amz-Date", "")
    if not _is_recent(stamp, now):
        raise SignatureError("RequestTimeTooSkewed")
    expected = _signature(received, signed, secrets[signed["key"]], stamp)
    if not hmac.compare_digest(expected, signed["signature"]):
        raise SignatureError("SignatureDoesNotMatch")
    return signed["key"]


def _signature(received: Received, signed: re.Match[str], secret: str, stamp: str) -> str:
    names = signed["headers"].split(";")
    url = f"https://{received.headers.get('Host', '')}{canonical_target(received.path, received.query)}"
    request = AWSRequest(
        method=received.method,
        url=url,
        headers={name: received.headers.get(name, "") for name in {*names, "x-amz-content-sha256"}},
    )
    request.context["timestamp"] = stamp
    signer = S3SigV4Auth(Credentials(signed["key"], secret), "s3", signed["region"])
    signature: str = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return signature


def canonical_target(path: str, query: str) -> str:
    """Path and query encoded as the signature counts them: everything but unreserved characters and ``/``."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    text = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in pairs)
    encoded = quote(unquote(path), safe="/~")
    return f"{encoded}?{text}" if text else encoded


def _is_recent(stamp: str, now: dt.datetime) -> bool:
    try:
        sent = dt.datetime.fromisoformat(stamp)
    except ValueError:
        return False
    return sent.tzinfo is not None and abs(sent - now) <= SKEW_MAX
