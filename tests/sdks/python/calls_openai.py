"""The scenarios of the SDK `openai`."""

import base64
import json
import time

from caller import (
    PIXEL,
    SILENCE,
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
from openai import APIError, OpenAI


def client(api_key=None):
    return OpenAI(base_url=base_url() + "/v1", api_key=api_key or key())


def chat(content=None, api_key=None, **more):
    more = {"model": model("gpt-5-mini"), **more}
    messages = [{"role": "user", "content": content or prompt()}]
    return client(api_key).chat.completions.create(messages=messages, **more)


def usage_of(usage):
    # A provider may count its reasoning in the total alone.
    assert usage.total_tokens >= usage.prompt_tokens + usage.completion_tokens, usage
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def seen_error(error):
    # An error inside a stream has no status: the stream began with 200.
    return {
        "class": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "type": error.type,
        "code": error.code,
        "message": error.message,
        "request_id": getattr(error, "request_id", None),
    }


def seen_chat(completion):
    assert completion.object == "chat.completion", completion
    [choice] = completion.choices
    assert choice.message.role == "assistant", choice
    return {
        "model": completion.model,
        "text": choice.message.content,
        "finish": choice.finish_reason,
        **usage_of(completion.usage),
    }


def plain():
    return seen_chat(chat())


def stream():
    text, finish, chunks = "", None, 0
    for chunk in chat(stream=True):
        # As most programs do: a usage chunk nobody asked for has no choices and would raise.
        choice = chunk.choices[0]
        assert chunk.usage is None, chunk
        text += choice.delta.content or ""
        finish = choice.finish_reason or finish
        chunks += 1
    assert finish, "the stream ended without a finish reason"
    return {"text": text, "finish": finish, "chunks": chunks}


def stream_usage():
    text, finish, chunks, last = "", None, 0, None
    for last in chat(stream=True, stream_options={"include_usage": True}):
        for choice in last.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        chunks += 1
    assert finish, "the stream ended without a finish reason"
    assert last.usage is not None, last
    return {"text": text, "finish": finish, "chunks": chunks, **usage_of(last.usage)}


def tools():
    function = {"name": TOOL, "description": TOOL_PURPOSE, "parameters": TOOL_TAKES}
    offered = [{"type": "function", "function": function}]
    completion = chat(tools=offered)
    [choice] = completion.choices
    assert choice.finish_reason == "tool_calls", choice
    [call] = choice.message.tool_calls
    name, arguments, finish = None, "", None
    for chunk in chat(tools=offered, stream=True):
        choice = chunk.choices[0]
        finish = choice.finish_reason or finish
        for part in choice.delta.tool_calls or []:
            name = part.function.name or name
            arguments += part.function.arguments or ""
    assert finish == "tool_calls", finish
    return {
        "calls": [
            {"name": call.function.name, "arguments": json.loads(call.function.arguments)},
            {"name": name, "arguments": json.loads(arguments)},
        ],
        **usage_of(completion.usage),
    }


def image():
    url = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    parts = [{"type": "text", "text": prompt()}, {"type": "image_url", "image_url": {"url": url}}]
    return seen_chat(chat(parts))


def embeddings():
    # The SDK itself asks for base 64, and makes numbers of it again.
    answer = client().embeddings.create(model=model("text-embedding-3-small"), input=[prompt()])
    return {
        **vectors([each.embedding for each in answer.data]),
        "input_tokens": answer.usage.prompt_tokens,
    }


def models():
    each_model = list(client().models.list())
    assert all(each.object == "model" for each in each_model), each_model
    return listed([each.id for each in each_model])


def count_tokens():
    counted = client().responses.input_tokens.count(model=model("gpt-5-mini"), input=prompt())
    return {"input_tokens": counted.input_tokens}


def wrong_key():
    return seen_error(failure(APIError, lambda: chat(api_key=WRONG_KEY)))


def unknown_model():
    return seen_error(failure(APIError, lambda: chat(model=UNKNOWN_MODEL)))


def provider_error():
    return seen_error(failure(APIError, chat))


def stream_error():
    error, text = broken(
        APIError, lambda: chat(stream=True), lambda chunk: chunk.choices[0].delta.content
    )
    return {"text": text, **seen_error(error)}


def respond(**more):
    return client().responses.create(model=model("gpt-5-mini"), input=prompt(), **more)


def responses():
    response = respond()
    assert response.object == "response", response
    return {
        "model": response.model,
        "text": response.output_text,
        "finish": response.status,
        "input_tokens": response.usage.input_tokens,
        "output_tokens": response.usage.output_tokens,
    }


def responses_stream():
    text, events, last = "", 0, None
    for last in respond(stream=True):
        if last.type == "response.output_text.delta":
            text += last.delta
        events += 1
    assert last.type == "response.completed", last
    assert last.response.output_text == text, (last, text)
    usage = last.response.usage
    return {
        "text": text,
        "finish": last.response.status,
        "chunks": events,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
    }


def responses_error():
    error, text = broken(
        APIError,
        lambda: respond(stream=True),
        lambda event: event.delta if event.type == "response.output_text.delta" else "",
    )
    return {"text": text, **seen_error(error)}


def completions():
    completion = client().completions.create(
        model=model("gpt-3.5-turbo-instruct"), prompt=prompt()
    )
    [choice] = completion.choices
    return {
        "model": completion.model,
        "text": choice.text,
        "finish": choice.finish_reason,
        **usage_of(completion.usage),
    }


def moderation():
    answer = client().moderations.create(model=model("omni-moderation-latest"), input=prompt())
    [result] = answer.results
    return {"flagged": result.flagged, "score": result.category_scores.violence}


def seen_images(answer):
    [each] = answer.data
    return {
        "image": each.b64_json,
        "input_tokens": answer.usage.input_tokens,
        "output_tokens": answer.usage.output_tokens,
    }


def images():
    return seen_images(client().images.generate(model=model("gpt-image-1-mini"), prompt=prompt()))


def image_edit():
    edited = client().images.edit(
        model=model("gpt-image-1-mini"),
        image=("pixel.png", PIXEL, "image/png"),
        prompt=prompt(),
    )
    return seen_images(edited)


def transcription():
    answer = client().audio.transcriptions.create(
        model=model("gpt-4o-mini-transcribe"),
        file=("silence.wav", SILENCE, "audio/wav"),
        prompt=prompt(),
    )
    usage = answer.usage
    return {
        "text": answer.text,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
    }


def speech():
    answer = client().audio.speech.create(model=model("tts-1"), voice="alloy", input=prompt())
    # Each byte as the character of its number.
    return {"audio": answer.read().decode("latin-1")}


def reports():
    """What finance reads with the admin client, page by page, of the last five days."""
    admin = OpenAI(base_url=base_url() + "/v1", api_key=key(), admin_api_key=key()).admin
    usage, start = admin.organization.usage, int(time.time()) - 5 * 86_400

    def results(report, **asked):
        page = {}
        while True:
            answer = report(start_time=start, **asked, **page)
            assert answer.object == "page", answer
            for bucket in answer.data:
                assert bucket.object == "bucket" and bucket.start_time < bucket.end_time, bucket
                yield from bucket.results
            if not answer.has_more:
                return
            page = {"page": answer.next_page}

    hours = list(results(usage.completions, bucket_width="1h", limit=50, group_by=["model", "api_key_id"]))
    assert all(result.api_key_id.startswith("key_") for result in hours), hours
    images = list(results(usage.images))
    costs = list(results(usage.costs, limit=3, group_by=["line_item"]))
    assert all(cost.amount.currency == "usd" for cost in costs), costs
    return {
        "requests": sum(result.num_model_requests for result in hours),
        "input_tokens": sum(result.input_tokens for result in hours),
        "models": sorted({result.model for result in hours}),
        "images": sum(result.num_model_requests for result in images),
        "cents": round(sum(cost.amount.value for cost in costs) * 100, 6),
        "line_items": sorted({cost.line_item for cost in costs}),
        "refused": refused_report(usage, start),
    }


def refused_report(usage, start):
    call = lambda: usage.completions(start_time=start, group_by=["user_id"])
    error = failure(APIError, call)
    return {"status": error.status_code, "code": error.code, "param": error.param}
