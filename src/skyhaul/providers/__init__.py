"""The archives that can be asked, one entry each, and those that are gone."""

from __future__ import annotations

from dataclasses import replace

from skyhaul.archives import COPERNICUS, Account, Archive, ProviderSettings
from skyhaul.errors import SettingsError
from skyhaul.values import meant
from skyhaul.vocabulary import COLLECTIONS, gone

CDSE = ProviderSettings(
    catalogue_url="https://catalogue.dataspace.copernicus.eu/odata/v1",
    download_url="https://download.dataspace.copernicus.eu/odata/v1",
    token_url="https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",  # noqa: S106 an address
    stac_url="https://stac.dataspace.copernicus.eu/v1",
    s3_url="https://eodata.dataspace.copernicus.eu",
    connections=4,
    requests_per_minute=2000,
    bytes_per_s_per_connection=20_000_000,
    bytes_per_30_days=12_000_000_000_000,
)
"""The Copernicus Data Space for a general account."""

CREODIAS = ProviderSettings(
    catalogue_url="https://datahub.creodias.eu/odata/v1",
    download_url="https://zipper.creodias.eu/odata/v1",
    token_url="https://identity.cloudferro.com/auth/realms/Creodias-new/protocol/openid-connect/token",  # noqa: S106 an address
    s3_url="https://eodata.cloudferro.com",
)
NOA = ProviderSettings(
    catalogue_url="https://sentinels.space.noa.gr/catalogue/odata/v1",
    token_url="https://sentinels.space.noa.gr/auth/realms/mirror/protocol/openid-connect/token",  # noqa: S106 likewise
    connections=2,
)

CLOUDFERRO = Account(
    service="skyhaul:creodias",
    prefix="CREODIAS",
    takes=("username", "password", "totp_secret", "s3_access_key", "s3_secret_key"),
    made_at="https://creodias.eu",
    keys_at="https://creodias.eu",
    client_id="CLOUDFERRO_PUBLIC",
)
HELLENIC = Account(
    service="skyhaul:noa",
    prefix="NOA",
    takes=("username", "password"),
    made_at="https://sentinels.space.noa.gr",
    client_id="mirror-client",
    # The mirror's own instructions say so.
    also={"username": ("ESA_USERNAME",), "password": ("ESA_PASSWORD",)},
    searching=True,
)
HUB = Account(
    service="skyhaul:dhus",
    prefix="DHUS",
    takes=("username", "password"),
    made_at="the mirror's own address",
    way="basic",
    searching=True,
)
RESTO = Account(
    service="skyhaul:resto",
    prefix="RESTO",
    takes=("username", "password"),
    made_at="the archive's own address",
    way="basic",
)
SENTINELS = ("SENTINEL-1", "SENTINEL-2", "SENTINEL-3", "SENTINEL-5P")

_CDSE_KEYS = ("catalogue_url", "download_url", "token_url", "stac_url", "s3_url", "s3_region")
_CDSE_NEEDS = "a free account to download (search needs none)"

ARCHIVES = (
    Archive(
        name="cdse",
        title="Copernicus Data Space Ecosystem",
        made_by="skyhaul.providers.cdse:made",
        needs=_CDSE_NEEDS,
        takes=_CDSE_KEYS,
        settings=CDSE,
        account=COPERNICUS,
        collections=COLLECTIONS,
    ),
    Archive(
        name="cdse-stac",
        title="Copernicus Data Space Ecosystem, found by STAC",
        made_by="skyhaul.providers.stac_cdse:made",
        needs=_CDSE_NEEDS,
        takes=_CDSE_KEYS,
        settings=CDSE,
        account=COPERNICUS,
        like="cdse",
    ),
    Archive(
        name="earth-search",
        title="Earth Search of Element 84: open data on AWS",
        uuids=False,
        made_by="skyhaul.providers.earth_search:made",
        needs="nothing",
        takes=("catalogue_url",),
        settings=ProviderSettings(catalogue_url="https://earth-search.aws.element84.com/v1", connections=8),
    ),
    Archive(
        name="planetary-computer",
        title="Microsoft Planetary Computer",
        uuids=False,
        made_by="skyhaul.providers.planetary_computer:made",
        needs="nothing; with a key in PLANETARY_COMPUTER_API_KEY it gives more",
        takes=("catalogue_url", "sign_url"),
        settings=ProviderSettings(
            catalogue_url="https://planetarycomputer.microsoft.com/api/stac/v1",
            sign_url="https://planetarycomputer.microsoft.com/api/sas/v1",
            connections=8,
        ),
        account=Account(
            service="skyhaul:planetary-computer",
            prefix="PLANETARY_COMPUTER",
            takes=("api_key",),
            also={"api_key": ("PC_SDK_SUBSCRIPTION_KEY",)},
            way="header",
            header="Ocp-Apim-Subscription-Key",
            made_at="https://planetarycomputer.microsoft.com",
            keys_at="https://planetarycomputer.microsoft.com",
            searching=True,
            needed=False,
        ),
    ),
    Archive(
        name="geodes",
        title="GEODES of CNES: PEPS, THEIA, MUSCATE",
        uuids=False,
        made_by="skyhaul.providers.geodes:made",
        needs="a free key in GEODES_API_KEY to download (search needs none)",
        takes=("catalogue_url",),
        settings=ProviderSettings(catalogue_url="https://geodes-portal.cnes.fr/api/stac"),
        account=Account(
            service="skyhaul:geodes",
            prefix="GEODES",
            takes=("api_key",),
            way="header",
            header="X-API-Key",
            made_at="https://geodes-portal.cnes.fr",
            keys_at="https://geodes-portal.cnes.fr",
        ),
        parts=False,
    ),
    Archive(
        name="stac",
        title="any STAC API, by its address",
        uuids=False,
        made_by="skyhaul.providers.stac:made",
        needs="--url; keys in STAC_S3_ACCESS_KEY and STAC_S3_SECRET_KEY where its files are in a closed bucket",
        takes=("url", "s3_url", "s3_region"),
        account=Account(
            service="skyhaul:stac",
            prefix="STAC",
            takes=("api_key", "s3_access_key", "s3_secret_key"),
            way="header",
            header="X-API-Key",
            made_at="the archive's own pages",
            keys_at="the archive's own pages",
            searching=True,
            needed=False,
        ),
    ),
    Archive(
        name="list",
        title="files of a list: URLs, S3 keys, Metalink, aria2 (--from)",
        made_by="skyhaul.providers.listed:made",
        needs="nothing of its own; an account of the Copernicus Data Space is shown to its hosts alone",
        takes=("catalogue_url", "download_url", "token_url", "s3_url", "s3_region"),
        settings=ProviderSettings(
            catalogue_url=CDSE.catalogue_url,
            download_url=CDSE.download_url,
            token_url=CDSE.token_url,
            s3_url=CDSE.s3_url,
        ),
        account=replace(COPERNICUS, needed=False),
        like="cdse",
        parts=False,
    ),
    Archive(
        name="creodias",
        title="CREODIAS",
        made_by="skyhaul.providers.creodias:made",
        needs="an account to download (search needs none)",
        takes=("catalogue_url", "download_url", "token_url", "s3_url", "s3_region"),
        settings=CREODIAS,
        account=CLOUDFERRO,
        collections=COLLECTIONS,
    ),
    Archive(
        name="noa",
        title="Hellenic mirror of the Sentinels (NOA)",
        made_by="skyhaul.providers.noa:made",
        needs="an account of its own, for searching too",
        takes=("catalogue_url", "token_url"),
        settings=NOA,
        account=HELLENIC,
        collections=SENTINELS,
    ),
    Archive(
        name="dhus",
        title="A DHuS, as national mirrors run it (--url)",
        made_by="skyhaul.providers.dhus:made",
        needs="an account of the mirror, for searching too",
        takes=("url",),
        account=HUB,
        collections=SENTINELS,
    ),
    Archive(
        name="resto",
        title="A resto in the manner of PEPS (--url)",
        made_by="skyhaul.providers.resto:made",
        needs="an account to download",
        takes=("url",),
        account=RESTO,
    ),
)


def known() -> tuple[str, ...]:
    """The names of all archives."""
    return tuple(archive.name for archive in ARCHIVES)


def find(name: str) -> Archive:
    """The archive of that name.

    Raises:
        SettingsError: there is none, or none any more; says what there is instead.
    """
    for archive in ARCHIVES:
        if archive.name == name.lower():
            return archive
    if fate := gone(name):
        raise SettingsError(fate)
    raise SettingsError(f"the provider {name!r} is unknown; {meant(name, known())}")
