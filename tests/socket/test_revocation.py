"""Notices; the sweep is in tests/promises/test_logout_is_everywhere.py, with real connections."""

from authx.auth.identity import Identity
from authx.auth.revocation import Revocation
from authx.socket.revocation import Notices

ALICE = Identity(user="alice", session="s1", token_id="t1", issued_at=100.0)


def test_a_watch_hears_what_is_revoked_while_it_lasts() -> None:
    notices = Notices()
    notices.note(Revocation(session="s1"))
    with notices.watch() as early:
        notices.note(Revocation(token_id="t2"))
        with notices.watch() as late:
            notices.note(Revocation(user="alice", issued_before=100.0))
            assert early.covers(ALICE)
            assert late.covers(ALICE)
            assert not late.covers(Identity(user="bob", token_id="t2"))
            assert early.covers(Identity(user="bob", token_id="t2"))
        assert len(notices) == 1
    notices.note(Revocation(session="s1"))

    assert len(notices) == 0
    assert len(early.heard) == 2
    assert len(late.heard) == 1
