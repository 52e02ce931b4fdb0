//! What a mail says, once, and its two forms: plain text and HTML.

use crate::html::Html;
use crate::language::Language;
use crate::one_line;

/// The content of a mail.
pub(crate) struct Content {
    pub(crate) language: Language,
    pub(crate) title: String,
    pub(crate) blocks: Vec<Block>,
    pub(crate) footer: &'static str,
}

pub(crate) enum Block {
    Paragraph(String),
    Facts(Vec<Fact>),
    Bullets { heading: &'static str, items: Vec<String> },
    Steps { heading: &'static str, items: Vec<String> },
    Card(Card),
}

/// Something the reader looks up or copies.
pub(crate) struct Fact {
    pub(crate) label: &'static str,
    /// Each is a line of its own.
    pub(crate) values: Vec<String>,
    /// Whether the values are copied letter by letter.
    pub(crate) is_code: bool,
}

impl Fact {
    pub(crate) fn new(label: &'static str, value: impl Into<String>) -> Self {
        Self::list(label, vec![value.into()])
    }

    pub(crate) fn code(label: &'static str, value: impl Into<String>) -> Self {
        Self { is_code: true, ..Self::new(label, value) }
    }

    pub(crate) fn list(label: &'static str, values: Vec<String>) -> Self {
        Self { label, values, is_code: false }
    }
}

/// One eSIM.
pub(crate) struct Card {
    pub(crate) heading: String,
    pub(crate) content_id: String,
    /// Width and height of the QR code, in pixels.
    pub(crate) pixels: usize,
    pub(crate) alt: String,
    pub(crate) caption: &'static str,
    pub(crate) links: Vec<Link>,
    pub(crate) facts: Vec<Fact>,
}

pub(crate) struct Link {
    pub(crate) label: &'static str,
    pub(crate) url: String,
}

impl Content {
    pub(crate) fn to_text(&self) -> String {
        let mut text = Text::default();
        text.line(&self.title).gap();
        for block in &self.blocks {
            match block {
                Block::Paragraph(paragraph) => {
                    text.line(paragraph);
                }
                Block::Facts(facts) => text.facts(facts),
                Block::Bullets { heading, items } => {
                    text.line(heading);
                    for item in items {
                        text.line(&format!("- {item}"));
                    }
                }
                Block::Steps { heading, items } => {
                    text.line(heading);
                    for (index, item) in items.iter().enumerate() {
                        text.line(&format!("{}. {item}", index + 1));
                    }
                }
                Block::Card(card) => {
                    text.line(&format!("--- {} ---", card.heading));
                    for link in &card.links {
                        text.line(&format!("{}:", link.label)).line(&link.url);
                    }
                    text.facts(&card.facts);
                }
            }
            text.gap();
        }
        text.line(self.footer);
        text.0
    }

    pub(crate) fn to_html(&self) -> String {
        let mut html = Html::default();
        html.markup("<!DOCTYPE html>\n<html lang=\"").value(self.language.tag());
        html.markup(HEAD).value(&self.title).markup(STYLE).value(&self.title).markup("</h1>\n");
        for block in &self.blocks {
            match block {
                Block::Paragraph(paragraph) => {
                    html.markup("<p>").value(paragraph).markup("</p>\n");
                }
                Block::Facts(facts) => {
                    html.markup("<div class=\"card\">\n");
                    facts_to_html(&mut html, facts);
                    html.markup("</div>\n");
                }
                Block::Bullets { heading, items } => {
                    list_to_html(&mut html, heading, "<ul>\n", items, "</ul>\n");
                }
                Block::Steps { heading, items } => {
                    list_to_html(&mut html, heading, "<ol>\n", items, "</ol>\n");
                }
                Block::Card(card) => card_to_html(&mut html, card),
            }
        }
        html.markup("<p><small>").value(self.footer).markup("</small></p>\n</div>\n</body>\n</html>\n");
        html.into_string()
    }
}

/// Plain text whose every line is one line, whatever the values hold.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, value: &str) -> &mut Self {
        self.0.push_str(&one_line(value));
        self.gap()
    }

    fn gap(&mut self) -> &mut Self {
        self.0.push('\n');
        self
    }

    fn facts(&mut self, facts: &[Fact]) {
        for fact in facts {
            if let [value] = fact.values.as_slice() {
                self.line(&format!("{}: {value}", fact.label));
            } else {
                self.line(&format!("{}:", fact.label));
                for value in &fact.values {
                    self.line(&format!("  {value}"));
                }
            }
        }
    }
}

/// From the page's language to its title. Phones are told not to take an ICCID for a telephone number.
const HEAD: &str = r#"">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="format-detection" content="telephone=no">
<title>"#;

/// From the page's title to its heading. Text and page keep the client's own colours, so they follow its light or dark
/// mode; a client that drops the style sheet still shows plain links. The buttons have a class because clients make
/// links of their own.
const STYLE: &str = r#"</title>
<style>
body{margin:0}
h1{font-size:26px;line-height:1.25}
h2{font-size:18px;margin:16px 0 12px}
ul,ol{padding-left:22px}
li{margin:0 0 8px}
p{margin:12px 0}
small{font-size:14px;opacity:.75}
code{font-size:15px;word-break:break-all}
.card{border:1px solid #8888;border-radius:14px;padding:8px 20px;margin:20px 0}
.go{display:block;padding:12px;border-radius:10px;background:#1d4ed8;color:#fff;font-weight:bold;text-align:center;text-decoration:none}
</style>
</head>
<body>
<div style="max-width:600px;margin:0 auto;padding:16px;font:16px/1.5 system-ui,Roboto,Arial,sans-serif;word-wrap:break-word">
<h1>"#;

fn list_to_html(html: &mut Html, heading: &str, open: &'static str, items: &[String], close: &'static str) {
    html.markup("<h2>").value(heading).markup("</h2>\n").markup(open);
    for item in items {
        html.markup("<li>").value(item).markup("</li>\n");
    }
    html.markup(close);
}

fn facts_to_html(html: &mut Html, facts: &[Fact]) {
    for fact in facts {
        html.markup("<p><small>").value(fact.label).markup("</small>");
        for value in &fact.values {
            html.markup("<br>");
            if fact.is_code {
                html.markup("<code>").value(value).markup("</code>");
            } else {
                html.value(value);
            }
        }
        html.markup("</p>\n");
    }
}

fn card_to_html(html: &mut Html, card: &Card) {
    html.markup("<div class=\"card\">\n<h2>").value(&card.heading);
    html.markup("</h2>\n<p style=\"text-align:center\"><img src=\"cid:").value(&card.content_id);
    html.markup("\" width=\"").number(card.pixels).markup("\" height=\"").number(card.pixels);
    html.markup("\" alt=\"").value(&card.alt).markup("\"><br><small>").value(card.caption).markup("</small></p>\n");
    for link in &card.links {
        html.markup("<p><a class=\"go\" href=\"").value(&link.url).markup("\">").value(link.label).markup("</a></p>\n");
    }
    facts_to_html(html, &card.facts);
    html.markup("</div>\n");
}
