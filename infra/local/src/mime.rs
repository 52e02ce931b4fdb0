//! Reads as much of a MIME message (RFC 5322, RFC 2045 to 2047) as it takes to show one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How deep parts may lie in parts.
const DEEPEST: usize = 8;

/// A message, or a part of one.
pub struct Part {
    /// Names in lower case and unfolded values, in their order.
    pub headers: Vec<(String, String)>,
    /// The content, freed from its transfer encoding; empty if there are parts.
    pub body: Vec<u8>,
    /// The parts of a multipart.
    pub parts: Vec<Part>,
}

impl Part {
    /// Reads a message. What is not understood is kept as it stands.
    pub fn parse(raw: &[u8]) -> Self {
        Self::parse_at(&text(raw), 0)
    }

    /// Reads a message's headers only.
    pub fn head(raw: &[u8]) -> Self {
        let end = raw.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(raw.len(), |place| place + 4);
        Self { headers: headers(split(&text(&raw[..end])).0), body: Vec::new(), parts: Vec::new() }
    }

    fn parse_at(text: &str, depth: usize) -> Self {
        let (head, content) = split(text);
        let mut part = Self { headers: headers(head), body: Vec::new(), parts: Vec::new() };
        let boundary = part.parameter("content-type", "boundary").filter(|_| part.content_type().starts_with("multipart/"));
        match boundary {
            Some(boundary) if depth < DEEPEST => {
                let delimiter = format!("\n--{boundary}");
                let content = format!("\n{content}");
                let pieces = content.split(delimiter.as_str()).skip(1).take_while(|piece| !piece.starts_with("--"));
                part.parts = pieces.map(|piece| Self::parse_at(piece.strip_prefix('\n').unwrap_or(piece), depth + 1)).collect();
            }
            _ => part.body = decode(content, &part.header("content-transfer-encoding").unwrap_or_default().to_ascii_lowercase()),
        }
        part
    }

    /// The first header of that name, with encoded words decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| decode_words(value))
    }

    /// The content type without its parameters, in lower case.
    pub fn content_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_else(|| "text/plain".to_owned());
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    fn parameter(&self, header: &str, name: &str) -> Option<String> {
        let value = self.header(header)?;
        value.split(';').skip(1).find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        })
    }

    /// The first part of that content type, at any depth.
    pub fn find(&self, content_type: &str) -> Option<&Self> {
        if self.parts.is_empty() && self.content_type() == content_type {
            return Some(self);
        }
        self.parts.iter().find_map(|part| part.find(content_type))
    }

    /// Every part without parts of its own.
    pub fn leaves(&self) -> Vec<&Self> {
        if self.parts.is_empty() { vec![self] } else { self.parts.iter().flat_map(Self::leaves).collect() }
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// With the line ends of this machine.
fn text(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).replace("\r\n", "\n")
}

/// A message's headers and its content.
fn split(text: &str) -> (&str, &str) {
    match text.strip_prefix('\n') {
        Some(content) => ("", content),
        None => text.split_once("\n\n").unwrap_or((text, "")),
    }
}

fn headers(head: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.lines() {
        match (line.starts_with([' ', '\t']), headers.last_mut(), line.split_once(':')) {
            (true, Some((_, value)), _) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (_, _, Some((name, value))) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            (_, _, None) => {}
        }
    }
    headers
}

fn decode(content: &str, encoding: &str) -> Vec<u8> {
    match encoding.trim() {
        "base64" => base64(content),
        "quoted-printable" => quoted_printable(&content.replace("=\n", "")),
        _ => content.as_bytes().to_vec(),
    }
}

fn base64(text: &str) -> Vec<u8> {
    let compact: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(compact).unwrap_or_else(|_| text.as_bytes().to_vec())
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'=').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    bytes
}

/// Decodes the encoded words (RFC 2047) of a header; white space between two of them is not part of the text.
fn decode_words(value: &str) -> String {
    let mut decoded = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let word = rest.get(start + 2..).and_then(|word| {
            let mut fields = word.splitn(3, '?');
            let (_charset, encoding, tail) = (fields.next()?, fields.next()?, fields.next()?);
            let (text, after) = tail.split_once("?=")?;
            let bytes = match encoding {
                "B" | "b" => base64(text),
                "Q" | "q" => quoted_printable(&text.replace('_', " ")),
                _ => return None,
            };
            Some((String::from_utf8_lossy(&bytes).into_owned(), after))
        });
        let before = rest.get(..start).unwrap_or_default();
        let Some((text, after)) = word else { break };
        if !(after_word && before.trim().is_empty()) {
            decoded.push_str(before);
        }
        decoded.push_str(&text);
        rest = after;
        after_word = true;
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "Subject: =?UTF-8?B?SWhyZSBlU0lNIGbDvHI=?= =?UTF-8?Q?_Spanien?=\r\nTo: Ana\r\n <ana@example.com>\r\n\
        Content-Type: multipart/related;\r\n boundary=\"outer\"\r\n\r\n--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n\
        --inner\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSch=C3=B6n, hier=\r\n lang\r\n\
        --inner\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n--inner--\r\n\
        --outer\r\nContent-Type: image/png\r\nContent-ID: <qr>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBO\r\nRw==\r\n--outer--\r\n";

    #[test]
    fn parts_are_found_and_decoded() {
        let mail = Part::parse(MAIL.as_bytes());
        assert_eq!(mail.header("subject").unwrap(), "Ihre eSIM f\u{fc}r Spanien");
        assert_eq!(mail.header("to").unwrap(), "Ana <ana@example.com>");
        assert_eq!(mail.find("text/plain").unwrap().text(), "Sch\u{f6}n, hier lang");
        assert_eq!(mail.find("text/html").unwrap().text(), "<b>x</b>");
        assert_eq!(mail.find("image/png").unwrap().body, b"\x89PNG");
        assert_eq!(mail.leaves().len(), 3);
    }

    #[test]
    fn anything_is_read_as_something() {
        for odd in [
            "",
            "\n",
            "no headers",
            "Subject: =?utf-8?B?",
            "Content-Type: multipart/mixed; boundary=x\n\n--x",
            "A: =?x?Q?=\n\n=Z",
        ] {
            Part::parse(odd.as_bytes()).leaves();
        }
    }
}
