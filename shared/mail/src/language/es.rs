//! Spanish.

use super::{ConfirmationWords, Opening, QrSwapWords, QrWords, ShipmentWords, Words};

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
    count: "Cantidad",
    line: "Línea",
    mobile_number: "Número de móvil",
    iccid: "ICCID",
    delivery_address: "Dirección de entrega",
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
        before_travel: "Instale la eSIM antes de viajar.",
        before: [
            "Mantenga el teléfono conectado a internet, a ser posible por wifi, hasta que termine la instalación.",
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
        swap: QrSwapWords {
            subject: |plan| format!("Su nueva eSIM está lista: {plan}"),
            title: "Su nueva eSIM está lista",
            intro: "Aquí tiene la nueva eSIM para su línea. Por lo demás, su línea no cambia.",
            old_works: "Su SIM actual seguirá funcionando hasta que la nueva eSIM esté instalada.",
            remove_old: |iccid| {
                format!(
                    "Cuando la nueva eSIM funcione, retire la SIM anterior (ICCID {iccid}): borre su perfil en los ajustes del \
                     teléfono o saque la tarjeta."
                )
            },
        },
    },
    confirmation: ConfirmationWords {
        order: Opening {
            subject: |order| format!("Confirmación del pedido {order}"),
            title: "Gracias por su pedido",
            intro: "Nos complace confirmarle el siguiente pedido.",
        },
        top_up: Opening {
            subject: |order| format!("Confirmación de su recarga {order}"),
            title: "Gracias por su recarga",
            intro: "Nos complace confirmarle lo que añadimos a su línea.",
        },
        renewal: Opening {
            subject: |order| format!("Confirmación de su renovación {order}"),
            title: "Gracias por su renovación",
            intro: "Nos complace confirmarle la renovación de su plan.",
        },
        swap: Opening {
            subject: |order| format!("Confirmación del cambio de SIM {order}"),
            title: "Su cambio de SIM",
            intro: "Nos complace confirmarle que recibirá una SIM nueva para su línea. Por lo demás, su línea no cambia.",
        },
        cancellation: Opening {
            subject: |order| format!("Confirmación de la baja {order}"),
            title: "Su baja",
            intro: "Le confirmamos la baja de la siguiente línea.",
        },
        add_ons: "Complementos",
        for_plan: "Para el plan",
        price: "Precio",
        date: "Fecha del pedido",
        old_sim: "SIM actual (ICCID)",
        qr_follows: |count| match count {
            1 => "Recibirá el código QR para instalar su eSIM en otro mensaje.",
            _ => "Recibirá los códigos QR para instalar sus eSIM en otro mensaje.",
        },
        by_post: |count| match count {
            1 => {
                "Le enviamos la tarjeta SIM por correo postal a la dirección indicada arriba. Cuando la reciba, solo tiene que \
                 introducirla en el teléfono."
            }
            _ => {
                "Le enviamos las tarjetas SIM por correo postal a la dirección indicada arriba. Cuando las reciba, solo tiene que \
                 introducirlas en los teléfonos."
            }
        },
        parcel_follows: "En cuanto salga el envío, le comunicaremos el número de seguimiento.",
        old_works: "Su SIM actual seguirá funcionando hasta que empiece a usar la nueva.",
        nothing_to_install: "No hace falta instalar nada: siga usando la misma SIM.",
        after_the_running_plan: "El nuevo periodo sigue al actual: empieza cuando este termina, así que no pierde tiempo. Si el actual \
                                 ya ha terminado, el nuevo empieza de inmediato.",
    },
    shipment: ShipmentWords {
        subject: |count, order| match count {
            1 => format!("Su tarjeta SIM está en camino: pedido {order}"),
            _ => format!("Sus tarjetas SIM están en camino: pedido {order}"),
        },
        title: |count| match count {
            1 => "Su tarjeta SIM está en camino",
            _ => "Sus tarjetas SIM están en camino",
        },
        intro: "Le hemos enviado su pedido.",
        carrier: "Transportista",
        number: "Número de seguimiento",
        date: "Fecha de envío",
        insert: |count| match count {
            1 => "Cuando reciba la tarjeta SIM, solo tiene que introducirla en el teléfono.",
            _ => "Cuando reciba las tarjetas SIM, solo tiene que introducirlas en los teléfonos.",
        },
    },
};
