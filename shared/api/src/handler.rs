use crate::Problem;
use futures_util::future::BoxFuture;
use lambda_http::http::HeaderValue;
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use tracing::Instrument;

/// Answers a request with what comes of `work`, under a log span of its own. A refusal becomes problem+json; trouble on this
/// side is logged with its reason, which the client does not see. Every answer names the request, as the log does.
pub async fn handle(
    function: &'static str,
    request: &Request,
    work: impl Future<Output = Result<Response<Body>, Problem>> + Send,
) -> Response<Body> {
    // The console holds a dozen functions: it has what follows once, whatever they do.
    answer(function, request, Box::pin(work)).await
}

async fn answer(
    function: &'static str,
    request: &Request,
    work: BoxFuture<'_, Result<Response<Body>, Problem>>,
) -> Response<Body> {
    let id = request_id(request);
    let span = tracing::info_span!("request", function, requestId = id, orderNum = tracing::field::Empty);
    let mut response = async {
        match work.await {
            Ok(response) => {
                tracing::info!(status = response.status().as_u16(), "answered");
                response
            }
            Err(problem) if problem.status().is_server_error() => {
                tracing::error!(status = problem.status().as_u16(), error = problem.detail(), "failed");
                problem.into_response(&id)
            }
            Err(problem) => {
                tracing::info!(status = problem.status().as_u16(), code = problem.code(), "refused");
                problem.into_response(&id)
            }
        }
    }
    .instrument(span)
    .await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

/// The id that API Gateway gave the request, which its own log has too.
fn request_id(request: &Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone().unwrap_or_default(),
        _ => String::new(),
    }
}
