"""skyhaul from Python, in a loop that is already running, as a notebook has one."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest

import skyhaul
from skyhaul import AccessDenied, Credentials, Report, SettingsError
from skyhaul.events import ProductFinished
from support.scripted import Reply, scripted
from support.trees import products, wrong

pytestmark = pytest.mark.anyio

TYPE = "IW_GRDH_1S"


@pytest.fixture
def told(archive, monkeypatch, tmp_path):
    """The environment that a notebook would have been started with."""
    for name, value in archive.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SKYHAUL_PROVIDERS__CDSE__REQUESTS_PER_MINUTE", "1000000")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.chdir(tmp_path)
    return archive


async def test_products_come_one_by_one(told):
    async with skyhaul.open(product_type=TYPE, bbox="-180,-90,180,90", start="2024-04-01") as haul:
        found = [product async for product in haul.search()]
        assert len(found) == await haul.count() > 10
    assert len({product.id for product in found}) == len(found)
    assert all(product.product_type == TYPE for product in found)
    assert all(product.coverage is not None for product in found)


async def test_who_has_enough_leaves_and_goes_on(told, tmp_path):
    async with skyhaul.open(product_type=TYPE, end="2024-04-20", into=tmp_path / "archive") as haul:
        async with aclosing(haul.search()) as found:
            assert (await anext(found)).product_type == TYPE
        async for _ in haul.search():
            break
        report = await haul.download()
    assert report.verified == 2


async def test_a_download_is_a_report(told, tmp_path):
    events = []
    options = {"product_type": TYPE, "end": "2024-04-20", "into": tmp_path / "archive", "via": "s3"}
    async with skyhaul.open(**options, observe=events.append) as haul:
        plan = await haul.plan()
        report = await haul.download()
        again = await haul.download()
    assert plan.products == 2
    assert plan.fits
    assert isinstance(report, Report)
    assert (report.exit_code, report.found, report.verified, report.levels) == (0, 2, 2, {"manifest": 2})
    assert (again.exit_code, again.verified, again.present) == (0, 0, 2)
    assert {type(event).__name__ for event in events} >= {"RunStarted", "ProductFinished", "RunFinished"}
    assert wrong(tmp_path / "archive") == []


async def test_two_hauls_at_once(told, tmp_path):
    reports = {}

    async def pull(day: str) -> None:
        span = {"start": f"2024-04-{day}", "end": f"2024-04-{day}"}
        async with skyhaul.open(product_type=TYPE, **span, into=tmp_path / day) as haul:
            reports[day] = await haul.download()

    async with anyio.create_task_group() as tasks:
        for day in ("01", "13"):
            tasks.start_soon(pull, day)
    assert [report.verified for report in reports.values()] == [1, 1]
    assert len(products(tmp_path)) == 2


async def test_what_is_cancelled_leaves_nothing_half_done(told, tmp_path):
    one_finished = anyio.Event()

    def observe(event: object) -> None:
        if isinstance(event, ProductFinished):
            one_finished.set()

    async with skyhaul.open(product_type=TYPE, into=tmp_path / "archive", max_rate="1MB", observe=observe) as haul:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(haul.download)
            await one_finished.wait()
            tasks.cancel_scope.cancel()
        assert wrong(tmp_path / "archive") == []
        whole = len(products(tmp_path / "archive"))
    async with skyhaul.open(product_type=TYPE, limit=whole + 2, into=tmp_path / "archive") as haul:
        report = await haul.download()
    assert (report.exit_code, report.verified + report.present) == (0, whole + 2)
    assert wrong(tmp_path / "archive") == []


async def test_what_cannot_be_asked_is_an_error_of_ours(told):
    with pytest.raises(SettingsError, match="did you mean cloud_max"):
        async with skyhaul.open(clout_max=20):
            pass
    with pytest.raises(SettingsError, match="--into"):
        async with skyhaul.open(product_type=TYPE) as haul:
            await haul.download()


async def test_credentials_may_be_given(told, tmp_path):
    async with skyhaul.open(product_type=TYPE, into=tmp_path / "a", via="http", credentials=Credentials()) as haul:
        with pytest.raises(AccessDenied, match="CDSE_USERNAME"):
            await haul.download()
    account = Credentials(username=told.environment["CDSE_USERNAME"], password=told.environment["CDSE_PASSWORD"])
    assert told.environment["CDSE_PASSWORD"] not in repr(account)
    async with skyhaul.open(product_type=TYPE, limit=1, into=tmp_path / "a", credentials=account) as haul:
        assert (await haul.download()).verified == 1


async def test_what_is_promised_is_there():
    assert sorted(skyhaul.__all__) == skyhaul.__all__
    assert all(getattr(skyhaul, name) is not None for name in skyhaul.__all__)


async def test_the_account_is_logged_in_while_the_catalogue_is_asked(told, tmp_path, monkeypatch):
    async with scripted() as host:
        monkeypatch.setenv("SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URL", host.root)
        monkeypatch.setenv("SKYHAUL_PROVIDERS__CDSE__TOKEN_URL", host.put("/token", b'{"access_token": "T"}'))
        host.put("/Products", b"", Reply(after=0, then="stall"))
        async with skyhaul.open(product_type=TYPE, into=tmp_path / "archive", via="http") as haul:
            with anyio.fail_after(20):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(haul.download)
                    while {seen.target.partition("?")[0] for seen in host.seen} != {"/Products", "/token"}:
                        await anyio.lowlevel.checkpoint()
                    tasks.cancel_scope.cancel()
