from __future__ import annotations

from skyhaul.simulate import kept
from skyhaul.simulate.kept import KeptReplies
from skyhaul.simulate.odata import Reply


def test_what_is_kept_is_there_until_it_gets_too_much(monkeypatch):
    monkeypatch.setattr(kept, "KEPT_REPLY_BYTES", 25)
    replies: KeptReplies[Reply] = KeptReplies()
    made = [Reply(200, b"0123456789") for _ in range(3)]
    for number, reply in enumerate(made):
        replies.keep(number, reply)
    assert [replies.get(number) for number in range(3)] == [None, made[1], made[2]]


def test_the_same_question_is_kept_once(monkeypatch):
    monkeypatch.setattr(kept, "KEPT_REPLY_BYTES", 25)
    replies: KeptReplies[Reply] = KeptReplies()
    for _ in range(5):
        replies.keep("a", Reply(200, b"0123456789"))
    replies.keep("b", Reply(200, b"0123456789"))
    assert replies.get("a") is not None
    assert replies.get("b") is not None
