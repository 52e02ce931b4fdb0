"""Runs the demo with cards of its own and reads the QR code out of the mail as a phone would."""

import email
import email.policy
import json
import pathlib
import subprocess
import sys


def luhn(digits):
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True)
cards = {luhn(f"894907700000{n:06d}"): f"LPA:1$rsp.example.net$OWN-{n:05d}-CARD" for n in range(1, 4)}
inventory = folder / "my.csv"
inventory.write_text("iccid,code\n" + "".join(f"{iccid},{code}\n" for iccid, code in cards.items()))

command = ["cargo", "run", "--quiet", "--locked", "--", "demo", "--inventory", str(inventory), "--out", str(folder)]
shown = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
print(shown)
result = json.loads(shown.strip().splitlines()[-1])
assert result["status"] == 0, result
assert cards.get(result["iccid"]) == result["code"], f"not one of the caller's own cards: {result}"

message = email.message_from_bytes(pathlib.Path(result["mail"]).read_bytes(), policy=email.policy.default)
pictures = [part for part in message.walk() if part.get_content_type() == "image/png"]
assert len(pictures) == 1, f"{len(pictures)} pictures"
picture = folder / "qr.png"
picture.write_bytes(pictures[0].get_content())
read = subprocess.run(["zbarimg", "--raw", "--quiet", str(picture)], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
assert read == result["code"], f"the QR code says {read!r}, the order {result['code']!r}"
print("the QR code says", read)
