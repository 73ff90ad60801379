//! Calls in which a canary stands wherever somebody can write.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tests::{canary::Canaries, deployment::event, provider::Script};

/// The places where a caller writes.
const CALLERS: usize = 23;

/// Every place where somebody writes: a caller's, and then those of a provider, of the tables and of
/// whoever else answers.
pub(crate) const PLACES: [&str; 37] = [
    "system text",
    "prompt",
    "tool name",
    "tool description",
    "tool arguments",
    "image data",
    "file name",
    "file data",
    "JSON key",
    "user",
    "metadata",
    "header name",
    "header value",
    "cookie",
    "user agent",
    "query name",
    "query value",
    "path",
    "form field",
    "form file name",
    "form value",
    "idempotency key",
    "key",
    "provider's text",
    "provider's JSON key",
    "provider's tool arguments",
    "provider's error",
    "provider's header",
    "provider's redirect",
    "event comment",
    "event name",
    "event id",
    "end of a broken answer",
    "error of the tables",
    "error of Secrets Manager",
    "error of SES",
    "secret",
];

/// Whether a caller writes there.
pub(crate) fn is_callers(place: &str) -> bool {
    PLACES.iter().take(CALLERS).any(|callers| *callers == place)
}

/// A call, and what the provider answers to it.
pub(crate) struct Planted {
    /// The event of `events/` that it is made of.
    pub(crate) name: &'static str,
    /// The event.
    pub(crate) event: Value,
    /// The answer.
    pub(crate) answer: Script,
}

/// The event of this name, with canaries in its headers and its query.
pub(crate) fn planted(name: &str, canaries: &Canaries) -> Value {
    let mut event: Value = serde_json::from_slice(&event(name)).expect("JSON");
    let at = |place| canaries.at(place);
    let headers = [
        (format!("x-{}", at("header name")), at("header value")),
        ("X-Title".to_owned(), at("header value")),
        ("X-Stainless-Helper".to_owned(), at("header value")),
        ("OpenAI-Organization".to_owned(), at("header value")),
        ("traceparent".to_owned(), at("header value")),
        ("Referer".to_owned(), at("header value")),
        ("X-Forwarded-For".to_owned(), at("header value")),
        ("Cookie".to_owned(), at("cookie")),
        ("User-Agent".to_owned(), at("user agent")),
    ];
    for (name, value) in headers {
        event["headers"][&name] = value.into();
        event["multiValueHeaders"][&name] = json!([value]);
    }
    let mut query = event["queryStringParameters"].as_object().cloned().unwrap_or_default();
    query.insert(at("query name").to_owned(), at("query value").into());
    event["multiValueQueryStringParameters"] =
        query.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    event["queryStringParameters"] = query.into();
    event["requestContext"]["identity"]["userAgent"] = at("user agent").into();
    event["requestContext"]["identity"]["sourceIp"] = at("header value").into();
    event["requestContext"]["requestId"] = at("header value").into();
    event
}

/// The event of this name with this body.
pub(crate) fn with_body(name: &str, body: &str, canaries: &Canaries) -> Value {
    let mut event = planted(name, canaries);
    event["body"] = body.into();
    event["isBase64Encoded"] = false.into();
    event
}

/// What a provider answers: canaries in a header and in what it says.
fn answered(content_type: &str, body: impl Into<bytes::Bytes>, canaries: &Canaries) -> Script {
    let header = canaries.at("provider's header");
    let script = Script::new(200, content_type).header("x-provider", header);
    script.header("openai-organization", header).header("set-cookie", header).then(body)
}

/// Calls of every kind that succeed.
pub(crate) fn calls(canaries: &Canaries) -> Vec<Planted> {
    let whole = bodies(canaries).into_iter().map(|(name, body, said)| {
        let answer = answered("application/json", said.to_string(), canaries);
        Planted { name, event: with_body(name, &body.to_string(), canaries), answer }
    });
    let mut all: Vec<_> = whole.collect();
    let spoken = canaries.at("provider's text").to_owned();
    all.push(Planted {
        name: "proxy.speech",
        event: with_body("proxy.speech", &speech(canaries).to_string(), canaries),
        answer: answered("audio/mpeg", spoken, canaries),
    });
    all.push(Planted {
        name: "proxy.transcription",
        event: form(canaries),
        answer: answered(
            "application/json",
            json!({"text": canaries.at("provider's text"), "usage": {"input_tokens": 9, "output_tokens": 4}}).to_string(),
            canaries,
        ),
    });
    all
}

/// Streams of every format.
pub(crate) fn streams(canaries: &Canaries) -> Vec<Planted> {
    let at = |place| canaries.at(place);
    let noise = format!(
        ": {}\n\nevent: {}\nid: {}\nretry: 1\ndata: {{\"{}\":\"{}\"}}\n\n",
        at("event comment"),
        at("event name"),
        at("event id"),
        at("provider's JSON key"),
        at("provider's text"),
    );
    let text = at("provider's text");
    let chat = format!(
        "{noise}data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\ndata: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":4}}}}\n\ndata: [DONE]\n\n"
    );
    let messages = format!(
        "{noise}event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"usage\":{{\"input_tokens\":9,\"output_tokens\":1}}}}}}\n\nevent: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"delta\":{{\"text\":\"{text}\"}}}}\n\nevent: message_delta\ndata: {{\"type\":\"message_delta\",\"usage\":{{\"output_tokens\":4}}}}\n\nevent: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
    );
    let gemini = format!(
        "{noise}data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}},\"finishReason\":\"STOP\"}}],\"usageMetadata\":{{\"promptTokenCount\":9,\"candidatesTokenCount\":4,\"totalTokenCount\":13}}}}\r\n\r\n"
    );
    let response = format!(
        "{noise}event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{{\"text\":\"{text}\",\"usage\":{{\"input_tokens\":9,\"output_tokens\":4}}}}}}\n\n"
    );
    let bodies = bodies(canaries);
    let of = |name: &'static str, whole: &str, said: String| {
        let (_, body, _) = bodies.iter().find(|(of, ..)| *of == whole).expect("a body");
        let mut body = body.clone();
        if name != "proxy.stream-generate-content" {
            body["stream"] = true.into();
        }
        let event = with_body(name, &body.to_string(), canaries);
        Planted { name, event, answer: answered("text/event-stream", said, canaries) }
    };
    vec![
        of("proxy.chat-stream", "proxy.chat", chat),
        of("proxy.messages-stream", "proxy.messages", messages),
        of("proxy.stream-generate-content", "proxy.generate-content", gemini),
        of("proxy.responses-stream", "proxy.responses", response),
    ]
}

/// The chat call, and no answer.
pub(crate) fn chat(canaries: &Canaries) -> Value {
    calls(canaries).into_iter().next().expect("a call").event
}

/// The streamed chat call, and no answer.
pub(crate) fn chat_stream(canaries: &Canaries) -> Value {
    streams(canaries).into_iter().next().expect("a stream").event
}

/// The bodies of JSON, by the event whose other parts they go with, and what is answered.
fn bodies(canaries: &Canaries) -> Vec<(&'static str, Value, Value)> {
    let at = |place| canaries.at(place);
    let image = STANDARD.encode(at("image data"));
    let file = STANDARD.encode(at("file data"));
    let arguments = json!({at("JSON key"): at("tool arguments")});
    let schema = json!({"type": "object", "properties": {at("JSON key"): {"type": "string"}}});
    let (text, told) = (at("provider's text"), at("provider's tool arguments"));
    let openai_usage = json!({"prompt_tokens": 9, "completion_tokens": 4});
    let usage = json!({"input_tokens": 9, "output_tokens": 4});
    let said = json!({
        at("provider's JSON key"): text,
        "choices": [{"message": {"content": text, "tool_calls": [{"function": {"arguments": told}}]}}],
        "usage": openai_usage,
    });
    let gemini_said = json!({
        "candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13},
    });
    let input_said = json!({"data": [text], "usage": usage, "output": [{"text": text}]});
    vec![
        (
            "proxy.chat",
            json!({
                "model": "gpt-5-mini", "max_completion_tokens": 20, at("JSON key"): at("JSON key"),
                "user": at("user"), "safety_identifier": at("user"), "prompt_cache_key": at("user"),
                "metadata": {at("JSON key"): at("metadata")},
                "messages": [
                    {"role": "system", "content": at("system text")},
                    {"role": "user", "name": at("user"), "content": [
                        {"type": "text", "text": at("prompt")},
                        {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{image}")}},
                        {"type": "file", "file": {"filename": at("file name"), "file_data": format!("data:application/pdf;base64,{file}")}},
                    ]},
                    {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": at("tool name"), "arguments": arguments.to_string()}}]},
                    {"role": "tool", "tool_call_id": "1", "content": at("prompt")},
                ],
                "tools": [{"type": "function", "function": {"name": at("tool name"), "description": at("tool description"), "parameters": schema}}],
            }),
            said.clone(),
        ),
        (
            "proxy.messages",
            json!({
                "model": "claude-haiku-4-5", "max_tokens": 64, "system": at("system text"),
                "metadata": {"user_id": at("metadata")},
                "messages": [{"role": "user", "content": [
                    {"type": "text", "text": at("prompt")},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}},
                    {"type": "document", "title": at("file name"), "source": {"type": "text", "media_type": "text/plain", "data": at("file data")}},
                ]}, {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": at("tool name"), "input": arguments}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": at("prompt")}]}],
                "tools": [{"name": at("tool name"), "description": at("tool description"), "input_schema": schema}],
            }),
            json!({"type": "message", at("provider's JSON key"): text, "content": [{"text": text}, {"input": told}], "usage": usage}),
        ),
        (
            "proxy.generate-content",
            json!({
                "systemInstruction": {"parts": [{"text": at("system text")}]},
                "contents": [{"parts": [
                    {"text": at("prompt")},
                    {"inlineData": {"mimeType": "image/png", "data": image}},
                    {"functionCall": {"name": at("tool name"), "args": arguments}},
                ]}],
                "tools": [{"functionDeclarations": [{"name": at("tool name"), "description": at("tool description"), "parameters": schema}]}],
                "labels": {at("JSON key"): at("metadata")},
            }),
            gemini_said,
        ),
        (
            "proxy.responses",
            json!({
                "model": "gpt-5-mini", "instructions": at("system text"), "user": at("user"),
                "metadata": {at("JSON key"): at("metadata")},
                "input": [{"role": "user", "content": [
                    {"type": "input_text", "text": at("prompt")},
                    {"type": "input_image", "image_url": format!("data:image/png;base64,{image}")},
                ]}, {"type": "function_call", "call_id": "1", "name": at("tool name"), "arguments": arguments.to_string()},
                {"type": "function_call_output", "call_id": "1", "output": at("prompt")}],
                "tools": [{"type": "function", "name": at("tool name"), "description": at("tool description"), "parameters": schema}],
            }),
            input_said.clone(),
        ),
        (
            "proxy.embeddings",
            json!({"model": "text-embedding-3-small", "input": at("prompt"), "user": at("user")}),
            json!({"data": [text], "usage": {"prompt_tokens": 9}}),
        ),
        (
            "proxy.image",
            json!({"model": "gpt-image-2", "prompt": at("prompt"), "size": "1024x1024", "quality": "low", "user": at("user")}),
            input_said.clone(),
        ),
        (
            "proxy.moderation",
            json!({"input": at("prompt"), at("JSON key"): at("JSON key")}),
            input_said.clone(),
        ),
        (
            "proxy.count-tokens",
            json!({"model": "claude-haiku-4-5", "system": at("system text"), "messages": [{"role": "user", "content": at("prompt")}]}),
            input_said,
        ),
    ]
}

fn speech(canaries: &Canaries) -> Value {
    let at = |place| canaries.at(place);
    json!({"model": "tts-1", "input": at("prompt"), "instructions": at("system text"), "voice": "alloy"})
}

/// A form with a file, in base 64 as API Gateway has it.
pub(crate) fn form(canaries: &Canaries) -> Value {
    let at = |place| canaries.at(place);
    let part = |head: String, value: &str| {
        format!("--sample\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
    };
    let body = [
        part("name=\"model\"".to_owned(), "whisper-1"),
        part("name=\"prompt\"".to_owned(), at("prompt")),
        part(format!("name=\"{}\"", at("form field")), at("form value")),
        part(format!("name=\"file\"; filename=\"{}.mp3\"", at("form file name")), at("file data")),
        "--sample--\r\n".to_owned(),
    ];
    let mut event = planted("proxy.transcription", canaries);
    event["body"] = STANDARD.encode(body.concat()).into();
    event
}
