from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.discreet import redact, without_secrets

SECRET = "hunter2Hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"https://h.example/x?token={SECRET}",
        f"https://h.example/x?a=1&access_token={SECRET}&b=2",
        f"https://h.example/x?refresh-token={SECRET}",
        f"username=alice&password={SECRET}",
        f"https://account.blob.core.windows.net/x?sv=2024-01-01&sp=r&sig={SECRET}",
        f"https://b.s3.example/x?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}&X-Amz-Security-Token={SECRET}",
        f"https://storage.example/x?X-Goog-Signature={SECRET}",
        f"https://cdn.example/x?Policy={SECRET}&Signature={SECRET}&Key-Pair-Id={SECRET}",
        f"https://b.s3.example/x?AWSAccessKeyId={SECRET}&Signature={SECRET}",
        f"https://api.example/x?subscription-key={SECRET}",
        f"AWS4-HMAC-SHA256 Credential={SECRET}/20240101/default/s3/aws4_request, SignedHeaders=host, Signature={SECRET}",
        f"Bearer {SECRET}",
        f"Authorization: Basic {SECRET}",
        f"authorization: bearer {SECRET}",
        f"http://alice:{SECRET}@proxy.example:3128/",
        f"cannot connect to 'http://{SECRET}:{SECRET}@proxy.example:3128'",
        f"https://{SECRET}@h.example/x",
        f"http://alice:pa@ss{SECRET}@proxy.example",
        f"alice:{SECRET}@proxy.example:3128",
        f"token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ{SECRET}.{SECRET} is expired",
    ],
)
def test_what_looks_like_a_secret_is_blotted_out(text):
    shown = without_secrets(text)
    assert SECRET not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "identity.example answered 401: invalid_grant Invalid user credentials",
        "https://catalogue.example:8443/odata/v1/Products?$top=20&$filter=Name eq 'X'",
        "the slice 2024-04-01T00:00:00Z to 2024-05-01T00:00:00Z: 12:30:05, mail a@b.example",
        "https://h.example/a@b/c:d@e.tif",
        "s3://eodata/Sentinel-2/MSI/x.SAFE",
        "download.example answered 401: DAT-ZIP-604 Token not found",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert without_secrets(text) == text


def test_known_secrets_go_in_every_form():
    secrets = ["alice@example.org", "p&ss+w%rd", "ok"]
    text = "login alice@example.org p&ss+w%rd via ?u=alice%40example.org&p=p%26ss%2Bw%25rd ok"
    assert redact(text, secrets) == "login *** *** via ?u=***&p=*** ok"


@given(
    st.text(st.characters(codec="ascii"), min_size=4, max_size=20).filter(lambda text: "*" not in text),
    st.text(max_size=50),
)
def test_a_known_secret_is_nowhere(secret, around):
    shown = redact(f"{around}{secret} {quote(secret, safe='')}{around}", [secret])
    assert secret not in shown
