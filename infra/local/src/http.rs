//! Serving HTTP/1.1 on the loopback interface, and the answers that several parts give.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A request whose body is still to be read.
pub type Request = hyper::Request<Incoming>;
/// An answer whose body is there.
pub type Response = hyper::Response<Full<Bytes>>;

/// How long connections may take to finish once the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until `stop` turns true, then lets requests that are under way finish.
pub async fn serve<H, F>(listener: TcpListener, mut stop: watch::Receiver<bool>, handle: H)
where
    H: Fn(Request, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file handles, most likely: others have to end first.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let handle = handle.clone();
        let mut stop = stop.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answer = handle(request, peer);
                async move {
                    let answer = answer.await;
                    // An error closes the connection.
                    if answer.extensions().get::<HangUp>().is_some() {
                        Err(io::Error::other("told to hang up"))
                    } else {
                        Ok(answer)
                    }
                }
            });
            let mut connection =
                std::pin::pin!(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            let stopped = async move { stop.wait_for(|stop| *stop).await.map(|_| ()) };
            // An error of the connection is a client that went away.
            tokio::select! {
                _ = &mut connection => {}
                _ = stopped => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
}

/// Marks an answer that is not given.
#[derive(Clone)]
struct HangUp;

/// Closes the connection instead of answering.
pub fn hang_up() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(HangUp);
    response
}

/// Why a body was not read.
pub enum BodyError {
    /// It is longer than allowed.
    TooLarge,
    /// The client stopped sending.
    Broken,
}

/// Reads a body of up to `limit` bytes.
pub async fn read_body(body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Broken),
    }
}

/// An answer with a body of a type.
pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A JSON answer.
pub fn json(status: StatusCode, body: &Value) -> Response {
    answer(status, "application/json", body.to_string())
}

/// A page.
pub fn html(body: String) -> Response {
    answer(StatusCode::OK, "text/html; charset=utf-8", body)
}

/// The answer to a request to the stack itself that cannot be carried out.
pub fn refusal(status: StatusCode, problem: &str) -> Response {
    json(status, &serde_json::json!({ "message": problem }))
}

/// Text for the inside of an HTML element or attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
