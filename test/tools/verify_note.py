#!/usr/bin/python3
# Verifies a C2SP signed note by openssl, and by nothing of ours: NOTE KEY NAME,
# files of the note and of the public key in PEM, and the name of the key.  Ends
# with 0 and prints the text that is signed, or says what is wrong.

import base64
import hashlib
import subprocess
import sys
import tempfile

note = open(sys.argv[1], "rb").read()
key, name = sys.argv[2], sys.argv[3].encode()

text, empty, signatures = note.rpartition(b"\n\n")
text += b"\n"
lines = signatures.split(b"\n")
if not empty or len(lines) != 2 or lines[1] != b"":
    sys.exit("there is not one signature")
dash, signer, blob = lines[0].split(b" ")
if dash != "\N{EM DASH}".encode() or signer != name:
    sys.exit("it is not by that name")
blob = base64.b64decode(blob, validate=True)

# the last 32 bytes of a public key of Ed25519 in DER
der = subprocess.run(["openssl", "pkey", "-pubin", "-in", key, "-outform", "DER"],
                     check=True, capture_output=True).stdout
if blob[:4] != hashlib.sha256(name + b"\n\x01" + der[-32:]).digest()[:4]:
    sys.exit("it is not by that key")

with tempfile.NamedTemporaryFile() as signed, tempfile.NamedTemporaryFile() as signature:
    signed.write(text)
    signed.flush()
    signature.write(blob[4:])
    signature.flush()
    verified = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin",
         "-in", signed.name, "-sigfile", signature.name], capture_output=True)
if verified.returncode != 0:
    sys.exit("the signature is not of that text")
sys.stdout.buffer.write(text)
