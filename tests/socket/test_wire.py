"""Bodies and reserved names."""

import datetime
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from authx.auth.identity import Identity
from authx.socket.exceptions import Closing, Denial, Refusal, ReservedNameError
from authx.socket.wire import (
    check_emitted,
    check_handled,
    closing_body,
    error_body,
    exception_body,
    expiring_body,
    is_refused_from_clients,
    refresh_body,
    refusal_body,
    request_error_body,
    session_body,
    to_wire,
)


class Model(BaseModel):
    at: datetime.datetime
    long_name: str = Field(default="x", serialization_alias="longName")


@dataclass
class Point:
    x: int
    y: int


def test_the_last_word_is_a_code_a_sentence_and_whether_to_come_back() -> None:
    assert closing_body(Closing("kicked", "Out", retry=True)) == {
        "code": "kicked",
        "message": "Out",
        "retry": True,
    }


def test_the_session_body_says_who_and_until_when() -> None:
    identity = Identity(user="42", scopes=frozenset({"b", "a"}), roles=frozenset({"r"}), expires_at=160.0)

    assert session_body(identity, key="k", ttl=60.0) == {
        "user": "42",
        "scopes": ["a", "b"],
        "roles": ["r"],
        "expires_at": 160.0,
        "ttl": 60.0,
        "key": "k",
    }


def test_a_token_without_end_has_no_ttl() -> None:
    body = session_body(Identity(user="42"), key="k", ttl=None)

    assert (body["expires_at"], body["ttl"]) == (None, None)


def test_a_refresh_is_answered_with_what_there_is_now() -> None:
    identity = Identity(user="42", scopes=frozenset({"b", "a"}), roles=frozenset({"r"}), expires_at=160.0)

    assert refresh_body(identity, ttl=60.0) == {
        "scopes": ["a", "b"],
        "roles": ["r"],
        "expires_at": 160.0,
        "ttl": 60.0,
    }
    assert expiring_body(60.0) == {"ttl": 60.0}


def test_a_failed_request_is_answered_with_a_code() -> None:
    assert request_error_body(Denial("token_expired", "Over")) == {
        "error": {"code": "token_expired", "message": "Over", "retry": True}
    }


def test_a_refusal_is_the_standard_connect_error() -> None:
    assert refusal_body(Refusal("token_expired")) == {
        "message": "The token has expired",
        "data": {"code": "token_expired", "retry": True},
    }


def test_a_failure_says_code_message_and_details() -> None:
    denial = Denial("validation_error", details=[{"loc": ("data",), "msg": "no"}])

    assert error_body(denial) == {
        "error": {
            "code": "validation_error",
            "message": "The arguments are not valid",
            "details": [{"loc": ["data"], "msg": "no"}],
        }
    }
    assert exception_body(Denial("out_of_stock", "Sold"), "buy") == {
        "error": {"code": "out_of_stock", "message": "Sold"},
        "event": "buy",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            Model(at=datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)),
            {"at": "2030-01-01T00:00:00Z", "longName": "x"},
        ),
        (Point(1, 2), {"x": 1, "y": 2}),
        ([Point(1, 2), b"\xff"], [{"x": 1, "y": 2}, b"\xff"]),
        ({"at": datetime.date(2030, 1, 1)}, {"at": "2030-01-01"}),
        ((1, "a", None, True, 1.5), [1, "a", None, True, 1.5]),
        (frozenset({1}), [1]),
    ],
)
def test_values_become_what_json_carries_and_bytes_stay_bytes(value: object, expected: object) -> None:
    assert to_wire(value) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_plain_values_go_through_unchanged(value: object) -> None:
    assert to_wire(value) == value


@pytest.mark.parametrize(
    "event", ["connect", "disconnect", "connect_error", "exception", "authx:session", "authx:"]
)
def test_the_names_of_the_protocol_and_the_library_are_refused_from_clients(event: str) -> None:
    assert is_refused_from_clients(event)


def test_a_handler_of_an_event_that_no_client_may_send_is_a_mistake() -> None:
    check_handled("connect")
    check_handled("disconnect")
    check_handled("message")
    for event in ("connect_error", "exception", "authx:refresh"):
        with pytest.raises(ReservedNameError):
            check_handled(event)


def test_an_app_may_not_pass_for_the_library() -> None:
    check_emitted("message")
    check_emitted("exception")
    for event in ("connect", "disconnect", "connect_error", "authx:closing"):
        with pytest.raises(ReservedNameError):
            check_emitted(event)
