//! Japanese.

use super::{ConfirmationWords, Opening, QrSwapWords, QrWords, ShipmentWords, Words};

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
    count: "数量",
    line: "回線",
    mobile_number: "電話番号",
    iccid: "ICCID",
    delivery_address: "お届け先",
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
        before_travel: "ご出発前にインストールしてください。",
        before: [
            "インストールが完了するまで、Wi-Fiなどに接続しておいてください。",
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
        steps_heading: "インストール方法",
        steps: [
            "ご利用のスマートフォンでご覧の場合は、お使いの機種のボタンをタップしてください。iPhoneではQRコードの長押しでも\
             追加できます。",
            "別の画面でご覧の場合は、スマートフォンのカメラでQRコードを読み取ってください。",
            "いずれもできない場合は、設定でeSIMの追加を選び、SM-DP+アドレスとアクティベーションコードを入力してください。",
            "現地では、モバイルデータ通信にこのeSIMを選び、データローミングをオンにしてください。",
        ],
        apn_step: "それでも通信できない場合は、上記のAPNを設定してください。",
        swap: QrSwapWords {
            subject: |plan| format!("新しいeSIMのご用意ができました:{plan}"),
            title: "新しいeSIMのご用意ができました",
            intro: "ご利用中の回線の新しいeSIMをお送りいたします。プランなどのご契約内容に変更はありません。",
            old_works: "新しいeSIMをインストールするまでは、現在のSIMをそのままお使いいただけます。",
            remove_old: |iccid| {
                format!(
                    "新しいeSIMが使えるようになりましたら、これまでのSIM(ICCID {iccid})のプロファイルを設定から削除するか、カードを\
                     取り出してください。"
                )
            },
        },
    },
    confirmation: ConfirmationWords {
        order: Opening {
            subject: |order| format!("ご注文の確認:{order}"),
            title: "ご注文ありがとうございます",
            intro: "以下のとおりご注文を承りました。",
        },
        top_up: Opening {
            subject: |order| format!("追加購入の確認:{order}"),
            title: "追加のご購入ありがとうございます",
            intro: "以下のとおり、ご利用中の回線への追加を承りました。",
        },
        renewal: Opening {
            subject: |order| format!("更新の確認:{order}"),
            title: "プランの更新を承りました",
            intro: "このたびはプランをご更新いただき、ありがとうございます。",
        },
        swap: Opening {
            subject: |order| format!("SIM交換の確認:{order}"),
            title: "SIMの交換を承りました",
            intro: "ご利用中の回線に新しいSIMをご用意いたします。プランなどのご契約内容に変更はありません。",
        },
        cancellation: Opening {
            subject: |order| format!("解約の確認:{order}"),
            title: "解約を承りました",
            intro: "以下の回線の解約を承りました。",
        },
        add_ons: "追加オプション",
        for_plan: "対象プラン",
        price: "料金",
        date: "ご注文日時",
        old_sim: "現在のSIM(ICCID)",
        qr_follows: |_| "eSIMをインストールするためのQRコードは、別のメールでお送りいたします。",
        by_post: |_| "SIMカードは、上記のお届け先へ郵送いたします。届きましたら、スマートフォンに挿入するだけでご利用いただけます。",
        parcel_follows: "発送後、追跡番号をメールでお知らせいたします。",
        old_works: "新しいSIMのご利用を始めるまでは、現在のSIMをそのままお使いいただけます。",
        nothing_to_install: "インストールは不要です。現在のSIMをそのままお使いください。",
        after_the_running_plan: "新しい期間は、ご利用中の期間が終わり次第始まりますので、残りの期間が無駄になることはありません。\
                                 すでに終了している場合は、すぐに始まります。",
    },
    shipment: ShipmentWords {
        subject: |_, order| format!("SIMカードを発送しました:ご注文番号 {order}"),
        title: |_| "SIMカードを発送しました",
        intro: "ご注文の商品を発送いたしました。",
        carrier: "配送業者",
        number: "追跡番号",
        date: "発送日時",
        insert: |_| "SIMカードが届きましたら、スマートフォンに挿入するだけでご利用いただけます。",
    },
};
