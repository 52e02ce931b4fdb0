//! Stands between the functions and the tables, and hinders them.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use simdock_local::{Options, Proxy};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;

/// What becomes of a request to the tables.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// It reaches them after this time.
    After(Duration),
    /// It is turned away for now.
    Throttled,
    /// It is refused as wrong.
    Refused,
}

/// A proxy whose way can be changed.
pub struct Between {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    engine: OnceLock<String>,
    way: Mutex<Way>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Between {
    /// A proxy that lets all through.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::builder(TokioExecutor::new()).build_http();
        let shared = Arc::new(Shared { engine: OnceLock::new(), way: Mutex::new(Way::After(Duration::ZERO)), client });
        let served = Arc::clone(&shared);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&served);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(shared.answer(request).await) }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, shared }
    }

    /// Options of a stack whose functions reach their tables through here.
    pub fn options(&self) -> Options {
        let (url, shared) = (self.url.clone(), Arc::clone(&self.shared));
        let proxy: Proxy = Arc::new(move |engine| {
            shared.engine.get_or_init(|| engine.to_owned());
            url.clone()
        });
        Options { dynamodb_proxy: Some(proxy), paused: crate::api::SOURCES.map(str::to_owned).to_vec(), ..Options::default() }
    }

    pub fn set(&self, way: Way) {
        *self.shared.way.lock().unwrap() = way;
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let way = *self.way.lock().unwrap();
        let error = match way {
            Way::After(time) => {
                tokio::time::sleep(time).await;
                return self.forward(request).await;
            }
            Way::Throttled => "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            Way::Refused => "com.amazon.coral.validate#ValidationException",
        };
        let body = json!({"__type": error, "message": "on purpose"}).to_string();
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0".parse().unwrap());
        response
    }

    async fn forward(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (mut head, body) = request.into_parts();
        head.uri = self.engine.get().unwrap().parse().unwrap();
        head.headers.remove("host");
        let body = body.collect().await.unwrap().to_bytes();
        let answer = self.client.request(Request::from_parts(head, Full::new(body))).await.unwrap();
        let (head, body) = answer.into_parts();
        Response::from_parts(head, Full::new(body.collect().await.unwrap().to_bytes()))
    }
}
