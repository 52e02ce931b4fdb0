//! Lists as files for a spreadsheet.

use crate::Desk;
use crate::api::{Call, Refusal};
use crate::http::{download, redirect};
use crate::model::Page;
use crate::pages::who;
use lambda_http::{Body, Response};
use maud::{Markup, html};
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};

/// The most lines of a file.
const MOST: usize = 5_000;
/// The most of a file in MB, but for its last line: an answer of Lambda ends at 6 MB, of which its line ends and quotes take twice their
/// place.
const MOST_MB: usize = 5;
/// How long a file may be gathered.
const GATHERING: Duration = Duration::from_secs(20);
/// What tells a spreadsheet that a file is in UTF-8. Our own import takes it, as most readers do.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The link to a list's file, at `href`.
pub fn link(href: &str) -> Markup {
    html! { a.button.plain href=(href) download aria-describedby="csv-hint" { "CSV" } }
}

/// What to know before the file of a list is opened.
///
/// A number stands in it as it is, since the file is for other programs as well. A spreadsheet that opens it by a double click takes
/// an ICCID for a number and keeps 15 digits of it; what would keep all (`="8934…"`, a quote or a tab before it) is nothing that an
/// import of ours or anybody's could read back.
pub fn hint(what: &str) -> Markup {
    html! {
        p.hint #csv-hint {
            "The CSV file has the columns that you chose, or all, of up to " (MOST) " " (what) " or " (MOST_MB) " MB; its name says so if it was cut. Import it into a spreadsheet with ICCIDs as text: opened by a double click, their last digits are lost."
        }
    }
}

/// A file as far as it is written.
struct File {
    writer: ::csv::Writer<Vec<u8>>,
    lines: usize,
}

impl File {
    /// Its header alone.
    fn new(header: &[&str]) -> Self {
        let mut writer = ::csv::Writer::from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
        // A buffer takes all that is written to it.
        let _ = writer.write_record(header);
        Self { writer, lines: 0 }
    }

    fn add(&mut self, line: impl Iterator<Item = String>) {
        let _ = self.writer.write_record(line.map(|cell| sound(&cell)));
        self.lines += 1;
    }

    fn is_full(&self) -> bool {
        self.lines >= MOST || self.writer.get_ref().len() >= MOST_MB * 1_000_000
    }

    fn text(self) -> String {
        String::from_utf8(self.writer.into_inner().unwrap_or_default()).unwrap_or_default()
    }
}

/// A list page by page, as far as it goes into one file; and whether that is all of it. `request` asks for the page at a cursor, of
/// the partner that is meant; `cell` is what of an item stands in a column.
async fn gather<'a, T: DeserializeOwned>(
    desk: &Desk<'_>,
    columns: &[&'static str],
    request: impl Fn(&str, &str) -> Result<Call<'a>, Refusal>,
    cell: fn(&str, &T) -> String,
) -> Result<(File, bool), Refusal> {
    let begun = Instant::now();
    let partner = who::meant(desk, desk.visit.query.text(who::NAME)).await?;
    let (mut file, mut cursor) = (File::new(columns), desk.visit.query.text("cursor").to_owned());
    loop {
        let mut page: Page<T> = request(&partner, &cursor)?.send().await?;
        if file.lines == 0 {
            page = who::check(desk, page).await?;
        }
        for item in &page.items {
            if file.is_full() {
                return Ok((file, false));
            }
            file.add(columns.iter().map(|column| cell(column, item)));
        }
        match page.next_cursor {
            None => return Ok((file, true)),
            Some(_) if file.is_full() || begun.elapsed() > GATHERING => return Ok((file, false)),
            Some(next) => cursor = next,
        }
    }
}

/// A list as a file whose name says whether it was cut: the columns by their names, and what of an item stands in each. Where a filter
/// is refused, the list's own page says so, beside its field.
pub async fn export<'a, T: DeserializeOwned>(
    desk: &Desk<'_>,
    name: &str,
    columns: &[&'static str],
    request: impl Fn(&str, &str) -> Result<Call<'a>, Refusal>,
    cell: fn(&str, &T) -> String,
) -> Result<Response<Body>, Refusal> {
    let (file, whole) = match gather(desk, columns, request, cell).await {
        Err(refusal) if refusal.is_about_input() => {
            return Ok(redirect(&format!("/console/{name}?{}", desk.visit.query.with(&[]))));
        }
        gathered => gathered?,
    };
    let name = if whole { format!("{name}.csv") } else { format!("{name}-first-{}.csv", file.lines) };
    Ok(download(&name, "text/csv; charset=utf-8", file.text()))
}

/// A cell that a spreadsheet would take for a formula is marked as text; a number is none. Behind a semicolon, at which some part cells
/// in place of commas, another begins.
fn sound(cell: &str) -> String {
    let parts = [';', '\t', '\r', '\n'];
    cell.split_inclusive(parts).fold(String::with_capacity(cell.len()), |sound, part| {
        let mark = if is_formula(part.trim_end_matches(parts)) { "'" } else { "" };
        sound + mark + part
    })
}

/// Whether a spreadsheet takes this for a formula, also where it takes quotes before it off.
fn is_formula(cell: &str) -> bool {
    let cell = cell.trim_start_matches('"');
    let digits = cell.strip_prefix(['+', '-']).unwrap_or(cell);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    // The second four are the same in full width, as East Asian keyboards have them.
    let begins = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    cell.starts_with(begins) && !is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-1", "-1"),
            ("-1.50", "-1.50"),
            ("+88237", "+88237"),
            ("-1-1", "'-1-1"),
            ("-inf", "'-inf"),
            ("+1e9", "'+1e9"),
            ("-", "'-"),
            ("\t=1", "\t'=1"),
            ("\n=1", "\n'=1"),
            ("a;=1+1;-1;@b", "a;'=1+1;-1;'@b"),
            ("a\r\n+b\t-c", "a\r\n'+b\t'-c"),
            ("a;\"=1+1\"", "a;'\"=1+1\""),
            ("a;\u{ff1d}1", "a;'\u{ff1d}1"),
            ("a; b;", "a; b;"),
            ("\u{ff1d}1+1", "'\u{ff1d}1+1"),
            ("a=1", "a=1"),
            ("8934501234567890125", "8934501234567890125"),
            ("", ""),
        ] {
            assert_eq!(sound(cell), written);
        }
    }

    #[test]
    fn a_file_says_what_it_is_written_in() {
        let mut file = File::new(&["a", "b"]);
        file.add(["a,\"b\"", "é"].map(str::to_owned).into_iter());
        assert_eq!(file.text(), "\u{feff}a,b\n\"a,\"\"b\"\"\",é\n");
    }

    #[test]
    fn a_file_goes_into_one_answer() {
        for (bytes, lines) in [(100, MOST..=MOST), (10_000, 500..=501)] {
            let mut file = File::new(&["a"]);
            while !file.is_full() {
                file.add(std::iter::once("x".repeat(bytes - 1)));
            }
            assert!(lines.contains(&file.lines), "{} of {bytes} bytes", file.lines);
        }
    }
}
