//! Writes one of every mail to `target/mail-preview`: the message as `.eml`, and its HTML with the images inlined, to be
//! opened in a browser.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mail_parser::{MessageParser, MimeHeaders};
use simdock_domain::{ActivationCode, Iccid, Msisdn, Timestamp};
use simdock_mail::{
    ConfirmationMail, Envelope, Language, ManagerMail, QrCard, QrMail, Sender, confirmation_mail, manager_mail, qr_mail,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/mail-preview");
    fs::create_dir_all(&folder)?;

    let from: Sender = "Simdock <orders@simdock.example>".parse()?;
    let envelope = Envelope {
        from: &from,
        to: &"ana@example.com".parse()?,
        order_num: &"EP0123456789ABCDEF".parse()?,
        date: "2026-11-22T10:30:00Z".parse()?,
    };
    let iccids =
        (0..3).map(|number| Iccid::with_check_digit(&format!("894450001234567{number:03}"))).collect::<Result<Vec<_>, _>>()?;
    let code: ActivationCode = "LPA:1$rsp.example.com$04386-AGYFT-A74Y8-3F815".parse()?;
    let guarded: ActivationCode = "LPA:1$rsp.example.com$QR-G-5C-1LS-1W1Z9P7$$1".parse()?;
    let number: Msisdn = "+447700900123".parse()?;
    let deadline: Timestamp = "2027-05-21T23:59:59Z".parse()?;

    for language in Language::ALL {
        let (name, plan, line, add_on) = match language {
            Language::En => ("Ana", "Europe 5 GB, 30 days", "Spain", "1 GB extra"),
            Language::De => ("Jörg Müller", "Europa 5 GB, 30 Tage", "Spanien", "1 GB zusätzlich"),
            Language::Es => ("Begoña", "Europa 5 GB, 30 días", "Alemania", "1 GB adicional"),
            Language::Ja => ("山田花子", "ヨーロッパ 5GB・30日間", "スペイン", "追加データ 1GB"),
        };
        let cards = [
            QrCard {
                iccid: &iccids[0],
                code: &code,
                activate_before: Some(deadline),
                mobile_number: None,
                line_name: Some(line),
            },
            QrCard {
                iccid: &iccids[1],
                code: &guarded,
                activate_before: Some(deadline),
                mobile_number: Some(&number),
                line_name: None,
            },
        ];
        let mail = QrMail { envelope, language, subscriber_name: Some(name), plan, apn: "internet", cards: &cards[..1] };
        write(&folder, &format!("qr-{}", language.tag()), &qr_mail(&mail)?)?;
        let mail = QrMail { cards: &cards, ..mail };
        write(&folder, &format!("qr-two-{}", language.tag()), &qr_mail(&mail)?)?;
        let mail = ConfirmationMail {
            envelope,
            language,
            subscriber_name: Some(name),
            plan,
            count: 2,
            add_ons: &[add_on.to_owned()],
            price: "14.50 EUR",
            ordered_at: envelope.date,
        };
        write(&folder, &format!("confirmation-{}", language.tag()), &confirmation_mail(&mail)?)?;
    }
    let reasons = [
        "Line 2: the operator refused the card for good (unknown profile). Its money is owed back.".to_owned(),
        "The QR mail bounced: the mailbox does not exist.".to_owned(),
    ];
    write(&folder, "manager", &manager_mail(&ManagerMail { envelope, reasons: &reasons })?)
}

fn write(folder: &Path, name: &str, mail: &[u8]) -> Result<(), Box<dyn Error>> {
    fs::write(folder.join(format!("{name}.eml")), mail)?;
    let message = MessageParser::default().parse(mail).ok_or("the mail cannot be parsed")?;
    fs::write(folder.join(format!("{name}.txt")), message.body_text(0).ok_or("the mail has no text")?.as_bytes())?;
    let mut html = message.body_html(0).ok_or("the mail has no HTML")?.into_owned();
    for image in message.attachments() {
        let id = image.content_id().ok_or("an image has no Content-ID")?;
        let data = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(image.contents()));
        html = html.replace(&format!("cid:{id}"), &data);
    }
    fs::write(folder.join(format!("{name}.html")), html)?;
    println!("{name}: {} bytes", mail.len());
    Ok(())
}
