"""Small documents from memory, in place of a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from skyhaul.errors import ObjectMissing

Reply = bytes | Mapping[str, Any] | Exception


@dataclass
class FakeWeb:
    """Answers what ``answer`` says for a URL and a body; notes what was asked."""

    answer: Callable[[str, Any], Reply]
    asked: list[tuple[str, Any]] = field(default_factory=list)

    async def get(self, url: str) -> bytes:
        return self._answered(url, None)

    async def post(self, url: str, body: bytes, media_type: str) -> bytes:
        assert media_type == "application/json"
        return self._answered(url, json.loads(body))

    def _answered(self, url: str, body: Any) -> bytes:
        self.asked.append((url, body))
        reply = self.answer(url, body)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, bytes) else json.dumps(reply).encode()


def missing(url: str, _: Any = None) -> Reply:
    return ObjectMissing(f"{url} answered 404")


def features(*items: Mapping[str, Any], **more: Any) -> Mapping[str, Any]:
    return {"type": "FeatureCollection", "features": list(items), **more}
