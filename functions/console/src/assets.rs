//! What pages load: the style, our script and htmx, each under a name that its content gives it, so that browsers keep it for good.

use crate::api::Refusal;
use crate::http::answer;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CACHE_CONTROL, HeaderValue};
use lambda_http::{Body, Response};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// A file that pages load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asset {
    /// The style.
    Style,
    /// Our own script.
    Script,
    /// htmx 2, as its package has it.
    Htmx,
    /// The icon in the browser's tab.
    Icon,
}

impl Asset {
    const ALL: [Self; 4] = [Self::Style, Self::Script, Self::Htmx, Self::Icon];

    fn content(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Style => ("console", "css", include_str!("../static/console.css")),
            Self::Script => ("console", "js", include_str!("../static/console.js")),
            Self::Htmx => ("htmx", "js", include_str!("../static/htmx.min.js")),
            Self::Icon => ("icon", "svg", include_str!("../static/icon.svg")),
        }
    }

    /// The path below the host.
    pub fn path(self) -> &'static str {
        static PATHS: OnceLock<[String; 4]> = OnceLock::new();
        let paths = PATHS.get_or_init(|| {
            Self::ALL.map(|asset| {
                let (name, extension, content) = asset.content();
                let hash = hex::encode(&Sha256::digest(content.as_bytes())[..8]);
                format!("/console/assets/{name}.{hash}.{extension}")
            })
        });
        &paths[self as usize]
    }
}

/// A file by its name, which never stands for anything else.
pub fn serve(name: &str) -> Result<Response<Body>, Refusal> {
    let named = |asset: &Asset| asset.path().rsplit('/').next() == Some(name);
    let asset = Asset::ALL.into_iter().find(named).ok_or_else(Refusal::not_found)?;
    let (_, extension, content) = asset.content();
    let content_type = match extension {
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    };
    let mut response = answer(StatusCode::OK, content_type, content);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}
