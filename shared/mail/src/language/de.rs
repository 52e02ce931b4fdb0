//! German.

use super::{ConfirmationWords, Opening, QrSwapWords, QrWords, ShipmentWords, Words};

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
    count: "Anzahl",
    line: "Anschluss",
    mobile_number: "Rufnummer",
    iccid: "ICCID",
    delivery_address: "Lieferadresse",
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
        before_travel: "Installieren Sie die eSIM vor Ihrer Reise.",
        before: [
            "Lassen Sie Ihr Smartphone online, am besten im WLAN, bis die Installation abgeschlossen ist.",
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
        swap: QrSwapWords {
            subject: |plan| format!("Ihre neue eSIM ist bereit: {plan}"),
            title: "Ihre neue eSIM ist bereit",
            intro: "hier ist die neue eSIM für Ihren Anschluss. Sonst ändert sich an Ihrem Anschluss nichts.",
            old_works: "Ihre bisherige SIM funktioniert weiter, bis die neue eSIM installiert ist.",
            remove_old: |iccid| {
                format!(
                    "Sobald die neue eSIM funktioniert, entfernen Sie die alte SIM (ICCID {iccid}): Löschen Sie ihr Profil in den \
                     Einstellungen des Smartphones oder nehmen Sie die Karte heraus."
                )
            },
        },
    },
    confirmation: ConfirmationWords {
        order: Opening {
            subject: |order| format!("Bestellbestätigung {order}"),
            title: "Vielen Dank für Ihre Bestellung",
            intro: "gern bestätigen wir Ihnen die folgende Bestellung.",
        },
        top_up: Opening {
            subject: |order| format!("Bestätigung Ihrer Zubuchung {order}"),
            title: "Vielen Dank für Ihre Zubuchung",
            intro: "gern bestätigen wir Ihnen, was wir zu Ihrem Anschluss hinzubuchen.",
        },
        renewal: Opening {
            subject: |order| format!("Bestätigung Ihrer Verlängerung {order}"),
            title: "Vielen Dank für Ihre Verlängerung",
            intro: "gern bestätigen wir Ihnen die Verlängerung Ihres Tarifs.",
        },
        swap: Opening {
            subject: |order| format!("Bestätigung Ihres SIM-Tauschs {order}"),
            title: "Ihr SIM-Tausch",
            intro: "gern bestätigen wir Ihnen, dass Sie für Ihren Anschluss eine neue SIM erhalten. Sonst ändert sich an Ihrem \
                    Anschluss nichts.",
        },
        cancellation: Opening {
            subject: |order| format!("Kündigungsbestätigung {order}"),
            title: "Ihre Kündigung",
            intro: "wir bestätigen Ihnen die Kündigung des folgenden Anschlusses.",
        },
        add_ons: "Zusatzoptionen",
        for_plan: "Zum Tarif",
        price: "Preis",
        date: "Bestelldatum",
        old_sim: "Bisherige SIM (ICCID)",
        qr_follows: |count| match count {
            1 => "Den QR-Code zur Installation Ihrer eSIM erhalten Sie in einer gesonderten Nachricht.",
            _ => "Die QR-Codes zur Installation Ihrer eSIMs erhalten Sie in einer gesonderten Nachricht.",
        },
        by_post: |count| match count {
            1 => {
                "Ihre SIM-Karte kommt per Post an die oben genannte Adresse. Legen Sie sie nach der Ankunft einfach in Ihr \
                 Smartphone ein."
            }
            _ => {
                "Ihre SIM-Karten kommen per Post an die oben genannte Adresse. Legen Sie sie nach der Ankunft einfach in Ihre \
                 Smartphones ein."
            }
        },
        parcel_follows: "Sobald die Sendung unterwegs ist, teilen wir Ihnen die Sendungsnummer mit.",
        old_works: "Ihre bisherige SIM funktioniert weiter, bis Sie die neue in Betrieb nehmen.",
        nothing_to_install: "Sie müssen nichts installieren und nutzen Ihre SIM einfach weiter.",
        after_the_running_plan: "Der neue Zeitraum schließt sich an den laufenden an: Er beginnt, sobald dieser endet, sodass Ihnen \
                                 keine Zeit verloren geht. Ist der bisherige schon abgelaufen, beginnt der neue sofort.",
    },
    shipment: ShipmentWords {
        subject: |count, order| match count {
            1 => format!("Ihre SIM-Karte ist unterwegs: Bestellung {order}"),
            _ => format!("Ihre SIM-Karten sind unterwegs: Bestellung {order}"),
        },
        title: |count| match count {
            1 => "Ihre SIM-Karte ist unterwegs",
            _ => "Ihre SIM-Karten sind unterwegs",
        },
        intro: "wir haben Ihre Bestellung an Sie versandt.",
        carrier: "Versand durch",
        number: "Sendungsnummer",
        date: "Versanddatum",
        insert: |count| match count {
            1 => "Legen Sie die SIM-Karte nach der Ankunft einfach in Ihr Smartphone ein.",
            _ => "Legen Sie die SIM-Karten nach der Ankunft einfach in Ihre Smartphones ein.",
        },
    },
};
