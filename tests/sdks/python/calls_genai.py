"""The scenarios of the SDK `google-genai`."""

from caller import (
    PIXEL,
    TOOL,
    TOOL_PURPOSE,
    TOOL_TAKES,
    UNKNOWN_MODEL,
    WRONG_KEY,
    base_url,
    broken,
    failure,
    key,
    listed,
    model,
    prompt,
    vectors,
)
from google import genai
from google.genai import types
from google.genai.errors import APIError


# This SDK's client closes its connection when it is collected: hold it for as long as the call.
def client(api_key=None, **options):
    options = types.HttpOptions(base_url=base_url(), **options)
    return genai.Client(api_key=api_key or key(), http_options=options)


def generate(contents=None, api_key=None, options=None, **more):
    held = client(api_key, **(options or {}))
    more = {"model": model("gemini-2.5-flash"), **more}
    return held.models.generate_content(contents=contents or prompt(), **more)


def generate_stream(**more):
    held = client()
    yield from held.models.generate_content_stream(
        model=model("gemini-2.5-flash"), contents=prompt(), **more
    )


def usage_of(usage):
    thoughts = usage.thoughts_token_count or 0
    return {
        "input_tokens": usage.prompt_token_count,
        "output_tokens": (usage.candidates_token_count or 0) + thoughts,
    }


def seen_response(response):
    [candidate] = response.candidates
    return {
        "model": response.model_version,
        "text": response.text,
        "finish": candidate.finish_reason.value,
        **usage_of(response.usage_metadata),
    }


def seen_error(error):
    return {
        "class": type(error).__name__,
        "status": error.code,
        "type": error.status,
        "message": error.message,
    }


def plain():
    return seen_response(generate())


def plain_v1beta():
    return seen_response(generate(options={"api_version": "v1beta"}))


def stream():
    text, finish, usage, chunks = "", None, None, 0
    for chunk in generate_stream():
        text += chunk.text or ""
        usage = chunk.usage_metadata or usage
        for candidate in chunk.candidates or []:
            finish = candidate.finish_reason or finish
        chunks += 1
    assert finish, "the stream ended without a finish reason"
    return {"text": text, "finish": finish.value, "chunks": chunks, **usage_of(usage)}


def tools():
    declaration = types.FunctionDeclaration(
        name=TOOL, description=TOOL_PURPOSE, parameters_json_schema=TOOL_TAKES
    )
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declaration])]
    )
    response = generate(config=config)
    streamed = [
        call for chunk in generate_stream(config=config) for call in chunk.function_calls or []
    ]
    [plain_call], [streamed_call] = response.function_calls, streamed
    return {
        "calls": [
            {"name": call.name, "arguments": call.args} for call in (plain_call, streamed_call)
        ],
        **usage_of(response.usage_metadata),
    }


def image():
    part = types.Part.from_bytes(data=PIXEL, mime_type="image/png")
    return seen_response(generate([prompt(), part]))


def embeddings():
    held = client()
    answer = held.models.embed_content(model=model("gemini-embedding-001"), contents=[prompt()])
    return vectors([each.values for each in answer.embeddings])


def models():
    held = client()
    names = [each.name for each in held.models.list()]
    assert all(name.startswith("models/") for name in names), names
    return listed(names)


def count_tokens():
    held = client()
    counted = held.models.count_tokens(model=model("gemini-2.5-flash"), contents=prompt())
    return {"input_tokens": counted.total_tokens}


def wrong_key():
    return seen_error(failure(APIError, lambda: generate(api_key=WRONG_KEY)))


def unknown_model():
    return seen_error(failure(APIError, lambda: generate(model=UNKNOWN_MODEL)))


def provider_error():
    return seen_error(failure(APIError, generate))


def stream_error():
    error, text = broken(APIError, generate_stream, lambda chunk: chunk.text)
    return {"text": text, **seen_error(error)}
