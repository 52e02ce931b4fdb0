//! Japanese.

use super::{ConfirmationWords, QrWords, Words};

pub(super) const WORDS: Words = Words {
    greeting: |name| match name {
        Some(name) => format!("{name} 様"),
        None => "お客様".to_owned(),
    },
    date: |at| {
        let month = u8::from(at.month());
        format!("{}年{month}月{}日 {:02}:{:02}(UTC)", at.year(), at.day(), at.hour(), at.minute())
    },
    automatic: "このメールは自動的に送信されています。",
    order_number: "ご注文番号",
    plan: "プラン",
    qr: QrWords {
        subject: |count, plan| match count {
            1 => format!("eSIMのご用意ができました:{plan}"),
            _ => format!("eSIM {count}枚のご用意ができました:{plan}"),
        },
        title: |count| match count {
            1 => "eSIMのご用意ができました".to_owned(),
            _ => format!("eSIM {count}枚のご用意ができました"),
        },
        intro: "ご注文ありがとうございます。インストールに必要な情報をお送りいたします。",
        before_heading: "インストールの前に",
        before: [
            "インストールが完了するまで、Wi-Fiなどに接続しておいてください。",
            "ご出発前にインストールしてください。",
            "インストールは一度限りで、別のスマートフォンには移せません。ご利用の機種をお確かめのうえ、その後も削除しないで\
             ください。",
            "コードは他の方に知らせないでください。先にインストールした方だけが使えます。",
        ],
        card: |number, total| match total {
            1 => "お客様のeSIM".to_owned(),
            _ => format!("eSIM {number}/{total}"),
        },
        alt: |iccid| format!("eSIM {iccid} をインストールするためのQRコード"),
        caption: "ご利用のスマートフォンで読み取ってください。",
        install_ios: "iPhoneにインストール(iOS 17.4以降)",
        install_android: "Androidにインストール",
        activate_before: "有効化期限",
        sm_dp_address: "SM-DP+アドレス",
        activation_code: "アクティベーションコード",
        confirmation_code: "確認コード",
        confirmation_code_hint: "インストール中に入力を求められます。安全のため、別途お知らせいたします。",
        lpa_code: "LPAコード",
        apn: "APN",
        mobile_number: "電話番号",
        iccid: "ICCID",
        steps_heading: "インストール方法",
        steps: [
            "ご利用のスマートフォンでご覧の場合は、お使いの機種のボタンをタップしてください。iPhoneではQRコードの長押しでも\
             追加できます。",
            "別の画面でご覧の場合は、スマートフォンのカメラでQRコードを読み取ってください。",
            "いずれもできない場合は、設定でeSIMの追加を選び、SM-DP+アドレスとアクティベーションコードを入力してください。",
            "現地では、モバイルデータ通信にこのeSIMを選び、データローミングをオンにしてください。",
        ],
        apn_step: "それでも通信できない場合は、上記のAPNを設定してください。",
    },
    confirmation: ConfirmationWords {
        subject: |order| format!("ご注文の確認:{order}"),
        title: "ご注文ありがとうございます",
        intro: "以下のとおりご注文を承りました。",
        count: "数量",
        add_ons: "追加オプション",
        price: "料金",
        date: "ご注文日時",
        qr_follows: "新しいeSIMを含むご注文の場合、QRコードは別のメールでお送りいたします。",
    },
};
