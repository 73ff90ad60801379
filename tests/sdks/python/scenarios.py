"""Calls a gateway through one provider's own Python SDK, the way its documentation says.

    scenarios.py SDK SCENARIO

SDK is openai, anthropic or genai; SCENARIO is a function below, named sdk_scenario.
What the developer would see is printed as one line of JSON. Anything else than the expected
outcome ends with a traceback on stderr and a non-zero exit.

Read from the environment:
    LAOZHANG_BASE_URL   the gateway, without /v1
    LAOZHANG_API_KEY    the caller's key
    LAOZHANG_MODEL      another model than the SDK's usual one (required by other_model)
    LAOZHANG_PROMPT     the user's message
"""

import json
import os
import sys

# A proxy of the machine must not stand between the SDK and a gateway on loopback.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

MODELS = {
    "openai": "gpt-5-mini",
    "anthropic": "claude-haiku-4-5",
    "genai": "gemini-2.5-flash",
}
WRONG_KEY = "sk-lz-wrong"
UNKNOWN_MODEL = "no-such-model"
MAX_TOKENS = 64


def base_url():
    return os.environ["LAOZHANG_BASE_URL"].rstrip("/")


def key():
    return os.environ["LAOZHANG_API_KEY"]


def model(sdk):
    return os.environ.get("LAOZHANG_MODEL") or MODELS[sdk]


def prompt():
    return os.environ.get("LAOZHANG_PROMPT") or "Say hello."


def models(ids):
    assert ids and all(ids), ids
    return {"count": len(ids), "ids": ids[:5]}


# OpenAI


def openai_client(api_key=None):
    from openai import OpenAI

    return OpenAI(base_url=base_url() + "/v1", api_key=api_key or key())


def openai_create(client, **arguments):
    arguments = {"model": model("openai"), **arguments}
    return client.chat.completions.create(
        messages=[{"role": "user", "content": prompt()}], **arguments
    )


def openai_usage(usage):
    # A provider may count its reasoning in the total alone.
    assert usage.total_tokens >= usage.prompt_tokens + usage.completion_tokens, usage
    return {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}


def openai_error(kind, status, call):
    try:
        call()
    except kind as error:
        assert error.status_code == status, error
        return {
            "status": error.status_code,
            "type": error.type,
            "code": error.code,
            "message": error.message,
            "request_id": error.request_id,
        }
    raise AssertionError(f"no {kind.__name__}")


def openai_plain():
    completion = openai_create(openai_client())
    assert completion.object == "chat.completion", completion
    [choice] = completion.choices
    assert choice.message.role == "assistant", choice
    return {
        "model": completion.model,
        "text": choice.message.content,
        "finish": choice.finish_reason,
        **openai_usage(completion.usage),
    }


def openai_other_model():
    os.environ["LAOZHANG_MODEL"]
    return openai_plain()


def openai_stream():
    text, finish, chunks = "", None, 0
    for chunk in openai_create(openai_client(), stream=True):
        # As most programs do: a usage chunk nobody asked for has no choices and would raise.
        choice = chunk.choices[0]
        assert chunk.usage is None, chunk
        text += choice.delta.content or ""
        finish = choice.finish_reason or finish
        chunks += 1
    assert finish, "the stream ended without a finish reason"
    return {"text": text, "finish": finish, "chunks": chunks}


def openai_stream_usage():
    text, finish, chunks, last = "", None, 0, None
    options = {"include_usage": True}
    for last in openai_create(openai_client(), stream=True, stream_options=options):
        for choice in last.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        chunks += 1
    assert finish, "the stream ended without a finish reason"
    assert last.usage is not None, last
    return {"text": text, "finish": finish, "chunks": chunks, **openai_usage(last.usage)}


def openai_wrong_key():
    from openai import AuthenticationError

    client = openai_client(WRONG_KEY)
    return openai_error(AuthenticationError, 401, lambda: openai_create(client))


def openai_unknown_model():
    from openai import NotFoundError

    client = openai_client()
    return openai_error(NotFoundError, 404, lambda: openai_create(client, model=UNKNOWN_MODEL))


def openai_models():
    listed = list(openai_client().models.list())
    assert all(each.object == "model" for each in listed), listed
    return models([each.id for each in listed])


# Anthropic


def anthropic_client(api_key=None):
    from anthropic import Anthropic

    return Anthropic(base_url=base_url(), api_key=api_key or key())


def anthropic_arguments(**arguments):
    return {
        "model": model("anthropic"),
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": prompt()}],
        **arguments,
    }


def anthropic_message(message):
    assert message.type == "message" and message.role == "assistant", message
    return {
        "model": message.model,
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "finish": message.stop_reason,
        "input_tokens": message.usage.input_tokens,
        "output_tokens": message.usage.output_tokens,
    }


def anthropic_error(kind, status, call):
    try:
        call()
    except kind as error:
        assert error.status_code == status, error
        return {
            "status": error.status_code,
            "type": error.type,
            "code": error.error_code,
            "message": error.message,
            "request_id": error.request_id,
        }
    raise AssertionError(f"no {kind.__name__}")


def anthropic_plain():
    return anthropic_message(anthropic_client().messages.create(**anthropic_arguments()))


def anthropic_stream():
    text, chunks, events = "", 0, []
    with anthropic_client().messages.stream(**anthropic_arguments()) as stream:
        for event in stream:
            events.append(event.type)
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
                chunks += 1
        message = anthropic_message(stream.get_final_message())
    assert events[0] == "message_start" and events[-1] == "message_stop", events
    assert message["text"] == text, (message, text)
    return {**message, "chunks": chunks}


def anthropic_wrong_key():
    from anthropic import AuthenticationError

    messages = anthropic_client(WRONG_KEY).messages
    return anthropic_error(
        AuthenticationError, 401, lambda: messages.create(**anthropic_arguments())
    )


def anthropic_unknown_model():
    from anthropic import NotFoundError

    messages = anthropic_client().messages
    arguments = anthropic_arguments(model=UNKNOWN_MODEL)
    return anthropic_error(NotFoundError, 404, lambda: messages.create(**arguments))


def anthropic_models():
    # Iterating follows has_more, so an endless or broken page chain shows here.
    listed = list(anthropic_client().models.list())
    assert all(each.type == "model" and each.display_name for each in listed), listed
    return models([each.id for each in listed])


# Google Gen AI


# This SDK's client closes its connection when it is collected: hold it for as long as the call.
def genai_client(api_key=None, **options):
    from google import genai
    from google.genai import types

    options = types.HttpOptions(base_url=base_url(), **options)
    return genai.Client(api_key=api_key or key(), http_options=options)


def genai_usage(usage):
    thoughts = usage.thoughts_token_count or 0
    return {
        "input_tokens": usage.prompt_token_count,
        "output_tokens": (usage.candidates_token_count or 0) + thoughts,
    }


def genai_error(status, call):
    from google.genai import errors

    try:
        call()
    except errors.ClientError as error:
        assert error.code == status, error
        return {
            "status": error.code,
            "type": error.status,
            "code": None,
            "message": error.message,
            "request_id": error.response.headers.get("x-request-id"),
        }
    raise AssertionError("no ClientError")


def genai_plain(**options):
    client = genai_client(**options)
    response = client.models.generate_content(model=model("genai"), contents=prompt())
    [candidate] = response.candidates
    return {
        "model": response.model_version,
        "text": response.text,
        "finish": candidate.finish_reason.value,
        **genai_usage(response.usage_metadata),
    }


def genai_plain_v1beta():
    return genai_plain(api_version="v1beta")


def genai_stream():
    text, finish, usage, chunks = "", None, None, 0
    client = genai_client()
    for chunk in client.models.generate_content_stream(model=model("genai"), contents=prompt()):
        text += chunk.text or ""
        usage = chunk.usage_metadata or usage
        for candidate in chunk.candidates or []:
            finish = candidate.finish_reason or finish
        chunks += 1
    assert finish, "the stream ended without a finish reason"
    return {"text": text, "finish": finish.value, "chunks": chunks, **genai_usage(usage)}


def genai_wrong_key():
    client = genai_client(WRONG_KEY)
    return genai_error(
        401, lambda: client.models.generate_content(model=model("genai"), contents=prompt())
    )


def genai_unknown_model():
    client = genai_client()
    return genai_error(
        404, lambda: client.models.generate_content(model=UNKNOWN_MODEL, contents=prompt())
    )


def genai_models():
    client = genai_client()
    names = [each.name for each in client.models.list()]
    assert all(name.startswith("models/") for name in names), names
    return models(names)


if __name__ == "__main__":
    sdk, scenario = sys.argv[1:]
    print(json.dumps({"ok": True, **globals()[f"{sdk}_{scenario}"]()}))
