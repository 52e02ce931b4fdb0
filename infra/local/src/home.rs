//! The stack's front page.

use crate::http::{Response, escape};
use crate::mailbox::page;
use crate::stack::Shared;
use std::fmt::Write;

/// Shows what there is and how to call it.
pub fn show(stack: &Shared) -> Response {
    let mut body = format!(
        "<p>A local Simdock. It shows {} and keeps its data {}. What stands in for AWS here ends at this machine.</p>\
         <p><a href=\"/console\">Console</a> · <a href=\"/mailbox\">Mailbox</a> · <a href=\"/_local/queues\">Queues</a> · <a href=\"/_local/clock\">Clock</a> · \
         <a href=\"/_local/operator\">Sandbox operator</a> · <a href=\"/_local/stripe\">Sandbox Stripe</a> · \
         <a href=\"/_local/pause\">Sources</a></p><h2>Routes</h2><table>",
        stack.clock.now(),
        if stack.in_memory { "in memory" } else { "in a file" },
    );
    for (method, path, function) in stack.gateway.routes() {
        let _ = write!(body, "<tr><td>{method}<td><code>{}</code><td>{}</tr>", escape(path), escape(function));
    }
    let base = escape(&stack.base_url);
    let _ = write!(
        body,
        "</table><h2>A first call</h2><p>The keys were printed when the stack started.</p>\
         <pre>curl {base}/v1/plans -H \"Authorization: Bearer $PARTNER_KEY\"</pre>\
         <h2>Controls</h2><pre>curl -X POST {base}/_local/clock -d '{{\"advance\": \"PT20M\"}}'\n\
         curl -X POST {base}/_local/sweep\n\
         curl -X POST {base}/_local/pause -d '{{\"source\": \"relay\", \"paused\": true}}'\n\
         curl -X POST {base}/_local/operator -d '{{\"mode\": \"fail\", \"times\": 1}}'\n\
         curl -X POST {base}/_local/stripe -d '{{\"mode\": \"pending\", \"times\": 1}}'</pre>"
    );
    page("Simdock", &body)
}
