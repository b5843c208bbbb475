"""S3 keys from a profile of this machine's AWS configuration. Home of aiobotocore."""

from __future__ import annotations

from functools import partial

import anyio
from aiobotocore.session import AioSession
from anyio import to_thread
from botocore.exceptions import BotoCoreError

from skyhaul.errors import SettingsError


async def profile_keys(profile: str) -> tuple[str, str]:
    """The pair of keys that ``profile`` holds, in whatever way the AWS tools would find them.

    Raises:
        SettingsError: there is no such profile, or it holds no keys.
    """
    try:
        # Configuration files are read with blocking calls, so the look-up has a thread and a loop of its own.
        keys = await to_thread.run_sync(partial(anyio.run, _keys, profile))
    except BotoCoreError as error:
        raise SettingsError(
            f"AWS_PROFILE={profile}: {error}; set CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY instead"
        ) from None
    if keys is None:
        raise SettingsError(
            f"AWS_PROFILE={profile} holds no keys; set CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY instead"
        )
    return keys


async def _keys(profile: str) -> tuple[str, str] | None:
    credentials = await AioSession(profile=profile).get_credentials()
    if credentials is None:
        return None
    frozen = await credentials.get_frozen_credentials()
    return frozen.access_key, frozen.secret_key
