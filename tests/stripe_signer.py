"""Pays an order on a running local stack with a webhook that Stripe's own library signed.

    cargo run -- --memory --port 0 --ready-file ready.json &
    pip install stripe && python tests/stripe_signer.py ready.json

Exits with an error unless the order then has its card and both its mails within PATIENCE seconds.
"""

import json
import sys
import time
import urllib.error
import urllib.request

import stripe

PATIENCE = 2.0

with open(sys.argv[1]) as file:
    ready = json.load(file)


def call(method, path, body=None, **headers):
    """The status and the parsed body of an answer."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body.encode() if body is not None else None
    if data is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(ready["baseUrl"] + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def expect(status, answer, /, **fields):
    found = {name: answer[1].get(name) for name in fields}
    if answer[0] != status or found != fields:
        sys.exit(f"expected {status} {fields}, got {answer}")
    return answer[1]


partner = {"Authorization": f"Bearer {ready['partnerKey']}"}
wanted = {
    "planId": "eu-5gb-30d",
    "count": 2,
    "payment": "card",
    "subscriber": {"email": "ana@example.com", "name": "Ana", "language": "en"},
}
key = f"stripe-signer-{time.time_ns()}"
order = expect(201, call("POST", "/v1/orders", json.dumps(wanted), **partner, Idempotency_Key=key), status=-1)
num = order["orderNum"]

# As Stripe writes it: with spaces, line breaks and letters beyond ASCII, of which the signature covers every byte.
event = json.dumps(
    {
        "id": f"evt_{num}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "data": {
            "object": {
                "id": f"pi_{num}",
                "object": "payment_intent",
                "amount": order["price"]["amount"],
                "amount_received": order["price"]["amount"],
                "currency": order["price"]["currency"].lower(),
                "description": "Europa, 5 GB für Ana García",
                "metadata": {"orderNum": num},
                "status": "succeeded",
            }
        },
    },
    indent=2,
    ensure_ascii=False,
)
webhook = "/v1/webhooks/payments/stripe"
sign = stripe.WebhookSignature.generate_signature_header
late = sign(event, ready["stripeSecret"], int(time.time()) - 301)
expect(400, call("POST", webhook, event, Stripe_Signature=late), code="signature_stale")
expect(400, call("POST", webhook, event, Stripe_Signature=sign(event, "whsec_another")), code="bad_signature")
signature = sign(event, ready["stripeSecret"])
paid_at = time.monotonic()
expect(200, call("POST", webhook, event, Stripe_Signature=signature), received=True, result="paid")
expect(200, call("POST", webhook, event, Stripe_Signature=signature), received=True, result="known")

while True:
    order = expect(200, call("GET", f"/v1/orders/{num}", **partner), status=0)
    mails = [mail for mail in call("GET", "/mailbox.json")[1] if mail["orderNum"] == num]
    codes = [card["code"] for card in order["cards"] if card["status"] == "ready"]
    after = time.monotonic() - paid_at
    if len(codes) == 2 and {mail["mail"] for mail in mails} == {"qr", "confirmation"}:
        break
    if after > PATIENCE:
        sys.exit(f"after {after:.1f} s only {codes} and {mails}")
    time.sleep(0.02)
print(f"{num}: paid, {len(codes)} cards and {len(mails)} mails after {after:.2f} s")
