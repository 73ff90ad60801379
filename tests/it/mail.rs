//! What goes to SES, as it is on the wire: read by hand, and its signature compared with that of
//! botocore, which others have written.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use mail::{Mailer, Message};
use serde_json::{Value, json};
use shared::{
    config::{AwsConfig, Credentials, MailConfig, OperatorConfig, Secret},
    email::EmailAddress,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use toolchain::sam;

/// Signs what it reads, with the credentials there.
const BOTOCORE: &str = r#"
import json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
it = json.load(sys.stdin)
headers = {name: it["headers"][name] for name in it["signed"]}
request = AWSRequest("POST", it["url"], headers=headers, data=it["body"].encode())
request.context["timestamp"] = it["headers"]["x-amz-date"]
auth = SigV4Auth(Credentials(it["key"], it["secret"], it["token"]), "ses", it["region"])
canonical = auth.canonical_request(request)
print(auth.signature(auth.string_to_sign(request, canonical), request))
"#;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY";
const TOKEN: &str = "a/token+of==";

/// One request, as SES reads it.
struct Read {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// A mailer that takes what listens there for SES.
fn mailer(endpoint: String) -> Mailer {
    Mailer::connect(MailConfig {
        aws: AwsConfig {
            region: "eu-west-1".to_owned(),
            endpoint: Some(endpoint),
            credentials: Credentials {
                access_key_id: KEY.to_owned(),
                secret_access_key: Secret::new(SECRET),
                session_token: Some(Secret::new(TOKEN)),
            },
        },
        from: "platform@example.com".to_owned(),
        contact: Some("operator@example.com".to_owned()),
        operator: OperatorConfig::default(),
    })
    .unwrap()
}

/// Reads one request and answers it.
async fn answer(stream: &mut TcpStream, status: &str) -> Read {
    let read = read(stream).await;
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
    stream.write_all(answer.as_bytes()).await.unwrap();
    read
}

/// Reads one request.
async fn read(stream: &mut TcpStream) -> Read {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8(bytes.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.split("\r\n").map(str::to_owned);
            let line = lines.next().unwrap();
            let headers: BTreeMap<_, _> = lines
                .map(|line| line.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned())))
                .map(Option::unwrap)
                .collect();
            if body.len() == headers["content-length"].parse::<usize>().unwrap() {
                return Read { line, headers, body: body.to_owned() };
            }
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the request has no end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_one_request_that_botocore_would_have_signed_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let mailer = mailer(format!("http://{host}"));
    let to = EmailAddress::parse("ada@example.com").unwrap();
    let message = |text: &str| Message { to: &to, subject: "A code", text: text.to_owned() };

    let served = tokio::spawn(async move {
        // On one connection: an answer is read to its end.
        let (mut stream, _) = listener.accept().await.unwrap();
        let first = answer(&mut stream, "200 OK").await;
        (first, answer(&mut stream, "200 OK").await)
    });
    let text = "Grüße, \"Ada\"\nA code: 7";
    assert!(mailer.send(message(text)).await.is_ok());
    assert!(mailer.send(message("again")).await.is_ok());
    let (Read { line, headers, body }, second) = served.await.unwrap();

    assert_eq!(line, "POST /v2/email/outbound-emails HTTP/1.1");
    assert_eq!(headers["content-type"], "application/json");
    let said = |data: &str| json!({"Data": data, "Charset": "UTF-8"});
    let asked = format!("{text}\n\nQuestions? Write to operator@example.com.\n");
    let expected = json!({
        "FromEmailAddress": "platform@example.com",
        "Destination": {"ToAddresses": ["ada@example.com"]},
        "ReplyToAddresses": ["operator@example.com"],
        "Content": {"Simple": {
            "Subject": said("A code"),
            "Body": {"Text": said(&asked)},
            "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
        }},
    });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    assert!(second.body.contains("again"));

    let part = |name: &str| {
        let (_, rest) = headers["authorization"].split_once(&format!("{name}=")).unwrap();
        rest.split(',').next().unwrap().to_owned()
    };
    let signed: Vec<String> = part("SignedHeaders").split(';').map(str::to_owned).collect();
    assert!(
        ["host", "x-amz-date", "x-amz-security-token"]
            .iter()
            .all(|it| signed.contains(&(*it).to_owned()))
    );
    let asked = json!({
        "url": format!("http://{host}/v2/email/outbound-emails"), "headers": headers,
        "signed": signed, "body": body, "key": KEY, "secret": SECRET, "token": TOKEN,
        "region": "eu-west-1",
    });
    let signature = tokio::task::spawn_blocking(move || {
        let mut python = sam().unwrap().python();
        python.args(["-c", BOTOCORE]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = python.spawn().unwrap();
        serde_json::to_writer(python.stdin.take().unwrap(), &asked).unwrap();
        String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap()
    });
    assert_eq!(part("Signature"), signature.await.unwrap().trim());
}

/// What SES does with a request instead of taking it.
#[derive(Clone, Copy, Debug)]
enum Instead {
    Refuses(&'static str),
    HangsUp,
    SaysNothing,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ses_does_not_take_is_told_and_was_sent_once() {
    use Instead::{HangsUp, Refuses, SaysNothing};

    let all = [
        Refuses("400 Bad Request"),
        Refuses("429 Too Many Requests"),
        Refuses("503 Service Unavailable"),
        HangsUp,
        SaysNothing,
    ];
    for instead in all {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mailer = mailer(format!("http://{}", listener.local_addr().unwrap()));
        let requests = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&requests);
        let serving = tokio::spawn(async move {
            let mut kept = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                match instead {
                    Refuses(status) => drop(answer(&mut stream, status).await),
                    HangsUp | SaysNothing => drop(read(&mut stream).await),
                }
                counted.fetch_add(1, Ordering::Relaxed);
                // Any other connection is closed, so that a request that came again were another one.
                if matches!(instead, SaysNothing) {
                    kept.push(stream);
                }
            }
        });
        let to = EmailAddress::parse("ada@example.com").unwrap();
        let message = Message { to: &to, subject: "A code", text: "7".to_owned() };
        assert!(mailer.send(message).await.is_err(), "{instead:?}");
        // As long as a client that tries again would wait at first.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(requests.load(Ordering::Relaxed), 1, "{instead:?}");
        serving.abort();
    }
}
