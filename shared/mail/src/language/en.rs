//! English.

use super::{ConfirmationWords, Opening, QrSwapWords, QrWords, ShipmentWords, Words};

pub(super) const WORDS: Words = Words {
    greeting: |name| match name {
        Some(name) => format!("Hello {name},"),
        None => "Hello,".to_owned(),
    },
    date: |at| format!("{} {} {}, {:02}:{:02} UTC", at.day(), at.month(), at.year(), at.hour(), at.minute()),
    automatic: "This message was sent automatically.",
    order_number: "Order number",
    plan: "Plan",
    count: "Quantity",
    line: "Line",
    mobile_number: "Mobile number",
    iccid: "ICCID",
    delivery_address: "Delivery address",
    qr: QrWords {
        subject: |count, plan| match count {
            1 => format!("Your eSIM is ready: {plan}"),
            _ => format!("Your {count} eSIMs are ready: {plan}"),
        },
        title: |count| match count {
            1 => "Your eSIM is ready".to_owned(),
            _ => format!("Your {count} eSIMs are ready"),
        },
        intro: "Thank you for your order. Here is everything you need for the installation.",
        before_heading: "Before you start",
        before_travel: "Install the eSIM before you travel.",
        before: [
            "Keep your phone online, ideally on Wi-Fi, until the installation has finished.",
            "An eSIM can be installed only once and then belongs to that phone. Please choose the right phone, and do \
             not delete the eSIM afterwards.",
            "Keep the code to yourself: whoever installs it first has the eSIM.",
        ],
        card: |number, total| match total {
            1 => "Your eSIM".to_owned(),
            _ => format!("eSIM {number} of {total}"),
        },
        alt: |iccid| format!("QR code to install the eSIM {iccid}"),
        caption: "Scan this code with the phone that will use the eSIM.",
        install_ios: "Install on iPhone (iOS 17.4 or later)",
        install_android: "Install on Android",
        activate_before: "Activate before",
        sm_dp_address: "SM-DP+ address",
        activation_code: "Activation code",
        confirmation_code: "Confirmation code",
        confirmation_code_hint: "Your phone will ask for one. For your safety it is not in this message; you receive \
                                 it separately.",
        lpa_code: "Full code (LPA)",
        apn: "APN",
        steps_heading: "How to install",
        steps: [
            "Reading this on the phone that will use the eSIM? Tap the button for your phone. On an iPhone with iOS \
             17.4 or later you can also touch and hold the QR code and choose to add the eSIM.",
            "Reading this on another screen? Scan the QR code with the phone’s camera.",
            "If neither works, choose to add an eSIM in the phone’s settings and enter the SM-DP+ address and the \
             activation code by hand.",
            "When you arrive, select the eSIM for mobile data and turn on data roaming for it.",
        ],
        apn_step: "If there is still no data connection, enter the APN given above in the eSIM’s settings.",
        swap: QrSwapWords {
            subject: |plan| format!("Your new eSIM is ready: {plan}"),
            title: "Your new eSIM is ready",
            intro: "Here is the new eSIM for your line. Nothing else about the line changes.",
            old_works: "Your current SIM keeps working until the new eSIM is installed.",
            remove_old: |iccid| {
                format!(
                    "Once the new eSIM works, remove the old SIM (ICCID {iccid}): delete its profile in the phone’s settings, or \
                     take the card out."
                )
            },
        },
    },
    confirmation: ConfirmationWords {
        order: Opening {
            subject: |order| format!("Order confirmation {order}"),
            title: "Thank you for your order",
            intro: "We are pleased to confirm the following order.",
        },
        top_up: Opening {
            subject: |order| format!("Top-up confirmation {order}"),
            title: "Thank you for your top-up",
            intro: "We are pleased to confirm what we are adding to your line.",
        },
        renewal: Opening {
            subject: |order| format!("Renewal confirmation {order}"),
            title: "Thank you for your renewal",
            intro: "We are pleased to confirm the renewal of your plan.",
        },
        swap: Opening {
            subject: |order| format!("SIM swap confirmation {order}"),
            title: "Your SIM swap",
            intro: "We are pleased to confirm that you get a new SIM for your line. Nothing else about the line changes.",
        },
        cancellation: Opening {
            subject: |order| format!("Cancellation confirmation {order}"),
            title: "Your cancellation",
            intro: "We confirm the cancellation of the following line.",
        },
        add_ons: "Add-ons",
        for_plan: "For plan",
        price: "Price",
        date: "Order date",
        old_sim: "Current SIM (ICCID)",
        qr_follows: |count| match count {
            1 => "The QR code to install your eSIM comes in a separate message.",
            _ => "The QR codes to install your eSIMs come in a separate message.",
        },
        by_post: |count| match count {
            1 => "Your SIM card is sent by post to the address above. When it arrives, just insert it into your phone.",
            _ => "Your SIM cards are sent by post to the address above. When they arrive, just insert them into your phones.",
        },
        parcel_follows: "As soon as the parcel is on its way, we will send you its tracking number.",
        old_works: "Your current SIM keeps working until you start using the new one.",
        nothing_to_install: "There is nothing to install: you keep using the same SIM.",
        after_the_running_plan: "The new period follows your current one: it starts when that ends, so you lose no time. If the \
                                 current one has already ended, the new period starts right away.",
    },
    shipment: ShipmentWords {
        subject: |count, order| match count {
            1 => format!("Your SIM card is on its way: order {order}"),
            _ => format!("Your SIM cards are on their way: order {order}"),
        },
        title: |count| match count {
            1 => "Your SIM card is on its way",
            _ => "Your SIM cards are on their way",
        },
        intro: "We have sent you the parcel with your order.",
        carrier: "Carrier",
        number: "Tracking number",
        date: "Sent on",
        insert: |count| match count {
            1 => "When the SIM card arrives, just insert it into your phone.",
            _ => "When the SIM cards arrive, just insert them into your phones.",
        },
    },
};
