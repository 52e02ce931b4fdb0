//! German.

use super::{ConfirmationWords, QrWords, Words};

const MONTHS: [&str; 12] =
    ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"];

pub(super) const WORDS: Words = Words {
    greeting: |name| match name {
        Some(name) => format!("Guten Tag {name},"),
        None => "Guten Tag,".to_owned(),
    },
    date: |at| {
        let month = MONTHS[usize::from(u8::from(at.month())) - 1];
        format!("{}. {month} {}, {:02}:{:02} UTC", at.day(), at.year(), at.hour(), at.minute())
    },
    automatic: "Diese Nachricht wurde automatisch versandt.",
    order_number: "Bestellnummer",
    plan: "Tarif",
    qr: QrWords {
        subject: |count, plan| match count {
            1 => format!("Ihre eSIM ist bereit: {plan}"),
            _ => format!("Ihre {count} eSIMs sind bereit: {plan}"),
        },
        title: |count| match count {
            1 => "Ihre eSIM ist bereit".to_owned(),
            _ => format!("Ihre {count} eSIMs sind bereit"),
        },
        intro: "vielen Dank für Ihre Bestellung. Hier finden Sie alles, was Sie für die Installation auf Ihrem \
                Smartphone brauchen.",
        before_heading: "Bevor Sie beginnen",
        before: [
            "Lassen Sie Ihr Smartphone online, am besten im WLAN, bis die Installation abgeschlossen ist.",
            "Installieren Sie die eSIM vor Ihrer Reise.",
            "Eine eSIM lässt sich nur einmal installieren und gehört dann zu diesem Smartphone. Wählen Sie bitte das \
             richtige Gerät und löschen Sie die eSIM danach nicht.",
            "Geben Sie den Code nicht weiter: Wer ihn zuerst installiert, hat die eSIM.",
        ],
        card: |number, total| match total {
            1 => "Ihre eSIM".to_owned(),
            _ => format!("eSIM {number} von {total}"),
        },
        alt: |iccid| format!("QR-Code zur Installation der eSIM {iccid}"),
        caption: "Scannen Sie diesen Code mit dem Smartphone, das die eSIM nutzen soll.",
        install_ios: "Auf iPhone installieren (iOS 17.4+)",
        install_android: "Auf Android installieren",
        activate_before: "Aktivieren bis",
        sm_dp_address: "SM-DP+-Adresse",
        activation_code: "Aktivierungscode",
        confirmation_code: "Bestätigungscode",
        confirmation_code_hint: "Ihr Smartphone wird danach fragen. Zu Ihrer Sicherheit steht er nicht in dieser \
                                 Nachricht; Sie erhalten ihn gesondert.",
        lpa_code: "Vollständiger Code (LPA)",
        apn: "APN",
        mobile_number: "Rufnummer",
        iccid: "ICCID",
        steps_heading: "So installieren Sie die eSIM",
        steps: [
            "Sie lesen dies auf dem Smartphone, das die eSIM nutzen soll? Tippen Sie auf die Schaltfläche für Ihr \
             Gerät. Auf einem iPhone ab iOS 17.4 können Sie auch den QR-Code gedrückt halten und die eSIM hinzufügen.",
            "Sie lesen dies auf einem anderen Bildschirm? Scannen Sie den QR-Code mit der Kamera des Smartphones.",
            "Falls beides nicht klappt, wählen Sie in den Einstellungen des Smartphones „eSIM hinzufügen“ und geben \
             Sie die SM-DP+-Adresse und den Aktivierungscode von Hand ein.",
            "Wählen Sie nach Ihrer Ankunft die eSIM für mobile Daten aus und schalten Sie für sie das Datenroaming ein.",
        ],
        apn_step: "Besteht dann noch keine Datenverbindung, tragen Sie den oben genannten APN in den Einstellungen der \
                   eSIM ein.",
    },
    confirmation: ConfirmationWords {
        subject: |order| format!("Bestellbestätigung {order}"),
        title: "Vielen Dank für Ihre Bestellung",
        intro: "gern bestätigen wir Ihnen die folgende Bestellung.",
        count: "Anzahl",
        add_ons: "Zusatzoptionen",
        price: "Preis",
        date: "Bestelldatum",
        qr_follows: "Enthält Ihre Bestellung eine neue eSIM, erhalten Sie deren QR-Code in einer gesonderten Nachricht.",
    },
};
