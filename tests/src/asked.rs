//! A request that could have had a recorded answer: as long a prompt as the recording reports,
//! with the media, tools and tier that it shows.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use shared::{event::HttpEvent, provider::Provider, tier::Tier, units::UnitClass};

use crate::recordings::Recording;

/// The boundary of the forms here.
const BOUNDARY: &str = "a-boundary-of-the-tests";

/// How long the answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// As long as the model likes.
    Open,
    /// The next power of two above what was written.
    Close,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Path and query.
    pub path: String,
    /// The content type.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    /// The request for `recording`, with so many bytes to a token of its prompt.
    pub fn for_answer(recording: &Recording, bytes_per_token: u64, limit: Limit) -> Self {
        let asker = Asker { recording, bytes_per_token, limit };
        let model = &recording.model;
        match recording.endpoint.as_str() {
            "chat_completions" => asker.chat(),
            "completions" => asker.completion(),
            "responses" => asker.response("/v1/responses"),
            "compact" => asker.json("/v1/responses/compact", &asker.text("input")),
            "input_tokens" => asker.json("/v1/responses/input_tokens", &asker.text("input")),
            "embeddings" => asker.json("/v1/embeddings", &asker.text("input")),
            "moderations" => asker.json("/v1/moderations", r#","input":"a text""#),
            "image_generations" => asker.image(),
            "image_edits" => asker.image_edit(),
            "audio_speech" => asker.speech(),
            "audio_transcriptions" => asker.file("/v1/audio/transcriptions"),
            "audio_translations" => asker.file("/v1/audio/translations"),
            "messages" => asker.message(),
            "count_tokens" => asker.json("/v1/messages/count_tokens", r#","messages":[]"#),
            "gemini_count_tokens" => asker.content("countTokens", r#""contents":[]"#),
            "embed_content" => asker.content("embedContent", &asker.parts()),
            "batch_embed_contents" => {
                let request = format!(r#"{{"model":"models/{model}",{}}}"#, asker.parts());
                asker.content("batchEmbedContents", &format!(r#""requests":[{request}]"#))
            }
            "generate_content" => asker.generate("generateContent"),
            "stream_generate_content" if recording.file.ends_with(".json") => {
                asker.generate("streamGenerateContent")
            }
            "stream_generate_content" => asker.generate("streamGenerateContent?alt=sse"),
            other => panic!("{}: no such endpoint as {other}", recording.file),
        }
    }
}

impl Asked {
    /// The event that API Gateway makes of it, with the body in base 64.
    pub fn event(&self) -> HttpEvent {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let query = query.split_once('=').into_iter();
        let query: Map<String, Value> = query.map(|(k, v)| (k.to_owned(), v.into())).collect();
        let event = json!({
            "httpMethod": "POST",
            "path": path,
            "headers": {"content-type": self.content_type},
            "multiValueHeaders": {"content-type": [self.content_type]},
            "queryStringParameters": query,
            "body": STANDARD.encode(&self.body),
            "isBase64Encoded": true,
            "requestContext": {"httpMethod": "POST"},
        });
        HttpEvent::parse(event.to_string().as_bytes()).expect("an event")
    }
}

struct Asker<'a> {
    recording: &'a Recording,
    bytes_per_token: u64,
    limit: Limit,
}

impl Asker<'_> {
    fn units(&self, class: UnitClass) -> u64 {
        self.recording.units.get(class)
    }

    /// A text of as many tokens as the prompt had.
    fn prompt(&self) -> String {
        let bytes = self.recording.units.prompt_tokens().max(1) * self.bytes_per_token;
        "a".repeat(usize::try_from(bytes).expect("a length"))
    }

    /// A member that is the prompt.
    fn text(&self, name: &str) -> String {
        format!(r#","{name}":"{}""#, self.prompt())
    }

    /// The limit of the answer, as a member of this name.
    fn limit(&self, name: &str) -> String {
        let classes = [
            UnitClass::Output,
            UnitClass::Reasoning,
            UnitClass::AudioOutput,
            UnitClass::ImageOutput,
        ];
        let written: u64 = classes.into_iter().map(|class| self.units(class)).sum();
        match self.limit {
            Limit::Open => String::new(),
            Limit::Close => format!(r#","{name}":{}"#, written.max(16).next_power_of_two()),
        }
    }

    fn service_tier(&self, name: &str) -> String {
        let tier = self.recording.tier;
        if tier == Tier::Standard { String::new() } else { format!(r#","{name}":"{tier}""#) }
    }

    fn json(&self, path: &str, members: &str) -> Asked {
        let model = &self.recording.model;
        Asked {
            path: path.to_owned(),
            content_type: "application/json".to_owned(),
            body: format!(r#"{{"model":"{model}"{members}}}"#).into_bytes(),
        }
    }

    fn stream(&self) -> String {
        format!(r#","stream":{}"#, self.recording.streamed)
    }

    fn chat(&self) -> Asked {
        let mut members = self.stream() + &self.limit("max_tokens");
        if self.recording.streamed {
            members += r#","stream_options":{"include_usage":true}"#;
        }
        members += &self.service_tier("service_tier");
        if self.units(UnitClass::AudioOutput) > 0 {
            members += r#","modalities":["text","audio"]"#;
        }
        let mut parts = format!(r#"{{"type":"text","text":"{}"}}"#, self.prompt());
        if self.units(UnitClass::AudioInput) > 0 {
            parts += r#",{"type":"input_audio","input_audio":{"data":"AAAA"}}"#;
        }
        members += &format!(r#","n":3,"messages":[{{"role":"user","content":[{parts}]}}]"#);
        self.json("/v1/chat/completions", &members)
    }

    fn completion(&self) -> Asked {
        let limit = self.units(UnitClass::Output).max(1);
        let usage = if self.recording.streamed {
            r#","stream_options":{"include_usage":true}"#
        } else {
            ""
        };
        let members = format!(r#","max_tokens":{limit},"n":2{usage}"#);
        self.json("/v1/completions", &(members + &self.stream() + &self.text("prompt")))
    }

    fn response(&self, path: &str) -> Asked {
        let mut members = self.stream() + &self.limit("max_output_tokens") + &self.text("input");
        members += &self.service_tier("service_tier");
        if self.units(UnitClass::CacheWrite12h) > 0 {
            members += r#","prompt_cache_options":{"ttl":"12h"}"#;
        }
        if self.units(UnitClass::Searches) > 0 {
            members += r#","tools":[{"type":"web_search"}]"#;
        }
        self.json(path, &members)
    }

    fn image(&self) -> Asked {
        let size = match self.limit {
            Limit::Open => "",
            Limit::Close => r#","size":"1024x1536""#,
        };
        let previews = if self.recording.streamed { r#","partial_images":2"# } else { "" };
        // The finest of this size has 6,240 tokens.
        let count = self.units(UnitClass::ImageOutput).max(1).div_ceil(6_240);
        let members = format!(r#","n":{count}{size}{previews}"#);
        self.json("/v1/images/generations", &(members + &self.stream() + &self.text("prompt")))
    }

    fn form(&self, path: &str, fields: &[(&str, String)], file: (&str, u64)) -> Asked {
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        let (name, bytes) = file;
        let file = "f".repeat(usize::try_from(bytes).expect("a length"));
        body += &format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\n{file}\r\n--{BOUNDARY}--\r\n"
        );
        Asked {
            path: path.to_owned(),
            content_type: format!("multipart/form-data; boundary={BOUNDARY}"),
            body: body.into_bytes(),
        }
    }

    fn image_edit(&self) -> Asked {
        let mut fields = vec![
            ("model", self.recording.model.clone()),
            ("prompt", self.prompt()),
            ("stream", self.recording.streamed.to_string()),
            ("user", "somebody".to_owned()),
        ];
        if self.limit == Limit::Close {
            fields.push(("size", "1024x1536".to_owned()));
        }
        self.form("/v1/images/edits", &fields, ("image", 4_096))
    }

    fn speech(&self) -> Asked {
        let format = if self.recording.streamed { r#","stream_format":"sse""# } else { "" };
        self.json("/v1/audio/speech", &(format.to_owned() + &self.text("input")))
    }

    fn file(&self, path: &str) -> Asked {
        let fields = [
            ("model", self.recording.model.clone()),
            ("stream", self.recording.streamed.to_string()),
        ];
        // As much as a second or a token of speech takes at 128 kbit/s.
        let seconds = self.units(UnitClass::Seconds).max(self.units(UnitClass::AudioInput) / 10);
        self.form(path, &fields, ("file", seconds.max(1) * 16_000))
    }

    fn message(&self) -> Asked {
        let mut members = self.stream();
        members += match self.limit {
            Limit::Open => r#","max_tokens":64000"#.to_owned(),
            Limit::Close => self.limit("max_tokens"),
        }
        .as_str();
        let tier = self.recording.tier;
        if matches!(tier, Tier::Fast | Tier::FastUs) {
            members += r#","speed":"fast""#;
        }
        if matches!(tier, Tier::Us | Tier::FastUs) {
            members += r#","inference_geo":"us""#;
        }
        if self.units(UnitClass::Searches) > 0 {
            members += r#","tools":[{"type":"web_search_20250305","name":"web_search"}]"#;
        }
        let ttl = if self.units(UnitClass::CacheWrite1h) > 0 { "1h" } else { "5m" };
        let prompt = self.prompt();
        members += &format!(
            r#","messages":[{{"role":"user","content":[{{"type":"text","text":"{prompt}","cache_control":{{"type":"ephemeral","ttl":"{ttl}"}}}}]}}]"#
        );
        self.json("/v1/messages", &members)
    }

    /// A content with the prompt, and media where the recording counts them apart.
    fn parts(&self) -> String {
        let mut parts = format!(r#"{{"text":"{}"}}"#, self.prompt());
        for (class, kind) in [
            (UnitClass::AudioInput, "audio/wav"),
            (UnitClass::ImageInput, "image/png"),
            (UnitClass::VideoInput, "video/mp4"),
        ] {
            if self.units(class) > 0 {
                parts += &format!(r#",{{"inlineData":{{"mimeType":"{kind}","data":"AAAA"}}}}"#);
            }
        }
        format!(r#""content":{{"parts":[{parts}]}}"#)
    }

    fn generate(&self, verb: &str) -> Asked {
        let limit = self.limit("maxOutputTokens");
        let config = if limit.is_empty() {
            String::new()
        } else {
            format!(r#","generationConfig":{{"candidateCount":2{limit}}}"#)
        };
        let search = if self.units(UnitClass::Searches) > 0 {
            r#","tools":[{"googleSearch":{}}]"#
        } else {
            ""
        };
        let content = self.parts().replacen("\"content\":", "", 1);
        let tier = self.service_tier("serviceTier");
        self.content(verb, &format!(r#""contents":[{content}]{config}{search}{tier}"#))
    }

    fn content(&self, verb: &str, members: &str) -> Asked {
        Asked {
            path: format!("/v1beta/models/{}:{verb}", self.recording.model),
            content_type: "application/json".to_owned(),
            body: format!("{{{members}}}").into_bytes(),
        }
    }
}

/// Whether the platform would let a call through that could have had this answer. Google's newer
/// models bill each of as many queries as they like, so that no hold covers them.
pub fn is_carried(recording: &Recording) -> bool {
    let searched = recording.units.get(UnitClass::Searches) > 0;
    !(recording.provider == Provider::Gemini && searched && recording.model != "gemini-2.5-pro")
}
