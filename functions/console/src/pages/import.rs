//! Putting cards into stock: the file is judged line by line before anything is written.

use crate::Desk;
use crate::api::{Call, Refusal};
use crate::forms::{Attempt, Fields};
use crate::frame::Section;
use crate::http::{Form, MAX_FORM};
use crate::model::{Import, LineError};
use crate::words::{count, state, text, words};
use lambda_http::{Body, Response};
use maud::{Markup, html};
use simdock_domain::{Timestamp, short_hash};

/// Lines of a verdict that the page shows.
const MOST_LINES: usize = 200;
/// The largest file that the page carries along from the verdict to the import, in bytes. A larger one is chosen once more.
const CARRIED: usize = 40 * 1024;
/// The largest file that is sent at all, in bytes: what a form may have, less what stands around the file.
const MOST_BYTES: usize = MAX_FORM - 16 * 1024;

/// The step, and the form, that puts a file in which was judged.
const COMMIT: &str = "commit";

/// What the API says of a file before it goes in.
struct Verdict<'a> {
    file: &'a str,
    lines: usize,
    accepted: usize,
    rejected: usize,
    errors: &'a [LineError],
}

/// The form.
pub async fn show(desk: &Desk<'_>, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    page(desk, attempt, None).await
}

/// The page, with the form or with a verdict; beside that, why nothing was put in that was to be.
async fn page(desk: &Desk<'_>, attempt: Option<Attempt<'_>>, verdict: Option<&Verdict<'_>>) -> Result<Response<Body>, Refusal> {
    let content = html! {
        div.head { p.crumb { a href="/console/inventory" { "Inventory" } } h1 { "Import cards" } }
        @match verdict {
            Some(verdict) => (judged(desk, verdict, attempt)),
            None => (form(desk, attempt)),
        }
    };
    Ok(desk.page_of(attempt, Section::Inventory, "Import cards", content).await)
}

fn options(fields: &Fields<'_>, from: &Form) -> Markup {
    let factors = ["esim", "physical"].map(|name| (name.to_owned(), words(name)));
    html! {
        div.fields {
            (fields.text("operator", "Operator").value(from.text("operator")).hint("of lines that name none"))
            (fields.text("imsiProfile", "IMSI profile").value(from.text("imsiProfile")).hint("of lines that name none").width("short"))
            (fields.choice("formFactor", "Form factor", factors).value(from.text("formFactor")))
        }
    }
}

fn form(desk: &Desk<'_>, attempt: Option<Attempt<'_>>) -> Markup {
    let fields = Fields::new("import", attempt);
    let wrong = fields.wrong("file", "CSV file");
    let described = if wrong.is_some() { "import-file-hint import-file-error" } else { "import-file-hint" };
    let options = options(&fields, &desk.visit.query);
    html! {
        form #import method="post" action="/console/inventory/import" enctype="multipart/form-data" {
            (fields.refused())
            input type="hidden" name="token" value=(desk.signed_in.token);
            fieldset {
                legend { "File" }
                div.field.long {
                    label for="import-file" { "CSV file" }
                    input #import-file type="file" name="file" accept=".csv,text/csv" data-most=(MOST_BYTES) aria-describedby=(described)
                        aria-invalid=[wrong.as_ref().map(|_| "true")];
                    p.hint #import-file-hint {
                        "A header with iccid and code, or smDpAddress and activationCode; also mobileNumber, activateBefore, operator, imsiProfile, formFactor. Up to 4 MB."
                    }
                    @if let Some(wrong) = &wrong { p.error #import-file-error { (wrong) } }
                }
                (fields.area("pasted", "Or paste the lines"))
                (options)
            }
            div.buttons { button type="submit" name="step" value="check" { "Check the file" } span.hint { "Nothing is written yet." } }
        }
    }
}

fn judged(desk: &Desk<'_>, verdict: &Verdict<'_>, attempt: Option<Attempt<'_>>) -> Markup {
    let carried = verdict.file.len() <= CARRIED;
    let fields = Fields::new(COMMIT, attempt);
    html! {
        (fields.refused())
        section aria-labelledby="verdict" {
            h2 #verdict { "Verdict" }
            p {
                (count(verdict.lines, "line", "lines")) ": " (state("good")) " " (verdict.accepted) " can go in"
                @if verdict.rejected > 0 { ", " (state("rejected")) " " (verdict.rejected) " cannot" } "."
            }
            @if !verdict.errors.is_empty() {
                div.scroll role="group" aria-labelledby="verdict" tabindex="0" {
                    table {
                        thead { tr { th.n scope="col" { "Line" } th scope="col" { "ICCID" } th scope="col" { "Why it cannot go in" } } }
                        tbody {
                            @for error in verdict.errors.iter().take(MOST_LINES) {
                                tr { th.n scope="row" { (error.line) } td.num { (text(error.iccid.as_deref())) } td { (error.reason) } }
                            }
                        }
                    }
                }
                @if verdict.rejected > MOST_LINES { p.hint { "The first " (MOST_LINES) " of " (verdict.rejected) "." } }
            }
        }
        @if verdict.accepted > 0 {
            form #(COMMIT) method="post" action="/console/inventory/import" enctype="multipart/form-data" {
                input type="hidden" name="token" value=(desk.signed_in.token);
                input type="hidden" name="checked" value=(short_hash(&[verdict.file]));
                @for name in ["operator", "imsiProfile", "formFactor"] { input type="hidden" name=(name) value=(desk.form().text(name)); }
                @if carried {
                    textarea.hidden name="pasted" aria-label="The file" tabindex="-1" readonly { (maud::PreEscaped("\n")) (verdict.file) }
                } @else {
                    div.field.long {
                        label for="commit-file" { "The same file once more" }
                        input #commit-file type="file" name="file" accept=".csv,text/csv" data-most=(MOST_BYTES) required;
                        p.hint { "It is too large to be carried along. Another file would be checked first." }
                    }
                }
                @if verdict.rejected > 0 { (fields.tick("skipInvalid", "true", &html! { "Leave out the lines that cannot go in" }, false)) }
                div.buttons {
                    button type="submit" name="step" value=(COMMIT) { "Put " (count(verdict.accepted, "card", "cards")) " into stock" }
                    a.button.plain href="/console/inventory/import" { "Another file" }
                }
            }
        } @else {
            p { a.button href="/console/inventory/import" { "Another file" } }
        }
    }
}

fn request<'a>(desk: &'a Desk<'_>, file: &str) -> Call<'a> {
    let form = desk.form();
    let call = desk.api.call("POST /v1/inventory/imports").csv(file);
    ["operator", "imsiProfile", "formFactor"].iter().fold(call, |call, name| call.query(name, form.text(name)))
}

/// What came of a file that was put in. One that was put in before is not told of as if it came in now.
fn taken(import: &Import, now: Timestamp) -> String {
    let cards = count(import.accepted, "card", "cards");
    let stands = match import.status.as_str() {
        "running" => format!("{} of {cards} are in stock so far; the rest follows by itself", import.added),
        _ => format!("{cards} went into stock"),
    };
    if import.created_at.as_deref().is_some_and(|at| at < now.to_string().as_str()) {
        format!("This file was put in before: {stands}, and none of them twice.")
    } else {
        format!("{stands}.")
    }
}

/// Judges a file, or puts the one in that was judged.
pub async fn take(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    desk.act("import", ask(desk), async |attempt| show(desk, Some(attempt)).await).await
}

async fn ask(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    if !form.raw("file").trim().is_empty() && !form.raw("pasted").trim().is_empty() {
        return Err(Refusal::about("pasted", "A file was chosen and lines were pasted: only one of them can be sent."));
    }
    let sent = if form.raw("file").trim().is_empty() { form.raw("pasted") } else { form.raw("file") };
    // A browser ends the lines of a box in its own way: whatever ends them, it is one file.
    let file = &*sent.replace("\r\n", "\n").replace('\r', "\n");
    if file.trim().is_empty() {
        return Err(Refusal::about("file", "Choose a file, or paste its lines."));
    }
    // In UTF-16, each character of such a file has a byte of zeros.
    if file.contains('\0') {
        return Err(Refusal::about("file", "This file is not in UTF-8. Save it as CSV in UTF-8, and choose it again."));
    }
    let mut why = None;
    if form.text("step") == COMMIT {
        if form.text("checked") == short_hash(&[file]) {
            let skip = if form.ticked("skipInvalid")? { "true" } else { "" };
            return match request(desk, file).query("skipInvalid", skip).send::<Import>().await {
                Ok(import) => Ok(desk.done("/console/inventory", &taken(&import, desk.now))),
                // What became of the lines since, or that some were not to be left out, is shown like the first verdict.
                Err(refusal) => {
                    let cannot = count(refusal.rejected, "line cannot go in", "lines cannot go in");
                    let then =
                        if refusal.rejected < refusal.lines { " Leave them out, or put them right in the file." } else { "" };
                    rejected(desk, file, refusal, Some(&format!("Nothing was put into stock: {cannot}.{then}"))).await
                }
            };
        }
        why = Some("This is not the file that was checked, so nothing was put into stock. This is the verdict on it.");
    }
    match request(desk, file).query("dryRun", "true").send::<Import>().await {
        Ok(import) => {
            let (lines, accepted, rejected) = (import.lines, import.accepted, import.rejected);
            shown(desk, why, &Verdict { file, lines, accepted, rejected, errors: &import.errors }).await
        }
        Err(refusal) => rejected(desk, file, refusal, why).await,
    }
}

/// The verdict on a file of which no line can go in, or not all, if that is why it was refused.
async fn rejected(desk: &Desk<'_>, file: &str, refusal: Refusal, why: Option<&str>) -> Result<Response<Body>, Refusal> {
    if refusal.code != "invalid_csv" || refusal.lines == 0 {
        return Err(refusal);
    }
    let (lines, rejected) = (refusal.lines, refusal.rejected);
    let verdict = Verdict { file, lines, accepted: lines.saturating_sub(rejected), rejected, errors: &refusal.errors };
    shown(desk, why, &verdict).await
}

/// A verdict; why it is shown in place of what was asked for, if something was.
async fn shown(desk: &Desk<'_>, why: Option<&str>, verdict: &Verdict<'_>) -> Result<Response<Body>, Refusal> {
    let refusal = why.map(|why| Refusal::about("skipInvalid", why));
    let attempt = refusal.as_ref().map(|refusal| Attempt { form: COMMIT, values: desk.form(), refusal: Some(refusal) });
    page(desk, attempt, Some(verdict)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_still_coming_in_is_not_told_as_if_it_were_there() {
        for (status, at, said) in [
            ("done", "2026-11-22T10:00:00Z", "5 cards went into stock."),
            ("running", "2026-11-22T10:00:00Z", "3 of 5 cards are in stock so far; the rest follows by itself."),
            ("done", "2026-11-22T09:59:59Z", "This file was put in before: 5 cards went into stock, and none of them twice."),
            (
                "running",
                "2026-11-22T09:59:59Z",
                "This file was put in before: 3 of 5 cards are in stock so far; the rest follows by itself, and none of them twice.",
            ),
        ] {
            let import = json!({"status": status, "lines": 6, "accepted": 5, "rejected": 1, "added": 3, "createdAt": at});
            assert_eq!(taken(&serde_json::from_value(import).unwrap(), "2026-11-22T10:00:00Z".parse().unwrap()), said);
        }
    }
}
