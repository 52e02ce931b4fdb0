"""Has Schemathesis make requests from the contract, and holds every answer of a running local stack to it.

    cargo run -- --memory --port 0 --ready-file ready.json &
    pip install schemathesis && python tests/contract_walk.py ready.json

Once with a manager's key and once with a partner's, each with an order of its own for the requests to be about. Exits with an error
over an answer of 5xx and over a status, a content type, a header or a body that the contract does not have. A request of each kind is
also sent without its key. What is left out: whether values are accepted that the schemas allow, since some rules are no matter of a
schema; whether null is refused, since it counts as absent; and 405 for other methods, which API Gateway answers with 404.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

PATIENCE = 5.0
EXAMPLES = 50
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "missing_required_header",
    "ignored_auth",
]

ready = json.loads(pathlib.Path(sys.argv[1]).read_text())
contract = pathlib.Path(__file__).parent.parent / "infra" / "openapi.yaml"
schemathesis = pathlib.Path(sys.executable).parent / "schemathesis"


def call(method, path, body=None, **headers):
    headers |= {"Authorization": f"Bearer {ready['partnerKey']}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(ready["baseUrl"] + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def an_order():
    """What the requests are about: an order whose card works."""
    wanted = {
        "planId": "sandbox-1gb-7d",
        "count": 1,
        "payment": "balance",
        "subscriber": {"email": "ana@example.com", "name": "Ana"},
    }
    order = call("POST", "/v1/orders", wanted, **{"Idempotency-Key": f"walk-{time.time_ns()}"})
    begun = time.monotonic()
    while not any(card.get("subscriptionId") for card in order["cards"]):
        if time.monotonic() > begun + PATIENCE:
            sys.exit(f"the order is not provisioned: {order}")
        time.sleep(0.05)
        order = call("GET", f"/v1/orders/{order['orderNum']}")
    card = order["cards"][0]
    return {"orderNum": order["orderNum"], "subscriptionId": card["subscriptionId"], "iccid": card["iccid"]}


failed = []
for role in ["manager", "partner"]:
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "schemathesis.toml"
        config.write_text("[parameters]\n" + "".join(f'{name} = "{value}"\n' for name, value in an_order().items()))
        print(f"with a {role}'s key", flush=True)
        command = [schemathesis, "--config-file", config, "run", contract, "--url", ready["baseUrl"]]
        command += ["--header", f"Authorization: Bearer {ready[role + 'Key']}", "--checks", ",".join(CHECKS)]
        command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--suppress-health-check", "all"]
        command += ["--warnings", "off", "--continue-on-failure", "--generation-database", "none", "--no-color"]
        if subprocess.run(command).returncode:
            failed.append(role)
if failed:
    sys.exit(f"answers that the contract does not have, to a {' and a '.join(failed)}")
