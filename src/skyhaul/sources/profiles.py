"""S3 keys from a profile of this machine's AWS configuration. Home of aiobotocore."""

from __future__ import annotations

from functools import partial

import anyio
from aiobotocore.session import AioSession
from anyio import to_thread
from botocore.exceptions import BotoCoreError

from skyhaul.archives import Account
from skyhaul.errors import SettingsError


async def profile_keys(profile: str, account: Account) -> tuple[str, str]:
    """The pair of keys that ``profile`` holds, in whatever way the AWS tools would find them; ``account`` is whom they are for.

    Raises:
        SettingsError: there is no such profile, or it holds no keys.
    """
    try:
        # Configuration files are read with blocking calls, so the look-up has a thread and a loop of its own.
        keys = await to_thread.run_sync(partial(anyio.run, _keys, profile))
    except BotoCoreError as error:
        raise SettingsError(f"AWS_PROFILE={profile}: {error}; {_instead(account)}") from None
    if keys is None:
        raise SettingsError(f"AWS_PROFILE={profile} holds no keys; {_instead(account)}")
    return keys


def _instead(account: Account) -> str:
    return f"set {account.variable('s3_access_key')} and {account.variable('s3_secret_key')} instead"


async def _keys(profile: str) -> tuple[str, str] | None:
    credentials = await AioSession(profile=profile).get_credentials()
    if credentials is None:
        return None
    frozen = await credentials.get_frozen_credentials()
    return frozen.access_key, frozen.secret_key
