"""What a scenario knows of its caller: where the gateway is, the key, and what is said."""

import base64
import os

WRONG_KEY = "sk-lz-wrong"
UNKNOWN_MODEL = "no-such-model"
MAX_TOKENS = 64

# One red pixel, and a thousandth of a second of silence.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"
)
SILENCE = base64.b64decode(
    "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA=="
)

# The function that the model is offered: its name, what it does, and what it takes.
TOOL = "get_weather"
TOOL_PURPOSE = "The weather in a city."
TOOL_TAKES = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}


def base_url():
    return os.environ["LAOZHANG_BASE_URL"].rstrip("/")


def key():
    return os.environ["LAOZHANG_API_KEY"]


def model(usual):
    return os.environ.get("LAOZHANG_MODEL") or usual


def prompt():
    return os.environ.get("LAOZHANG_PROMPT") or "Say hello."


def listed(ids):
    assert ids and all(ids), ids
    return {"count": len(ids), "ids": ids}


def vectors(values):
    """Numbers that are exact in 32 bits come out as they went in, in whatever form they came."""
    values = [list(each) for each in values]
    assert all(isinstance(number, float) for each in values for number in each), values
    return {"vectors": values}


def absent(client, *names):
    """The SDK has no such call. That stays true, or the scenario is to be written."""
    for name in names:
        assert not hasattr(client, name), name
    return {"absent": True}


def failure(kind, call):
    """The SDK's own kind of error, with which the call must end."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def broken(kind, stream, text):
    """What came of a stream before it raised, and the error: a clean end would be a lie."""
    parts = []

    def read():
        for event in stream():
            parts.append(text(event) or "")

    error = failure(kind, read)
    return error, "".join(parts)
