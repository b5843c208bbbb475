"""Signatures, from the server's side: the example of the AWS documentation, botocore's own, and every way to be wrong."""

from __future__ import annotations

import datetime as dt

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from multidict import CIMultiDict

from skyhaul.simulate.sigv4 import Received, SignatureError, canonical_target, verify

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DOCUMENTED = Received(
    "GET",
    "/test.txt",
    "",
    CIMultiDict(
        {
            "Host": "examplebucket.s3.amazonaws.com",
            "Range": "bytes=0-9",
            "x-amz-content-sha256": EMPTY,
            "x-amz-date": "20130524T000000Z",
            "Authorization": (
                f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,"
                "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
                "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            ),
        }
    ),
)
THEN = dt.datetime(2013, 5, 24, tzinfo=dt.UTC)


def signed(url: str, secret: str = SECRET, key: str = KEY) -> Received:
    request = AWSRequest(method="GET", url=url, headers={"Host": "127.0.0.1:9"})
    S3SigV4Auth(Credentials(key, secret), "s3", "default").add_auth(request)
    path, _, query = url.removeprefix("http://127.0.0.1:9").partition("?")
    return Received("GET", path, query, CIMultiDict(request.headers.items()))


def code(received: Received, now: dt.datetime | None = None) -> str:
    with pytest.raises(SignatureError) as caught:
        verify(received, {KEY: SECRET}, now or dt.datetime.now(dt.UTC))
    return caught.value.code


def test_the_documented_example_holds():
    assert verify(DOCUMENTED, {KEY: SECRET}, THEN) == KEY


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/eodata/a/b.jp2",
        "http://127.0.0.1:9/eodata/a%20b/%C3%A9%2Bx",
        "http://127.0.0.1:9/eodata?list-type=2&prefix=Sentinel-2%2FMSI&delimiter=%2F&max-keys=10",
    ],
)
def test_what_botocore_signs_holds(url):
    assert verify(signed(url), {KEY: SECRET}, dt.datetime.now(dt.UTC)) == KEY


def test_every_way_to_be_wrong():
    good = signed("http://127.0.0.1:9/eodata/a")
    assert code(signed("http://127.0.0.1:9/eodata/a", secret="wrong")) == "SignatureDoesNotMatch"
    assert code(signed("http://127.0.0.1:9/eodata/a", key="UNKNOWN")) == "InvalidAccessKeyId"
    assert code(good._replace(path="/eodata/b")) == "SignatureDoesNotMatch"
    assert code(good._replace(query="versionId=1")) == "SignatureDoesNotMatch"
    assert code(good._replace(headers=CIMultiDict())) == "AccessDenied"
    assert code(good._replace(query="X-Amz-Signature=00")) == "InvalidAccessKeyId"
    assert code(good, dt.datetime.now(dt.UTC) + dt.timedelta(minutes=16)) == "RequestTimeTooSkewed"


def test_the_target_counts_in_one_encoding_however_it_came():
    assert canonical_target("/a%7Eb(c)", "b=2&a=1+1") == "/a~b%28c%29?a=1%201&b=2"
    assert canonical_target("/a~b%28c%29", "a=1%201&b=2") == "/a~b%28c%29?a=1%201&b=2"
