//! Writes one of every mail to `target/mail-preview`: the message as `.eml`, and its HTML with the images inlined, to be
//! opened in a browser.

#[path = "../tests/orders/mod.rs"]
mod orders;

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mail_parser::{MessageParser, MimeHeaders};
use simdock_domain::{ActivationCode, Command, FormFactor, Msisdn, Order, Timestamp};
use simdock_mail::{
    Addressee, ConfirmationMail, Confirmed, Envelope, KnownLine, Language, MailError, ManagerMail, QrCard, QrMail, Sender,
    ShipmentMail, confirmation_mail, manager_mail, qr_mail, shipment_mail,
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
    let iccids = [0, 1, 2].map(orders::iccid);
    let home = orders::home();
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
        let mail =
            QrMail { envelope, language, subscriber_name: Some(name), plan, apn: "internet", cards: &cards[..1], replaces: None };
        let tag = language.tag();
        write(&folder, &format!("qr-{tag}"), &qr_mail(&mail)?)?;
        write(&folder, &format!("qr-swap-{tag}"), &qr_mail(&QrMail { replaces: Some(&iccids[2]), ..mail })?)?;
        write(&folder, &format!("qr-two-{tag}"), &qr_mail(&QrMail { cards: &cards, ..mail })?)?;

        let to = Addressee { name, address: &home };
        let known = KnownLine { name: Some(line), mobile_number: Some(&number), iccid: &iccids[0] };
        let with = [add_on.to_owned()];
        for (what, confirmed, add_ons) in [
            ("esims", Confirmed::Esims { count: 2, mailed: true }, &with[..]),
            ("cards", Confirmed::Cards { count: 2, to, announced: true }, &with),
            ("plan", Confirmed::Plan(known), &with),
            ("add-ons", Confirmed::AddOns(known), &with),
            ("renewal", Confirmed::Renewal(known), &[]),
            ("esim-swap", Confirmed::EsimSwap { old: known, mailed: true }, &[]),
            ("card-swap", Confirmed::CardSwap { old: known, to, announced: true }, &[]),
            ("cancellation", Confirmed::Cancellation(known), &[]),
        ] {
            let mail = ConfirmationMail {
                envelope,
                language,
                subscriber_name: Some(name),
                plan,
                add_ons,
                price: "14.50 EUR",
                ordered_at: envelope.date,
                confirmed,
            };
            write(&folder, &format!("confirmation-{what}-{tag}"), &confirmation_mail(&mail)?)?;
        }
        let mail = ShipmentMail {
            envelope,
            language,
            subscriber_name: Some(name),
            plan,
            count: 1,
            to,
            carrier: "CTT Correios",
            number: "RR123456785PT",
            shipped_at: envelope.date,
            is_swap: false,
        };
        write(&folder, &format!("shipment-{tag}"), &shipment_mail(&mail)?)?;
        write(&folder, &format!("shipment-swap-{tag}"), &shipment_mail(&ShipmentMail { is_swap: true, ..mail })?)?;
    }

    let manager = |order: &Order| -> Result<Vec<u8>, MailError> { manager_mail(&ManagerMail { envelope, order }) };
    let parcel = orders::paid(envelope.order_num, FormFactor::Physical, 3);
    write(&folder, "manager-parcel", &manager(&parcel)?)?;
    let failed = Command::ProvisioningFailed { line: 1, reason: "unknown profile".to_owned() };
    let disputed = Command::Disputed { payment_id: "pi_1".to_owned(), reason: "fraudulent".to_owned() };
    write(&folder, "manager-trouble", &manager(&orders::after(&parcel, [failed, disputed]))?)
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
