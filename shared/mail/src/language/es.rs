//! Spanish.

use super::{ConfirmationWords, QrWords, Words};

const MONTHS: [&str; 12] =
    ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"];

pub(super) const WORDS: Words = Words {
    greeting: |name| match name {
        Some(name) => format!("Hola, {name}:"),
        None => "Hola:".to_owned(),
    },
    date: |at| {
        let month = MONTHS[usize::from(u8::from(at.month())) - 1];
        format!("{} de {month} de {}, {:02}:{:02} UTC", at.day(), at.year(), at.hour(), at.minute())
    },
    automatic: "Este mensaje se ha enviado automáticamente.",
    order_number: "Número de pedido",
    plan: "Plan",
    qr: QrWords {
        subject: |count, plan| match count {
            1 => format!("Su eSIM está lista: {plan}"),
            _ => format!("Sus {count} eSIM están listas: {plan}"),
        },
        title: |count| match count {
            1 => "Su eSIM está lista".to_owned(),
            _ => format!("Sus {count} eSIM están listas"),
        },
        intro: "Gracias por su pedido. Aquí tiene todo lo necesario para la instalación en su teléfono.",
        before_heading: "Antes de empezar",
        before: [
            "Mantenga el teléfono conectado a internet, a ser posible por wifi, hasta que termine la instalación.",
            "Instale la eSIM antes de viajar.",
            "Una eSIM solo puede instalarse una vez y queda vinculada a ese teléfono. Elija bien el teléfono y no borre \
             la eSIM después.",
            "No comparta el código: la eSIM es de quien la instala primero.",
        ],
        card: |number, total| match total {
            1 => "Su eSIM".to_owned(),
            _ => format!("eSIM {number} de {total}"),
        },
        alt: |iccid| format!("Código QR para instalar la eSIM {iccid}"),
        caption: "Escanee este código con el teléfono que va a usar la eSIM.",
        install_ios: "Instalar en iPhone (iOS 17.4 o posterior)",
        install_android: "Instalar en Android",
        activate_before: "Activar antes del",
        sm_dp_address: "Dirección SM-DP+",
        activation_code: "Código de activación",
        confirmation_code: "Código de confirmación",
        confirmation_code_hint: "El teléfono se lo pedirá. Por su seguridad no figura en este mensaje; lo recibirá por \
                                 separado.",
        lpa_code: "Código completo (LPA)",
        apn: "APN",
        mobile_number: "Número de móvil",
        iccid: "ICCID",
        steps_heading: "Cómo instalarla",
        steps: [
            "¿Lee este mensaje en el teléfono que va a usar la eSIM? Toque el botón de su teléfono. En un iPhone con iOS \
             17.4 o posterior también puede mantener pulsado el código QR y añadir la eSIM.",
            "¿Lo lee en otra pantalla? Escanee el código QR con la cámara del teléfono.",
            "Si nada de esto funciona, elija añadir una eSIM en los ajustes del teléfono e introduzca a mano la \
             dirección SM-DP+ y el código de activación.",
            "Al llegar a su destino, seleccione la eSIM para los datos móviles y active en ella la itinerancia de datos.",
        ],
        apn_step: "Si aun así no hay conexión de datos, introduzca en los ajustes de la eSIM el APN indicado arriba.",
    },
    confirmation: ConfirmationWords {
        subject: |order| format!("Confirmación del pedido {order}"),
        title: "Gracias por su pedido",
        intro: "Nos complace confirmarle el siguiente pedido.",
        count: "Cantidad",
        add_ons: "Complementos",
        price: "Precio",
        date: "Fecha del pedido",
        qr_follows: "Si su pedido incluye una eSIM nueva, recibirá su código QR en otro mensaje.",
    },
};
