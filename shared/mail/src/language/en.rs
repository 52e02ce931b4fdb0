//! English.

use super::{ConfirmationWords, QrWords, Words};

pub(super) const WORDS: Words = Words {
    greeting: |name| match name {
        Some(name) => format!("Hello {name},"),
        None => "Hello,".to_owned(),
    },
    date: |at| format!("{} {} {}, {:02}:{:02} UTC", at.day(), at.month(), at.year(), at.hour(), at.minute()),
    automatic: "This message was sent automatically.",
    order_number: "Order number",
    plan: "Plan",
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
        before: [
            "Keep your phone online, ideally on Wi-Fi, until the installation has finished.",
            "Install the eSIM before you travel.",
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
        mobile_number: "Mobile number",
        iccid: "ICCID",
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
    },
    confirmation: ConfirmationWords {
        subject: |order| format!("Order confirmation {order}"),
        title: "Thank you for your order",
        intro: "We are pleased to confirm the following order.",
        count: "Quantity",
        add_ons: "Add-ons",
        price: "Price",
        date: "Order date",
        qr_follows: "If your order includes a new eSIM, its QR code comes in a separate message.",
    },
};
