"""Orders on the running stack and pays with a webhook that the provider's own library signed."""

import json
import pathlib
import subprocess
import sys
import time
import urllib.request

import stripe

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True)
ready_file = folder / "ready.json"
command = ["cargo", "run", "--quiet", "--locked", "--", "--memory", "--port", "0", "--ready-file", str(ready_file)]
stack = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=(folder / "log").open("w"))


def call(method, path, body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else body.encode()
    request = urllib.request.Request(ready["baseUrl"] + path, data, {"Content-Type": "application/json", **headers}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


try:
    deadline = time.monotonic() + 60
    while not ready_file.exists():
        assert stack.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
        time.sleep(0.05)
    ready = json.loads(ready_file.read_text())
    bearer = {"Authorization": f"Bearer {ready['partnerKey']}"}
    wanted = {"planId": "eu-5gb-30d", "count": 2, "payment": "card", "subscriber": {"email": "ana@example.com", "name": "Ana"}}
    order = call("POST", "/v1/orders", json.dumps(wanted), Idempotency_Key="stripe-1", **bearer)
    num = order["orderNum"]
    event = json.dumps(
        {
            "id": "evt_1",
            "object": "event",
            "type": "payment_intent.succeeded",
            "data": {"object": {"id": "pi_1", "amount_received": order["price"]["amount"], "currency": "eur", "metadata": {"orderNum": num}}},
        }
    )
    now = int(time.time())
    signature = stripe.WebhookSignature._compute_signature(f"{now}.{event}", ready["stripeSecret"])
    call("POST", "/v1/webhooks/payments/stripe", event, Stripe_Signature=f"t={now},v1={signature}")
    paid = time.monotonic()
    while True:
        order = call("GET", f"/v1/orders/{num}", **bearer)
        mails = call("GET", "/mailbox.json")
        mails = mails if isinstance(mails, list) else mails["items"]
        if order["fulfilment"] == "completed" and len(mails) == 2:
            break
        assert time.monotonic() - paid < 2, f"not within 2 s: {order}"
        time.sleep(0.02)
    assert order["status"] == 0 and len(order["cards"]) == 2 and all(card["code"] for card in order["cards"]), order
    print(f"{num} is normal with its cards and mails {time.monotonic() - paid:.2f} s after the webhook")
finally:
    stack.terminate()
    stack.wait(20)
assert stack.returncode == 0, f"the stack ended with {stack.returncode}"
