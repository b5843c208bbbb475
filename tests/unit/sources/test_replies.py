from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.archives import COPERNICUS, Account
from skyhaul.errors import (
    AccessDenied,
    HostBusy,
    LoginRefused,
    ObjectChanged,
    ObjectMissing,
    ObjectOffline,
    RemoteError,
    RequestRefused,
    TokenRefused,
)
from skyhaul.providers import ARCHIVES, CLOUDFERRO, HUB
from skyhaul.sources.replies import SAID_MAX, error_of, retry_after_s, says

DOWNLOAD = "https://download.dataspace.copernicus.eu/odata/v1/Products(1)/$value"
IDENTITY = "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token"
CATALOGUE = "https://catalogue.dataspace.copernicus.eu/odata/v1/Products"
S3 = "https://eodata.dataspace.copernicus.eu/eodata/Sentinel-2/x"
DHUS = "https://apihub.copernicus.eu/apihub/odata/v1/Products('1')/$value"


def zipper(code, message):
    return f'{{"trace-id":"1f","code":"DAT-ZIP-{code}","message":"{message}"}}'


def s3(code, message=""):
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message>'
        "<BucketName>eodata</BucketName><RequestId>tx1</RequestId></Error>"
    )


SKIPPED_TOO_FAR = (
    '{"detail":[{"type":"less_than_equal","loc":["query","$skip"],"msg":"Input should be less than or equal to 10000",'
    '"input":"10001","ctx":{"le":10000}}]}'
)
ANSWERS = [
    # The identity provider: protocols 3.5.
    (IDENTITY, 401, '{"error":"invalid_grant","error_description":"Invalid user credentials"}', TokenRefused, "Invalid user"),
    (IDENTITY, 400, '{"error":"invalid_grant","error_description":"Token is not active"}', RequestRefused, "Token is not active"),
    (IDENTITY, 400, '{"error":"unauthorized_client"}', RequestRefused, "unauthorized_client"),
    (IDENTITY, 413, "", HostBusy, "413"),
    (IDENTITY, 429, "", HostBusy, "429"),
    (IDENTITY, 500, "<html><title>500</title></html>", HostBusy, "500"),
    # The catalogue: protocols 4.6.
    (CATALOGUE, 400, '{"detail":"Error during parsing at index 12"}', RequestRefused, "parsing at index 12"),
    (CATALOGUE, 401, '{"detail":"Not authenticated"}', TokenRefused, "Not authenticated"),
    (CATALOGUE, 403, '{"detail":"Forbidden"}', AccessDenied, "Forbidden"),
    (CATALOGUE, 404, '{"detail":{"message":"Product not found","request_id":"0"}}', ObjectMissing, "Product not found"),
    (
        CATALOGUE,
        422,
        SKIPPED_TOO_FAR,
        RequestRefused,
        "less than or equal to 10000 10001",
    ),
    (CATALOGUE, 429, "Too many requests", HostBusy, "Too many requests"),
    (CATALOGUE, 502, "<html><body><h1>502 Bad Gateway</h1></body></html>", HostBusy, "502 Bad Gateway"),
    (CATALOGUE, 503, "<html><style>p{}</style><p>Maintenance &amp; updates</p></html>", HostBusy, "Maintenance & updates"),
    (CATALOGUE, 504, "", HostBusy, "504"),
    (CATALOGUE, 400, '{"detail":{"ErrorMessage":"Unknown collection","ErrorCode":400}}', RequestRefused, "Unknown collection"),
    # The download host: protocols 6.6.
    (DOWNLOAD, 202, "", ObjectOffline, "202"),
    (DOWNLOAD, 302, "", RequestRefused, "302"),  # without Location
    (DOWNLOAD, 400, zipper(104, "Malformed OData request path"), RequestRefused, "DAT-ZIP-104 Malformed"),
    (DOWNLOAD, 401, zipper(604, "Token not found"), TokenRefused, "Token not found"),
    (DOWNLOAD, 401, zipper(109, "token expired"), TokenRefused, "token expired"),
    (DOWNLOAD, 401, zipper(609, "Token audience not allowed"), AccessDenied, "audience"),
    (DOWNLOAD, 403, zipper(608, "Access forbidden"), AccessDenied, "Access forbidden"),
    (DOWNLOAD, 404, "", ObjectMissing, "404"),
    (DOWNLOAD, 410, "", ObjectMissing, "410"),
    (DOWNLOAD, 416, "", ObjectChanged, "416"),
    (DOWNLOAD, 422, zipper(111, "bad product id"), RequestRefused, "bad product id"),
    (DOWNLOAD, 429, zipper(100, "Max session number exceeded"), HostBusy, "Max session number exceeded"),
    (DOWNLOAD, 429, "Max session number 4 exceeded.", HostBusy, "Max session number 4 exceeded"),
    (DOWNLOAD, 500, zipper(0, "internal"), HostBusy, "internal"),
    # Object storage: protocols 13.3.
    (S3, 403, s3("InvalidAccessKeyId"), LoginRefused, "CDSE_S3_ACCESS_KEY"),
    (S3, 403, s3("SignatureDoesNotMatch", "The request signature"), LoginRefused, "CDSE_S3_SECRET_KEY"),
    (S3, 403, s3("RequestTimeTooSkewed", "The difference is too large"), LoginRefused, "clock"),
    (S3, 403, s3("AccessDenied", "Access Denied"), AccessDenied, "AccessDenied Access Denied"),
    (S3, 403, "", AccessDenied, "403"),
    (S3, 404, s3("NoSuchKey"), ObjectMissing, "NoSuchKey"),
    (S3, 404, s3("NoSuchBucket"), ObjectMissing, "NoSuchBucket"),
    (S3, 412, s3("PreconditionFailed"), ObjectChanged, "PreconditionFailed"),
    (S3, 429, s3("TooManyRequests"), HostBusy, "TooManyRequests"),
    (S3, 503, s3("SlowDown", "Please reduce your request rate."), HostBusy, "SlowDown Please reduce"),
    (S3, 403, s3("SlowDown"), HostBusy, "SlowDown"),
    # The retired hub, as its mirrors still answer.
    (DHUS, 403, "Maximum number of 4 concurrent flows achieved by the user", HostBusy, "concurrent flows"),
    (DHUS, 403, "offline products retrieval quota exceeded (20 fetches max)", AccessDenied, "quota exceeded"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "status", "body", "kind", "said"), ANSWERS)
def test_an_answer_becomes_the_error_it_means(url, status, body, kind, said):
    error = error_of(status, url, {}, body.encode(), shown=COPERNICUS if url == S3 else None)
    assert type(error) is kind
    assert said in str(error)
    assert str(error).startswith(url.split("/")[2])
    assert "\n" not in str(error)
    assert "<" not in str(error)


def test_keys_that_are_refused_end_the_run_and_a_token_that_is_refused_does_not():
    assert error_of(403, S3, {}, s3("InvalidAccessKeyId").encode(), shown=COPERNICUS).fatal
    assert not error_of(401, DOWNLOAD, {}, zipper(109, "token expired").encode()).fatal


def test_a_clock_that_is_wrong_is_not_blamed_on_the_keys():
    assert "CDSE_S3" not in str(error_of(403, S3, {}, s3("RequestTimeTooSkewed").encode(), shown=COPERNICUS))


ACCOUNTS = {archive.account.prefix: archive.account for archive in ARCHIVES if archive.account is not None}


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch"])
@pytest.mark.parametrize("account", [each for each in ACCOUNTS.values() if each.s3], ids=lambda each: each.prefix)
def test_keys_that_are_refused_are_named_as_the_archive_at_hand_calls_them(account: Account, code: str):
    said = str(error_of(403, S3, {}, s3(code).encode(), shown=account))
    assert f"check {account.prefix}_S3_ACCESS_KEY and {account.prefix}_S3_SECRET_KEY" in said
    assert account.keys_at in said
    assert [prefix for prefix in ACCOUNTS if f"{prefix}_" in said] == [account.prefix]


@pytest.mark.parametrize(
    ("account", "variables"),
    [(HUB, "DHUS_USERNAME and DHUS_PASSWORD"), (ACCOUNTS["GEODES"], "GEODES_API_KEY")],
    ids=["basic", "header"],
)
def test_a_login_that_goes_with_each_request_is_named_where_it_is_refused(account: Account, variables: str):
    assert str(error_of(401, DHUS, {}, b"", shown=account)).endswith(f"answered 401: check {variables}")


@pytest.mark.parametrize("shown", [None, HUB], ids=["nothing", "a login"])
def test_a_signature_that_is_not_ours_blames_no_keys_and_ends_no_run(shown: Account | None):
    """A list may hold addresses that others have signed, and some will have expired."""
    error = error_of(
        403, "https://bucket.example/x?X-Amz-Signature=0", {}, s3("SignatureDoesNotMatch").encode(), shown=shown
    )
    assert type(error) is AccessDenied
    assert not error.fatal
    assert "check" not in str(error)


def test_the_account_of_another_archive_is_never_named():
    assert "CDSE" not in str(error_of(403, S3, {}, s3("InvalidAccessKeyId").encode(), shown=CLOUDFERRO))


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("2", 2.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("  30 ", 30.0),
        ("Sun, 01 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Nov 2026 11:59:00 GMT", 0.0),
        ("Sunday, 01-Nov-26 12:01:00 GMT", 60.0),
        ("86400", 3600.0),
        ("9" * 400, 3600.0),
        ("-5", None),
        ("soon", None),
        ("1.2.3", None),
        (".", None),
        ("", None),
        ("Mon, 32 Foo 99999 99:99:99 GMT", None),
    ],
)
def test_how_long_a_host_wants_to_be_left_alone(text, wait_s):
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert retry_after_s({"retry-after": text}, now) == wait_s


def test_a_busy_host_is_left_alone_as_long_as_it_says():
    error = error_of(429, DOWNLOAD, {"retry-after": "7"}, b"")
    assert (error.transient, error.status, error.retry_after_s) == (True, 429, 7.0)
    assert error_of(503, DOWNLOAD, {}, b"").retry_after_s is None


@pytest.mark.parametrize(
    "body",
    [
        "see https://download/x?token=SECRET&a=1",
        '{"message":"https://h/x?a=1&access_token=SECRET"}',
        "<html>https://s3/x?X-Amz-Credential=SECRET&amp;X-Amz-Signature=SECRET</html>",
        "https://h/x?sig=SECRET",
        "https://h/x?refresh_token=SECRET&password=SECRET&client_secret=SECRET",
        "got Authorization: Bearer SECRET",
    ],
)
def test_no_secret_gets_into_a_message(body):
    message = str(error_of(400, "https://h/x?token=SECRET", {}, body.encode()))
    assert "SECRET" not in message


@given(st.binary(max_size=200), st.integers(200, 599))
def test_whatever_a_host_says_is_one_short_line(body, status):
    error = error_of(status, "https://host/x", {}, body)
    assert isinstance(error, RemoteError)
    assert str(error).isprintable()
    assert len(str(error)) < SAID_MAX + 200


@pytest.mark.parametrize(
    "body", [b"[" * 16_000, b'{"detail":' * 1_600, b'{"detail":[' * 900], ids=["lists", "dicts", "both"]
)
def test_an_answer_nested_beyond_reason_is_no_crash(body):
    assert isinstance(error_of(500, "https://host/x", {}, body), HostBusy)


def test_a_long_page_is_cut():
    assert len(says(b"<html>" + b"word " * 4000)) == SAID_MAX


@pytest.mark.parametrize(
    "body",
    [
        '{"message": "user alice with p&ss<w%rd is not known"}',
        "<html>user alice with p&amp;ss&lt;w%rd is not known</html>",
        "<Error><Code>Denied</Code><Message>key alice, p&amp;ss&lt;w%rd</Message></Error>",
        "x" * (SAID_MAX - 8) + " p&ss<w%rd",
    ],
)
def test_what_a_host_repeats_of_the_account_is_not_told_again(body: str):
    secrets = ("alice", "p&ss<w%rd")
    for error in (
        error_of(403, S3, {}, body.encode(), secrets=secrets),
        error_of(403, DHUS, {"cause-message": body}, b"", secrets=secrets),
    ):
        assert "alice" not in str(error)
        assert "p&s" not in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b'{"status":429,"reason":"Too Many Requests","message":"You have exceeded your rate limit","code":"RATE_LIMIT_EXCEEDED"}',
        b'{"error":{"status":429,"reason":"Too Many Requests","code":"RATE_LIMIT_EXCEEDED"}}',
    ],
)
def test_sentinel_hub_means_milliseconds(body):
    """Protocols 17.4: 3398 is three seconds and not an hour; its STAC catalogue is searched with ``--url``."""
    error = error_of(429, "https://sh.dataspace.copernicus.eu/catalog/v1/search", {"retry-after": "3398"}, body)
    assert error.retry_after_s == pytest.approx(3.398)
