"""What came of a question, whichever way it ends."""

from authx.socket.audience import Reply
from authx.socket.connection import Connection
from authx.socket.questions import Questions


def connection(sid: str) -> Connection:
    return Connection(sid=sid, namespace="/", device=f"device of {sid}", identity=None, connected_at=0.0)


async def test_each_connection_has_an_outcome_of_its_own() -> None:
    questions = Questions()
    asked = [questions.put(connection(sid)) for sid in ("answers", "leaves", "is silent")]
    asked[0](1, 2)
    questions.leave("leaves")

    replies = await questions.replies(asked, timeout=0)

    assert replies == [
        Reply("answers", None, "device of answers", "answered", (1, 2)),
        Reply("leaves", None, "device of leaves", "left"),
        Reply("is silent", None, "device of is silent", "timeout"),
    ]


async def test_only_the_first_end_of_a_question_counts() -> None:
    questions = Questions()
    question = questions.put(connection("a"))
    question("first")
    question("second")
    questions.leave("a")

    assert (await questions.replies([question], timeout=5))[0].values == ("first",)


async def test_nobody_asked_is_nothing_to_wait_for() -> None:
    assert await Questions().replies([], timeout=5) == []


async def test_a_withdrawn_question_leaves_nothing_behind() -> None:
    questions = Questions()
    one, other = questions.put(connection("a")), questions.put(connection("a"))
    questions.withdraw(one)
    assert len(questions) == 1
    questions.withdraw(other)
    questions.withdraw(other)

    assert len(questions) == 0
    questions.leave("a")
