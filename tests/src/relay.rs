//! A relay in front of a server: it passes every byte on, and notes what is asked. What an SDK
//! has sent shows here, and so does each time it tried again.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    task::JoinHandle,
};

/// What every request line ends with.
const ENDING: &[u8] = b" HTTP/1.1\r";

/// The relay.
pub struct Relay {
    address: SocketAddr,
    asked: Asked,
    accepting: JoinHandle<()>,
}

type Asked = Arc<Mutex<Vec<String>>>;

impl Relay {
    /// Starts one in front of the server at `url`.
    pub async fn to(url: &str) -> Self {
        let target: SocketAddr =
            url.trim_start_matches("http://").parse().expect("an address on loopback");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Asked::default();
        let accepting = tokio::spawn(accept(listener, target, Arc::clone(&asked)));
        Self { address, asked, accepting }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests since it was asked last, as `POST /v1/messages`.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("not poisoned"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, asked: Asked) {
    while let Ok((caller, _)) = listener.accept().await {
        let server = TcpStream::connect(target).await.expect("the server is there");
        for stream in [&caller, &server] {
            stream.set_nodelay(true).expect("TCP_NODELAY");
        }
        let (from_caller, mut to_caller) = caller.into_split();
        let (mut from_server, to_server) = server.into_split();
        tokio::spawn(listen(from_caller, to_server, Arc::clone(&asked)));
        tokio::spawn(async move {
            drop(tokio::io::copy(&mut from_server, &mut to_caller).await);
        });
    }
}

/// Passes on what the caller sends.
async fn listen(mut caller: OwnedReadHalf, mut server: OwnedWriteHalf, asked: Asked) {
    let mut line = Vec::new();
    let mut piece = vec![0; 16 * 1_024];
    while let Ok(length @ 1..) = caller.read(&mut piece).await {
        for byte in &piece[..length] {
            if *byte != b'\n' {
                line.push(*byte);
                continue;
            }
            asked.lock().expect("not poisoned").extend(request(&line));
            line.clear();
        }
        if server.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

/// The request that this line begins. The body of the one before may stand in front of it.
fn request(line: &[u8]) -> Option<String> {
    let line = line.strip_suffix(ENDING)?;
    let mut words = line.rsplit(|byte| *byte == b' ');
    let (path, before) = (words.next()?, words.next()?);
    let method = before.rsplit(|byte| !byte.is_ascii_uppercase()).next()?;
    let [method, path] = [method, path].map(|word| String::from_utf8(word.to_vec()).ok());
    Some(format!("{} {}", method?, path?))
}

#[cfg(test)]
mod tests {
    use super::request;

    #[test]
    fn a_request_is_found_behind_the_body_of_another() {
        let found = request(br#"{"a":"POST /b"}GET /v1/models?x=1 HTTP/1.1"#);
        assert_eq!(found, None, "a line ends with a carriage return");
        let found = request(b"{\"a\":\"POST /b\"}GET /v1/models?x=1 HTTP/1.1\r");
        assert_eq!(found.as_deref(), Some("GET /v1/models?x=1"));
        assert_eq!(request(b"accept: */*\r"), None);
    }
}
