//! Internet messages (RFC 5322) with MIME parts (RFC 2045 to 2047): everything leaves as ASCII, every line ends in CRLF
//! and is at most 76 characters long where an encoding allows to break it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::MailError;

/// The longest line that base64 (RFC 2045 §6.8), quoted-printable (§6.7) and encoded words (RFC 2047 §2) allow.
const MAX_LINE: usize = 76;

/// `=?UTF-8?B?` and `?=`.
const ENCODED_WORD_FRAME: usize = 12;

/// The longest encoded word (RFC 2047 §2).
const MAX_ENCODED_WORD: usize = 75;

/// The header lines of a message or of a part.
#[derive(Default)]
pub(crate) struct Headers(String);

impl Headers {
    /// Adds a header made of tokens, addresses and other things that need no encoding.
    ///
    /// # Errors
    /// [`MailError::Header`] when `value` is not printable ASCII.
    pub(crate) fn token(&mut self, name: &'static str, value: &str) -> Result<&mut Self, MailError> {
        if !value.bytes().all(is_printable) {
            return Err(MailError::Header(name));
        }
        self.0.extend([name, ": ", value, "\r\n"]);
        Ok(self)
    }

    /// Adds a header of free text, encoded where it has to be.
    ///
    /// # Errors
    /// [`MailError::Header`] when `text` has a control character.
    pub(crate) fn text(&mut self, name: &'static str, text: &str) -> Result<&mut Self, MailError> {
        let plain = text.bytes().all(is_printable) && !text.contains("=?") && name.len() + 2 + text.len() <= MAX_LINE;
        let value = if plain { text.to_owned() } else { encoded_words(name, text)? };
        self.0.extend([name, ": ", &value, "\r\n"]);
        Ok(self)
    }

    /// Adds a header of one mailbox, `Name <address>`.
    ///
    /// # Errors
    /// [`MailError::Header`] when the name has a control character or the address is not printable ASCII.
    pub(crate) fn mailbox(&mut self, name: &'static str, display: Option<&str>, address: &str) -> Result<&mut Self, MailError> {
        let Some(display) = display else {
            return self.token(name, address);
        };
        if !address.bytes().all(is_printable) {
            return Err(MailError::Header(name));
        }
        let is_phrase = display.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
        let phrase = if is_phrase && name.len() + 2 + display.len() <= MAX_LINE {
            display.to_owned()
        } else {
            encoded_words(name, display)?
        };
        let last_line = phrase.rsplit_once('\n').map_or(name.len() + 2 + phrase.len(), |(_, line)| line.len());
        let space = if last_line + address.len() + 3 <= MAX_LINE { " <" } else { "\r\n <" };
        self.0.extend([name, ": ", &phrase, space, address, ">\r\n"]);
        Ok(self)
    }
}

/// A body with the headers that describe it.
pub(crate) struct Part {
    headers: String,
    body: String,
}

impl Part {
    /// Text in UTF-8, in whichever of the two encodings is shorter. `text` has its lines ended by `\n`.
    pub(crate) fn text(subtype: &str, text: &str) -> Self {
        let quoted = quoted_printable(text);
        let packed_len = base64_lines_len(text.len() + text.bytes().filter(|byte| *byte == b'\n').count());
        let (encoding, body) = if quoted.len() <= packed_len {
            ("quoted-printable", quoted)
        } else {
            ("base64", base64_lines(text.replace('\n', "\r\n").as_bytes()))
        };
        Self {
            headers: format!("Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"),
            body,
        }
    }

    /// An image shown inside the HTML, where it is `cid:<content_id>`. Both names are ours and plain ASCII.
    pub(crate) fn inline_png(content_id: &str, file_name: &str, png: &[u8]) -> Self {
        Self {
            headers: format!(
                "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: inline; filename=\"{file_name}\"\r\nContent-ID: <{content_id}>\r\n"
            ),
            body: base64_lines(png),
        }
    }

    /// Several parts in one.
    ///
    /// No encoded line can be the delimiter: neither base64 nor quoted-printable ever writes `=_` (RFC 2045 §6.7).
    /// `subtype` may carry further parameters. `boundary` has to differ between a multipart and those inside it, and none may begin with another.
    pub(crate) fn multipart(subtype: &str, boundary: &str, parts: &[Part]) -> Self {
        let mut body = String::new();
        for part in parts {
            body.extend(["--=_", boundary, "\r\n", &part.headers, "\r\n", &part.body, "\r\n"]);
        }
        body.extend(["--=_", boundary, "--\r\n"]);
        Self { headers: format!("Content-Type: multipart/{subtype};\r\n boundary=\"=_{boundary}\"\r\n"), body }
    }

    /// The whole message, as it goes over the wire.
    pub(crate) fn into_message(self, headers: Headers) -> Vec<u8> {
        let mut message = headers.0;
        message.push_str(&self.headers);
        message.push_str("\r\n");
        message.push_str(&self.body);
        message.into_bytes()
    }
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// The words of RFC 2047 for `text`, folded; each one holds whole characters, as §5 demands.
fn encoded_words(header: &'static str, text: &str) -> Result<String, MailError> {
    if text.chars().any(char::is_control) {
        return Err(MailError::Header(header));
    }
    let bytes_within = |length: usize| (length - ENCODED_WORD_FRAME) / 4 * 3;
    let mut room = bytes_within(MAX_LINE - header.len() - 2);
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        if word.len() + character.len_utf8() > room {
            words.push(std::mem::take(&mut word));
            room = bytes_within(MAX_ENCODED_WORD);
        }
        word.push(character);
    }
    words.push(word);
    let encoded: Vec<String> = words.iter().map(|word| format!("=?UTF-8?B?{}?=", BASE64_STANDARD.encode(word))).collect();
    Ok(encoded.join("\r\n "))
}

/// How many bytes one line of base64 holds.
const PACKED_LINE: usize = MAX_LINE / 4 * 3;

fn base64_lines(bytes: &[u8]) -> String {
    let mut lines = String::with_capacity(base64_lines_len(bytes.len()));
    for (index, chunk) in bytes.chunks(PACKED_LINE).enumerate() {
        if index > 0 {
            lines.push_str("\r\n");
        }
        BASE64_STANDARD.encode_string(chunk, &mut lines);
    }
    lines
}

/// How long that is of so many bytes.
fn base64_lines_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4 + bytes.div_ceil(PACKED_LINE).saturating_sub(1) * 2
}

fn quoted_printable(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len() * 5 / 4);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            encoded.push_str("\r\n");
        }
        let bytes = line.as_bytes();
        // A space at the end of a line could be lost on the way.
        let is_literal =
            |place: usize| matches!(bytes[place], b'!'..=b'<' | b'>'..=b'~') || (bytes[place] == b' ' && place + 1 < bytes.len());
        let (mut place, mut column) = (0, 0);
        while place < bytes.len() {
            let room = (MAX_LINE - column).min(bytes.len() - place);
            let run = (place..place + room).take_while(|place| is_literal(*place)).count();
            // Where the line goes on, the last column is for the sign that it does.
            let goes_on = place + run < bytes.len();
            let fits = if goes_on { run.min(MAX_LINE - 1 - column) } else { run };
            let quoted = if place + 1 < bytes.len() { 4 } else { 3 };
            if fits > 0 {
                encoded.push_str(&line[place..place + fits]);
                place += fits;
                column += fits;
            } else if run > 0 || column + quoted > MAX_LINE {
                encoded.push_str("=\r\n");
                column = 0;
            } else {
                let byte = usize::from(bytes[place]);
                encoded.extend(['=', char::from(HEX[byte >> 4]), char::from(HEX[byte & 0xf])]);
                place += 1;
                column += 3;
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_has_to_be_quoted() {
        for (text, encoded) in [
            ("", ""),
            ("a=b", "a=3Db"),
            ("a\nb\n", "a\r\nb\r\n"),
            ("end \n\tx ", "end=20\r\n=09x=20"),
            ("ü", "=C3=BC"),
            ("\r", "=0D"),
        ] {
            assert_eq!(quoted_printable(text), encoded);
        }
    }

    #[test]
    fn breaks_long_lines_softly() {
        assert_eq!(quoted_printable(&"a".repeat(76)), "a".repeat(76));
        assert_eq!(quoted_printable(&"a".repeat(77)), format!("{}=\r\naa", "a".repeat(75)));
        for text in ["ü".repeat(100), "a ".repeat(100), format!("{}=", "a".repeat(75)), format!("{} ", "a".repeat(74))] {
            let encoded = quoted_printable(&text);
            assert!(encoded.split("\r\n").all(|line| line.len() <= MAX_LINE && !line.ends_with(' ')), "{encoded}");
        }
    }

    #[test]
    fn lines_are_as_long_as_they_may_be() {
        // What RFC 2045 section 6.7 asks for, byte by byte.
        let by_byte = |line: &str| {
            let (mut lines, last) = (vec![String::new()], line.len().saturating_sub(1));
            for (place, byte) in line.bytes().enumerate() {
                let literal = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (byte == b' ' && place < last);
                let piece = if literal { char::from(byte).to_string() } else { format!("={byte:02X}") };
                let full = if place < last { MAX_LINE - 1 } else { MAX_LINE };
                if lines.last().is_some_and(|line| line.len() + piece.len() > full) {
                    lines.last_mut().unwrap().push('=');
                    lines.push(String::new());
                }
                lines.last_mut().unwrap().push_str(&piece);
            }
            lines.join("\r\n")
        };
        for plain in 0..160 {
            for end in ["", " ", "=", "ü", " x", "= ", "=x", "ü x", "==", "  ", "東京", "= = = ="] {
                let line = format!("{}{end}{}{end}", "a".repeat(plain), "b ".repeat(plain % 7));
                assert_eq!(quoted_printable(&line), by_byte(&line), "{line}");
                assert_eq!(base64_lines(line.as_bytes()).len(), base64_lines_len(line.len()));
            }
        }
    }

    #[test]
    fn encodes_words_of_whole_characters() {
        for text in ["東京タワー".repeat(20), "👩‍👩‍👧‍👦".repeat(20), format!("a{}", "é".repeat(200)), String::new()]
        {
            let folded = encoded_words("Subject", &text).unwrap();
            let mut decoded = String::new();
            for (index, word) in folded.split("\r\n ").enumerate() {
                assert!(word.len() <= MAX_ENCODED_WORD);
                assert!(word.len() + if index == 0 { "Subject: ".len() } else { 1 } <= MAX_LINE);
                let base64 = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
                decoded.push_str(&String::from_utf8(BASE64_STANDARD.decode(base64).unwrap()).unwrap());
            }
            assert_eq!(decoded, text);
        }
    }

    #[test]
    fn writes_headers_plain_where_that_is_safe() {
        let mut headers = Headers::default();
        headers.text("Subject", "Order confirmation EP1").unwrap().text("Subject", "=?UTF-8?Q?x?=").unwrap();
        headers.mailbox("From", Some("Simdock"), "a@example.com").unwrap();
        headers.mailbox("From", Some("Simdock, Inc."), "a@example.com").unwrap();
        headers.mailbox("From", Some(&"Sim ".repeat(15)), "a@example.com").unwrap();
        assert_eq!(
            headers.0,
            format!(
                "Subject: Order confirmation EP1\r\nSubject: =?UTF-8?B?PT9VVEYtOD9RP3g/PQ==?=\r\n\
                 From: Simdock <a@example.com>\r\nFrom: =?UTF-8?B?U2ltZG9jaywgSW5jLg==?= <a@example.com>\r\n\
                 From: {}\r\n <a@example.com>\r\n",
                "Sim ".repeat(15)
            )
        );
    }

    #[test]
    fn lets_no_value_end_a_header() {
        for value in ["a\r\nBcc: eve@example.com", "a\nb", "a\rb", "a\0b", "a\u{85}b", "a\tb", "a\u{7f}b"] {
            let mut headers = Headers::default();
            assert_eq!(headers.text("Subject", value).err(), Some(MailError::Header("Subject")));
            assert_eq!(headers.token("Date", value).err(), Some(MailError::Header("Date")));
            assert_eq!(headers.mailbox("To", None, value).err(), Some(MailError::Header("To")));
            assert_eq!(headers.mailbox("To", Some("Ana"), value).err(), Some(MailError::Header("To")));
            assert_eq!(headers.mailbox("From", Some(value), "a@example.com").err(), Some(MailError::Header("From")));
            assert_eq!(headers.0, "");
        }
    }
}
