"""Pays orders at localstripe, a Stripe of somebody else's making, and has them paid back there.

    pip install localstripe && python tests/localstripe_money.py

Starts localstripe and a local stack whose refunds go there, both on free ports of the loopback interface. Payments are confirmed at
localstripe, whose own signed webhooks tell the stack. Exits with an error unless the orders end as they should and localstripe
lists exactly the refunds that they tell of. It does not honour idempotency keys, so a request too many would be a refund too many.
"""

import asyncio
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from aiohttp import web
from localstripe import resources, server

KEY = "sk_test_localstripe"
PATIENCE = 15.0
WEBHOOK = "/v1/webhooks/payments/stripe"

# It keeps its objects in a file that all of a machine's share.
resources.Store.dump_to_disk = lambda self: None
# Stripe's payment intents say what was collected; its own do not.
resources.PaymentIntent.amount_received = property(lambda self: self.amount if self.status == "succeeded" else 0)


def send(method, url, body=None, **headers):
    """The status and the parsed body of an answer."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body and body.encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or "null")


def expect(answer, *statuses):
    if answer[0] not in statuses:
        sys.exit(f"expected {statuses}, got {answer}")
    return answer[1]


class Stripe:
    """What a shop asks of Stripe, and what its dashboard shows."""

    def __init__(self, url):
        self.url = url

    def call(self, method, path, **fields):
        form = urllib.parse.urlencode(fields)
        query, body = (f"?{form}", None) if method == "GET" else ("", form)
        form_type = "application/x-www-form-urlencoded"
        return expect(send(method, self.url + path + query, body, Authorization=f"Bearer {KEY}", Content_Type=form_type), 200)

    def hook(self, url, secret):
        body = json.dumps({"url": url, "secret": secret, "events": ["payment_intent.succeeded"]})
        expect(send("POST", f"{self.url}/_config/webhooks/simdock", body, Content_Type="application/json"), 200)

    def pay(self, order):
        """Confirms a payment of an order's price; its id."""
        card = {"card[number]": "4242424242424242", "card[exp_month]": 12, "card[exp_year]": 2040, "card[cvc]": "123"}
        method = self.call("POST", "/v1/payment_methods", type="card", **card)["id"]
        price = {"amount": order["price"]["amount"], "currency": order["price"]["currency"].lower()}
        paid = {"payment_method": method, "confirm": "true", "metadata[orderNum]": order["orderNum"]}
        return self.call("POST", "/v1/payment_intents", **price, **paid)["id"]

    def refunds(self, **of):
        listed = self.call("GET", "/v1/refunds", limit=100, **of)["data"]
        return sorted((refund["payment_intent"], refund["amount"], refund["metadata"].get("refundId")) for refund in listed)


class Shop:
    """A partner of the stack."""

    def __init__(self, ready):
        self.url = ready["baseUrl"]
        self.headers = {"Authorization": f"Bearer {ready['partnerKey']}", "Content_Type": "application/json"}

    def order(self, count):
        subscriber = {"email": "ana@example.com", "name": "Ana", "language": "en"}
        wanted = {"planId": "eu-5gb-30d", "count": count, "payment": "card", "subscriber": subscriber}
        key = f"localstripe-{time.time_ns()}"
        return expect(send("POST", f"{self.url}/v1/orders", json.dumps(wanted), Idempotency_Key=key, **self.headers), 201)

    def refund(self, order, *iccids):
        wanted = {"reason": "changed plans", **({"iccids": iccids} if iccids else {})}
        answer = send("POST", f"{self.url}/v1/orders/{order['orderNum']}/refund", json.dumps(wanted), **self.headers)
        return expect(answer, 200, 202)

    def until(self, order, what, holds):
        begun = time.monotonic()
        while True:
            order = expect(send("GET", f"{self.url}/v1/orders/{order['orderNum']}", **self.headers), 200)
            if holds(order):
                return order
            if time.monotonic() - begun > PATIENCE:
                sys.exit(f"not {what} after {PATIENCE} s: {json.dumps(order, indent=2)}")
            time.sleep(0.05)

    def given_back(self, order, refunds, status):
        """The order once all that it owes was given back; it must have this status then."""
        done = lambda order: [refund["status"] for refund in order["refunds"]] == ["succeeded"] * refunds
        order = self.until(order, "given back", done)
        if order["status"] != status or order["owed"]:
            sys.exit(f"expected status {status} and nothing owed: {json.dumps(order, indent=2)}")
        return order


def told(*orders):
    """The refunds that orders tell of, as a list of the provider's shows them."""
    refunds = [refund for order in orders for refund in order["refunds"]]
    return sorted((refund["paymentId"], refund["amount"]["amount"], refund["refundId"]) for refund in refunds)


def play(stripe, shop):
    live = lambda order: order["fulfilment"] == "completed"

    partly = shop.order(3)
    payment = stripe.pay(partly)
    partly = shop.until(partly, "paid", live)
    assert partly["status"] == 0 and [paid["paymentId"] for paid in partly["payments"]] == [payment], partly
    card = partly["cards"][1]["iccid"]
    shop.refund(partly, card)
    partly = shop.given_back(partly, 1, 4)
    shop.refund(partly, card)
    assert stripe.refunds(payment_intent=payment) == told(partly) == [(payment, 1450, partly["refunds"][0]["refundId"])]
    print(f"{partly['orderNum']}: 3 cards paid by {payment}, 1 paid back, status {partly['status']}")

    whole = shop.order(2)
    payment = stripe.pay(whole)
    whole = shop.until(whole, "paid", live)
    shop.refund(whole)
    whole = shop.given_back(whole, 2, 2)
    assert stripe.refunds(payment_intent=payment) == told(whole) and len(told(whole)) == 2, whole
    print(f"{whole['orderNum']}: 2 cards paid by {payment}, both paid back, status {whole['status']}")

    twice = shop.order(1)
    payments = {stripe.pay(twice), stripe.pay(twice)}
    twice = shop.given_back(twice, 1, 0)
    assert {paid["paymentId"] for paid in twice["payments"]} == payments, twice
    print(f"{twice['orderNum']}: paid twice, once paid back, status {twice['status']}")

    assert stripe.refunds() == told(partly, whole, twice) and len(stripe.refunds()) == 4, stripe.refunds()


def serve(url, folder):
    """A local stack whose refunds go to `url`, and what its ready file holds."""
    ready, log = folder / "ready.json", folder / "log"
    command = ["cargo", "run", "--quiet", "--locked", "--", "--memory", "--port", "0", "--ready-file", str(ready)]
    variables = {**os.environ, "STRIPE_URL": url, "STRIPE_SECRET_KEY": KEY}
    stack = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=log.open("w"))
    while not ready.exists():
        if stack.poll() is not None:
            sys.exit(f"the stack ended:\n{log.read_text()}")
        time.sleep(0.1)
    return stack, json.loads(ready.read_text())


async def main():
    runner = web.AppRunner(server.app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    stripe = Stripe(f"http://{host}:{port}")
    with tempfile.TemporaryDirectory() as folder:
        stack, ready = await asyncio.to_thread(serve, stripe.url, pathlib.Path(folder))
        try:
            await asyncio.to_thread(stripe.hook, ready["baseUrl"] + WEBHOOK, ready["stripeSecret"])
            await asyncio.to_thread(play, stripe, Shop(ready))
        finally:
            stack.terminate()
            stack.wait()
    await runner.cleanup()


asyncio.run(main())
