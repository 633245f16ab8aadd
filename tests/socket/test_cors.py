"""What is read of the app's ``CORSMiddleware``, however it was added."""

import re

from fastapi.middleware.cors import CORSMiddleware
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware

from authx.socket.cors import read_cors_rules
from authx.socket.origin import CORSRules

SPA = "https://spa.test"


def test_the_rules_of_the_middleware_are_read_from_the_app() -> None:
    app = Starlette()
    app.add_middleware(GZipMiddleware)
    assert read_cors_rules(app) == CORSRules()

    app.add_middleware(
        CORSMiddleware, allow_origins=["*", SPA], allow_origin_regex="https://.*", allow_credentials=True
    )
    assert read_cors_rules(app) == CORSRules(
        origins=frozenset({SPA}), pattern=re.compile("https://.*"), any_origin=True, credentials=True
    )


def test_rules_given_by_position_and_by_a_subclass_count() -> None:
    class Mine(CORSMiddleware):
        pass

    app = Starlette()
    app.add_middleware(Mine, [SPA])

    assert read_cors_rules(app).origins == {SPA}
