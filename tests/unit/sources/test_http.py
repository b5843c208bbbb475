"""The HTTP engine against real sockets: hosts that redirect, break, stall and lie."""

from __future__ import annotations

import ssl
import time
import zlib
from contextlib import aclosing, asynccontextmanager
from functools import partial, partialmethod

import anyio
import pytest
import trustme
from anyio.abc import SocketAttribute

from skyhaul.errors import (
    AccessDenied,
    ConnectionLost,
    HostBusy,
    HostUnreachable,
    HostUntrusted,
    LoginRefused,
    ObjectChanged,
    ObjectMissing,
    RequestRefused,
    SettingsError,
    TokenRefused,
)
from skyhaul.model import ByteRange, RemoteObject
from skyhaul.providers import CLOUDFERRO
from skyhaul.sources import http
from skyhaul.sources.ranged import RangedSource
from support.pouring import poured
from support.scripted import Reply, busy, redirect, scripted, tunnel

pytestmark = pytest.mark.usefixtures("no_proxies")

BODY = bytes(range(256)) * 1000
STALL_S = 0.2


class Tokens:
    """Gives out t1, t2 …: a new one each time the last was refused."""

    def __init__(self):
        self.given = 1
        self.refusals = []

    async def token(self):
        return f"t{self.given}"

    def refused(self, token):
        self.refusals.append(token)
        self.given += 1


@pytest.fixture
async def host():
    async with scripted() as host:
        yield host


@pytest.fixture
async def other():
    async with scripted() as host:
        yield host


@pytest.fixture(params=[False, True], ids=["small", "large"])
def large(request, monkeypatch):
    """Whether large answers are expected."""
    opening = http.Http.open
    monkeypatch.setattr(http.Http, "open", partialmethod(opening, large=request.param))
    return request.param


@pytest.fixture
async def client(large):
    async with http.opened(stall_s=10.0, connect_s=10.0) as client:
        yield client


@pytest.fixture
async def hasty(large):
    """A client that gives up early."""
    async with http.opened(stall_s=STALL_S) as client:
        yield client


async def body(client, url, **options):
    async with client.open("GET", url, **options) as answer:
        return await poured(answer.pour)


def sent(host):
    """The Authorization header of each request that the host saw."""
    return [seen.headers.get("authorization") for seen in host.seen]


# answers


async def test_an_answer_is_told_and_read(host, client):
    url = host.put("/x", BODY, etag="v1")
    async with client.open("GET", url, headers={"Range": "bytes=10-19"}) as answer:
        assert answer.status == 206
        assert answer.headers["content-range"] == f"bytes 10-19/{len(BODY)}"
        assert await poured(answer.pour) == BODY[10:20]
    assert host.seen[0].headers["user-agent"].startswith("skyhaul/")


# turns


@pytest.mark.parametrize("bearer", [False, True])
async def test_nothing_is_sent_before_its_turn(host, client, bearer):
    url = host.put("/x", b"", redirect("/y"))
    host.put("/y", b"there")
    turn, asked = anyio.Event(), []

    async def wait():
        asked.append(len(host.seen))
        await turn.wait()

    trusted = frozenset({url.split("/")[2]})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(body, client.with_tokens(Tokens(), trusted), url, bearer=bearer, turn=wait))
        await anyio.wait_all_tasks_blocked()
        assert (host.seen, asked) == ([], [0])
        turn.set()
    assert [seen.target for seen in host.seen] == ["/x", "/y"]
    assert asked[-1] == 1, "and the next one of a redirect waits for its turn too"


@pytest.mark.parametrize(("waited_s", "signed"), [(59.0, 1), (61.0, 2)])
async def test_a_signature_that_grew_old_while_its_turn_came_is_made_anew(host, client, monkeypatch, waited_s, signed):
    url = host.put("/x", b"there")
    signatures = []
    now = time.monotonic
    late_s = 0.0

    def sign(_method, _url, headers):
        signatures.append(f"signature {len(signatures) + 1}")
        return {**headers, "Authorization": signatures[-1]}

    async def turn():
        nonlocal late_s
        late_s = waited_s

    monkeypatch.setattr(http.time, "monotonic", lambda: now() + late_s)
    assert await body(client, url, sign=sign, turn=turn) == b"there"
    assert sent(host) == [f"signature {signed}"]
    assert len(signatures) == signed


async def test_a_connection_is_used_again(host, client):
    url = host.put("/x", b"x")
    for _ in range(3):
        await body(client, url)
    assert len({seen.port for seen in host.seen}) == 1


async def test_a_connection_that_its_host_closed_meanwhile_is_replaced(host, client):
    url = host.put("/x", BODY, Reply(), Reply(then="reset"))
    assert [await body(client, url), await body(client, url)] == [BODY, BODY]
    assert len({seen.port for seen in host.seen}) == 2


async def test_what_is_posted_arrives(host, client):
    assert await client.post(host.put("/x", b"ok"), b"a=1", "application/x-www-form-urlencoded") == b"ok"
    assert (host.seen[0].method, host.seen[0].body) == ("POST", b"a=1")


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, ObjectMissing), (503, HostBusy), (400, RequestRefused), (403, AccessDenied), (412, ObjectChanged)],
)
async def test_an_unsuccessful_answer_is_an_error(host, client, status, error):
    url = host.put("/x", b"", Reply(status=status, body=b'{"message":"so it is"}'))
    with pytest.raises(error, match=f"127.0.0.1 answered {status}: so it is"):
        await client.get(url)


async def test_an_error_page_that_never_ends_is_not_read_to_its_end(host, client):
    url = host.put("/x", b"", Reply(status=400, body=b"<p>wrong</p>" + bytes(10_000_000)))
    with pytest.raises(RequestRefused, match="wrong"):
        await client.get(url)


async def test_an_error_page_that_breaks_off_is_a_broken_connection(host, client):
    url = host.put("/x", b"", Reply(status=400, body=BODY, after=0, then="reset"))
    with pytest.raises(ConnectionLost):
        await client.get(url)


async def test_leaving_an_answer_unread_is_no_failure(host, client):
    url = host.put("/x", bytes(20_000_000))
    async with client.open("GET", url) as answer, aclosing(answer.pour(lambda _: None)) as sizes:
        assert await anext(sizes)
    assert await client.get(host.put("/y", b"y")) == b"y"


async def test_what_goes_wrong_with_the_caller_is_not_blamed_on_the_host(host, client):
    url = host.put("/x", b"x")
    with pytest.raises(FileNotFoundError):
        async with client.open("GET", url):
            raise FileNotFoundError("the caller's own")


# broken connections


@pytest.mark.parametrize(
    "reply",
    [
        Reply(then="reset"),
        Reply(after=0, then="reset"),
        Reply(after=100_000, then="reset"),
        Reply(after=100_000, then="end"),
        Reply(after=100_000, then="end", chunked=True),
    ],
    ids=["before headers", "after headers", "mid-body", "cut short", "cut chunks"],
)
async def test_a_broken_answer_is_a_lost_connection(host, client, reply):
    # aiohttp itself asks once more where a connection breaks before there is an answer
    url = host.put("/x", BODY, *[reply] * (2 if reply.after is None else 1))
    with anyio.fail_after(5), pytest.raises(ConnectionLost) as error:
        await body(client, url)
    assert error.value.transient
    assert str(error.value).startswith(host.netloc)
    assert await body(client, url) == BODY, "and the next request finds a good connection"


@pytest.mark.parametrize("after", [0, 100_000], ids=["silence", "stall"])
async def test_a_host_that_falls_silent_is_a_lost_connection(host, hasty, after):
    url = host.put("/x", BODY, Reply(after=after, then="stall"))
    with anyio.fail_after(10), pytest.raises(ConnectionLost, match=f"{host.netloc}: nothing heard for too long"):
        await body(hasty, url)


async def test_a_slow_answer_is_no_stall():
    """It lasts longer than a silence may."""
    stall_s = 0.6

    async def drip(stream):
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n")
            for _ in range(14):
                await anyio.sleep(stall_s / 12)
                await stream.send(b"x")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks, http.opened(stall_s=stall_s) as client:
        tasks.start_soon(listener.serve, drip)
        port = listener.extra(SocketAttribute.local_port)
        assert await body(client, f"http://127.0.0.1:{port}/x") == b"x" * 14
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def saying(says):
    """A host that answers with nothing but these bytes; its URL."""

    async def serve(stream):
        async with stream:
            await stream.receive()
            await stream.send(says)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/x"
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://host:port/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http:///\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=[
        "nothing",
        "ssh",
        "no length",
        "two lengths",
        "no chunks",
        "no gzip",
        "long header",
        "no ipv6",
        "no port",
        "no host",
    ],
)
async def test_an_answer_that_is_no_http_is_an_error_of_that_host(client, says):
    async with saying(says) as url:
        with pytest.raises((ConnectionLost, RequestRefused), match=r"127\.0\.0\.1|host:port"):
            await body(client, url)


async def test_an_answer_without_a_length_ends_with_its_connection(client):
    async with saying(b"HTTP/1.0 200 OK\r\n\r\nhello") as url:
        assert await body(client, url) == b"hello"


async def test_a_host_that_nobody_answers_at_is_named(client):
    async with scripted() as gone:
        netloc = gone.netloc
    with pytest.raises(HostUnreachable, match=f"{netloc} cannot be reached .*proxy variables") as error:
        await client.get(f"http://{netloc}/x")
    assert not error.value.known


async def test_a_host_that_answered_before_is_known_when_it_goes(client):
    async with scripted() as gone:
        url = gone.put("/x", b"x")
        await client.get(url)
    with pytest.raises(HostUnreachable) as error:
        await client.get(url)
    assert error.value.known


async def test_the_host_behind_a_redirect_is_the_one_that_is_named(host, client):
    async with scripted() as gone:
        netloc = gone.netloc
    url = host.put("/x", b"", redirect(f"http://{netloc}/x"))
    with pytest.raises(HostUnreachable, match=f"{netloc} cannot be reached"):
        await client.get(url)


async def test_a_name_that_does_not_exist_is_named(client):
    with pytest.raises(HostUnreachable, match=r"no-such-host\.invalid"):
        await client.get("http://no-such-host.invalid/x")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "127.0.0.1/x", "http://", "http://[::1/x"])
async def test_what_is_no_url_is_refused(client, url):
    with pytest.raises((RequestRefused, HostUnreachable)):
        await client.get(url)


# redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed(host, other, client, status):
    url = host.put("/x", b"", redirect(other.put("/y?a=%24b(1)", b"there"), status))
    other.put("/y", b"there")
    assert await body(client, url) == b"there"
    assert other.seen[0].target == "/y?a=%24b(1)", "sent as the host wrote it"


async def test_a_redirect_may_be_relative(host, client):
    host.put("/a/z", b"there")
    assert await body(client, host.put("/a/x", b"", redirect("z"))) == b"there"


@pytest.mark.parametrize(("status", "method", "content"), [(301, "POST", b"q"), (308, "POST", b"q"), (303, "GET", b"")])
async def test_a_post_stays_a_post_except_after_see_other(host, client, status, method, content):
    url = host.put("/x", b"", redirect(host.put("/y", b"ok"), status))
    assert await client.post(url, b"q", "text/plain") == b"ok"
    assert (host.seen[1].method, host.seen[1].body) == (method, content)


async def test_the_token_follows_to_the_providers_own_hosts_and_to_no_other(host, other, client):
    async with scripted() as stranger:
        end = stranger.put("/z", b"there")
        url = host.put("/x", b"", redirect(other.put("/y", b"", redirect(end))))
        account = client.with_tokens(Tokens(), frozenset({host.netloc, other.netloc}))
        assert await body(account, url, bearer=True) == b"there"
        assert (sent(host), sent(other), sent(stranger)) == (["Bearer t1"], ["Bearer t1"], [None])


async def test_the_token_comes_back_with_the_provider(host, other, client):
    host.put("/z", b"there")
    url = host.put("/x", b"", redirect(other.put("/y", b"", redirect(f"{host.root}/z"))))
    assert await body(client.with_tokens(Tokens(), frozenset({host.netloc})), url, bearer=True) == b"there"
    assert (sent(host), sent(other)) == (["Bearer t1", "Bearer t1"], [None])


async def test_no_token_is_sent_where_none_is_asked_for(host, client):
    await body(client.with_tokens(Tokens(), frozenset({host.netloc})), host.put("/x", b""))
    assert sent(host) == [None]


@pytest.mark.parametrize("userinfo", ["{netloc}@", "user:password@"])
async def test_a_host_that_looks_like_the_provider_gets_no_token(host, other, client, userinfo):
    disguised = f"http://{userinfo.format(netloc=host.netloc)}{other.netloc}/y".replace(host.netloc, "127.0.0.1")
    other.put("/y", b"there")
    url = host.put("/x", b"", redirect(disguised))
    await body(client.with_tokens(Tokens(), frozenset({host.netloc})), url, bearer=True)
    assert "t1" not in str(sent(other))


class Refused:
    """An account that is not let in, and how often it tried."""

    def __init__(self):
        self.tried = 0

    async def token(self):
        self.tried += 1
        raise LoginRefused("the login was refused")

    def refused(self, token):
        raise AssertionError(f"nobody was shown {token}")


async def test_a_host_that_is_shown_no_token_waits_for_no_login(host, other, client):
    refused = Refused()
    account = client.with_tokens(refused, frozenset({host.netloc}))
    assert await body(account, other.put("/x", b"there"), bearer=True) == b"there"
    await account.login(f"{other.root}/x")
    assert refused.tried == 0
    with pytest.raises(LoginRefused):
        await body(account, host.put("/x", b"there"), bearer=True)
    with pytest.raises(LoginRefused):
        await account.login(f"{host.root}/x")
    assert (refused.tried, host.seen) == (2, [])


async def test_a_token_is_fetched_on_the_way_to_the_host_that_is_shown_it(host, other, client):
    tokens = Tokens()
    account = client.with_tokens(tokens, frozenset({host.netloc}))
    url = other.put("/x", b"", redirect(host.put("/y", b"there", EXPIRED)), redirect(f"{host.root}/y"))
    assert await body(account, url, bearer=True) == b"there"
    assert (sent(other), sent(host)) == ([None, None], ["Bearer t1", "Bearer t2"])
    assert tokens.refusals == ["t1"]


async def test_another_hosts_refusal_costs_the_provider_no_token(host, other, client):
    tokens = Tokens()
    account = client.with_tokens(tokens, frozenset({host.netloc}))
    with pytest.raises(TokenRefused):
        await body(account, other.put("/x", b"", EXPIRED), bearer=True)
    assert (tokens.refusals, len(other.seen)) == ([], 1)


async def test_without_an_account_there_is_nothing_to_log_in_with(client):
    await client.login("https://anywhere.example/x")


REFUSED_KEYS = Reply(status=403, body=b"<Error><Code>InvalidAccessKeyId</Code></Error>")


async def test_the_account_whose_keys_were_shown_is_named_and_no_other(host, client):
    account = client.of(CLOUDFERRO).with_tokens(Tokens(), frozenset())
    url = host.put("/x", b"", REFUSED_KEYS, REFUSED_KEYS, REFUSED_KEYS)

    def sign(_method, _url, headers):
        return {**headers, "Authorization": "AWS4-HMAC-SHA256 Credential=K"}

    with pytest.raises(LoginRefused, match="check CREODIAS_S3_ACCESS_KEY and CREODIAS_S3_SECRET_KEY"):
        await body(account, url, sign=sign)
    for options in ({}, {"sign": lambda _method, _url, headers: headers}):
        with pytest.raises(AccessDenied, match=r"InvalidAccessKeyId$") as refused:
            await body(account, url, **options)
        assert not refused.value.fatal


@pytest.mark.parametrize("to", ["{root}/x", "{root}/y"])
async def test_a_redirect_in_a_circle_ends(host, client, to):
    url = host.put("/x", b"", *[redirect(to.format(root=host.root))] * 20)
    host.put("/y", b"", *[redirect(url)] * 20)
    with pytest.raises(RequestRefused, match=r"127\.0\.0\.1 redirects in a circle"):
        await body(client, url)
    assert len(host.seen) < 4


async def test_a_chain_of_redirects_without_end_ends(host, client):
    for number in range(20):
        host.put(f"/{number}", b"", redirect(f"/{number + 1}"))
    with pytest.raises(RequestRefused, match="circle"):
        await body(client, f"{host.root}/0")
    assert len(host.seen) <= http.REDIRECTS_MAX + 1


@pytest.mark.parametrize("to", ["ftp://h/x", "file:///etc/passwd", "gopher://h/x"])
async def test_a_redirect_to_something_else_than_http_is_refused(host, client, to):
    with pytest.raises(AccessDenied, match="not safe"):
        await body(client, host.put("/x", b"", redirect(to)))


async def test_a_redirect_without_a_target_is_an_error(host, client):
    with pytest.raises(RequestRefused, match="302"):
        await body(client, host.put("/x", b"", Reply(status=302)))


# tokens

EXPIRED = Reply(status=401, body=b'{"code":"DAT-ZIP-109","message":"token expired"}')
WRONG_KIND = Reply(status=401, body=b'{"code":"DAT-ZIP-609","message":"Token audience not allowed"}')


async def test_a_token_that_is_refused_is_renewed_once(host, client):
    tokens = Tokens()
    url = host.put("/x", b"there", EXPIRED)
    assert await body(client.with_tokens(tokens, frozenset({host.netloc})), url, bearer=True) == b"there"
    assert sent(host) == ["Bearer t1", "Bearer t2"]
    assert tokens.refusals == ["t1"]


async def test_a_host_that_refuses_every_token_is_not_asked_for_ever(host, client):
    url = host.put("/x", b"", *[EXPIRED] * 9)
    with pytest.raises(TokenRefused, match="token expired"):
        await body(client.with_tokens(Tokens(), frozenset({host.netloc})), url, bearer=True)
    assert len(host.seen) == 2


async def test_a_token_of_the_wrong_kind_is_not_renewed(host, client):
    tokens = Tokens()
    with pytest.raises(AccessDenied, match="audience"):
        await body(client.with_tokens(tokens, frozenset({host.netloc})), host.put("/x", b"", WRONG_KIND), bearer=True)
    assert tokens.refusals == []


# spans


def source(client):
    return RangedSource(client, route="s3")


async def read(client, url, span, *, etag="v1"):
    obj = RemoteObject(route="s3", location=url, path="B04.jp2", size=len(BODY), etag=etag)
    async with source(client).read(obj, span, etag=etag) as answer:
        return answer.ranged, await poured(answer.pour)


SPAN = ByteRange(start=1000, stop=2000)


async def test_a_span_is_served(host, client):
    assert await read(client, host.put("/x", BODY, etag="v1"), SPAN) == (True, BODY[1000:2000])


async def test_a_host_without_ranges_is_told_by_its_answer(host, client):
    url = host.put("/x", BODY, Reply(ranges=False), etag="v1")
    assert await read(client, url, SPAN) == (False, BODY)


async def test_another_version_is_refused_by_the_host(host, client):
    url = host.put("/x", BODY, etag="v2")
    with pytest.raises(ObjectChanged, match="412"):
        await read(client, url, SPAN)


async def test_a_span_beyond_the_end_is_another_object(host, client):
    url = host.put("/x", BODY[:500], etag="v1")
    with pytest.raises(ObjectChanged, match="416"):
        await read(client, url, SPAN)


async def test_the_wrong_span_is_not_taken(host, client):
    url = host.put("/x", BODY, Reply(headers={"Content-Range": f"bytes 0-999/{len(BODY)}"}), etag="v1")
    with pytest.raises(ConnectionLost, match="bytes=1000-1999"):
        await read(client, url, SPAN)


async def test_a_page_with_status_200_is_no_object(host, client):
    page = Reply(status=200, headers={"Content-Type": "text/html"}, body=b"<html>please log in</html>")
    with pytest.raises(ConnectionLost, match="a page of type text/html"):
        await read(client, host.put("/x", BODY, page), SPAN)


async def test_an_answer_that_is_compressed_all_the_same_is_read(host, client):
    compress = zlib.compressobj(wbits=31)
    packed = compress.compress(BODY) + compress.flush()
    url = host.put("/x", BODY, Reply(headers={"Content-Encoding": "gzip"}, status=200, body=packed))
    assert await read(client, url, None, etag=None) == (False, BODY)
    assert host.seen[0].headers["accept-encoding"] == "identity"


# proxies


async def test_a_proxy_of_the_environment_is_used(host, other, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", other.root)
    other.put("/x", b"by proxy")
    async with http.opened() as client:
        assert await client.get("http://archive.invalid/x") == b"by proxy"
    assert other.seen[0].target == "http://archive.invalid/x"


@pytest.mark.parametrize("value", ["user:p%40ss@{netloc}", "http://user:p%40ss@{netloc}"])
async def test_a_proxy_may_want_a_password_and_need_no_scheme(other, monkeypatch, value):
    monkeypatch.setenv("HTTP_PROXY", value.format(netloc=other.netloc))
    other.put("/x", b"by proxy")
    async with http.opened() as client:
        assert await client.get("http://archive.invalid/x") == b"by proxy"
    assert other.seen[0].headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


async def test_hosts_may_be_spared_the_proxy(host, other, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", other.root)
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    async with http.opened() as client:
        assert await client.get(host.put("/x", b"direct")) == b"direct"
    assert other.seen == []


async def test_a_proxy_that_is_not_there_is_named(monkeypatch):
    async with scripted() as gone:
        monkeypatch.setenv("HTTP_PROXY", gone.root)
    async with http.opened() as client:
        with pytest.raises(HostUnreachable, match="proxy"):
            await client.get("http://archive.invalid/x")


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1080", "socks4://me:secret@h:1", "http://", "nonsense://x"])
async def test_a_proxy_that_cannot_be_used_is_named_without_its_password(monkeypatch, value):
    monkeypatch.setenv("ALL_PROXY", value)
    async with http.opened() as client:
        with pytest.raises(SettingsError, match=r"the proxy variables name (?!.*secret).*HTTP proxy is needed"):
            await client.get("http://archive.invalid/x")


# TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_a_certificate_that_nobody_knows_is_refused(tls):
    async with scripted(tls=tls) as host, http.opened() as client:
        with pytest.raises(HostUntrusted, match=rf"{host.netloc} does not verify .*SSL_CERT_FILE") as error:
            await client.get(host.put("/x", b"secret"))
        assert host.seen == []
    assert not error.value.transient


async def test_a_certificate_of_a_root_that_the_user_adds_is_taken(tls, authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    async with scripted(tls=tls) as host, http.opened() as client:
        assert await client.get(host.put("/x", b"secret")) == b"secret"


async def test_a_certificate_of_another_name_is_refused(authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("archive.invalid").configure_cert(context)
    async with scripted(tls=context) as host, http.opened() as client:
        with pytest.raises(HostUntrusted):
            await client.get(host.put("/x", b"secret"))


async def test_a_redirect_from_tls_to_clear_text_is_refused(tls, authority, tmp_path, monkeypatch, host):
    authority.cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    async with scripted(tls=tls) as safe, http.opened() as client:
        url = safe.put("/x", b"", redirect(host.put("/y", b"")))
        with pytest.raises(AccessDenied, match="not safe"):
            await body(client.with_tokens(Tokens(), frozenset({safe.netloc, host.netloc})), url, bearer=True)
    assert host.seen == []


async def test_tls_goes_through_a_proxy(tls, authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    async with scripted(tls=tls) as host, tunnel() as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        async with http.opened() as client:
            assert await client.get(host.put("/x", b"secret")) == b"secret"
        assert asked == [host.netloc]


async def test_a_busy_host_says_how_long(host, client):
    with pytest.raises(HostBusy) as error:
        await client.get(host.put("/x", b"", busy(429, retry_after_s=3)))
    assert (error.value.status, error.value.retry_after_s) == (429, 3.0)
