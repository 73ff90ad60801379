"""The scenarios of the SDK `anthropic`."""

import base64

from anthropic import Anthropic, APIError
from caller import (
    MAX_TOKENS,
    PIXEL,
    TOOL,
    TOOL_PURPOSE,
    TOOL_TAKES,
    UNKNOWN_MODEL,
    WRONG_KEY,
    absent,
    base_url,
    broken,
    failure,
    key,
    listed,
    model,
    prompt,
)


def client(api_key=None):
    return Anthropic(base_url=base_url(), api_key=api_key or key())


def asked(content=None, **more):
    return {
        "model": model("claude-haiku-4-5"),
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": content or prompt()}],
        **more,
    }


def create(content=None, **more):
    return client().messages.create(**asked(content, **more))


def usage_of(message):
    return {
        "input_tokens": message.usage.input_tokens,
        "output_tokens": message.usage.output_tokens,
    }


def seen_message(message):
    assert message.type == "message" and message.role == "assistant", message
    return {
        "model": message.model,
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "finish": message.stop_reason,
        **usage_of(message),
    }


def seen_error(error):
    return {
        "class": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "type": getattr(error, "type", None),
        "code": getattr(error, "error_code", None),
        "message": error.message,
        "request_id": getattr(error, "request_id", None),
    }


def plain():
    return seen_message(create())


def stream():
    text, chunks, events = "", 0, []
    with client().messages.stream(**asked()) as events_of:
        for event in events_of:
            events.append(event.type)
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
                chunks += 1
        message = seen_message(events_of.get_final_message())
    assert events[0] == "message_start" and events[-1] == "message_stop", events
    assert message["text"] == text, (message, text)
    return {**message, "chunks": chunks}


def tools():
    offered = [{"name": TOOL, "description": TOOL_PURPOSE, "input_schema": TOOL_TAKES}]
    message = create(tools=offered)
    with client().messages.stream(**asked(tools=offered)) as events:
        streamed = events.get_final_message()
    calls = []
    for each in (message, streamed):
        assert each.stop_reason == "tool_use", each
        [call] = [block for block in each.content if block.type == "tool_use"]
        calls.append({"name": call.name, "arguments": call.input})
    return {"calls": calls, **usage_of(message)}


def image():
    data = base64.b64encode(PIXEL).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return seen_message(
        create([{"type": "image", "source": source}, {"type": "text", "text": prompt()}])
    )


def embeddings():
    return absent(client(), "embeddings")


def models():
    # Iterating follows has_more, so an endless or broken page chain shows here.
    each_model = list(client().models.list())
    assert all(each.type == "model" and each.display_name for each in each_model), each_model
    return listed([each.id for each in each_model])


def count_tokens():
    body = asked()
    del body["max_tokens"]
    return {"input_tokens": client().messages.count_tokens(**body).input_tokens}


def wrong_key():
    messages = client(WRONG_KEY).messages
    return seen_error(failure(APIError, lambda: messages.create(**asked())))


def unknown_model():
    return seen_error(failure(APIError, lambda: create(model=UNKNOWN_MODEL)))


def provider_error():
    return seen_error(failure(APIError, create))


def stream_error():
    def text(event):
        return event.delta.text if event.type == "content_block_delta" else ""

    error, before = broken(APIError, lambda: create(stream=True), text)
    return {"text": before, **seen_error(error)}
