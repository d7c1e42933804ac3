"""Prints the password of SES's SMTP server that belongs to a secret access key: `smtp_password.py REGION`.

The key comes on the standard input, so that it is in no history and no list of processes. The derivation is AWS's:
https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html
"""

import base64
import hashlib
import hmac
import sys


def smtp_password(secret_access_key, region):
    """The password, in AWS's version 4."""
    signature = f"AWS4{secret_access_key}".encode()
    for part in ("11111111", region, "ses", "aws4_request", "SendRawEmail"):
        signature = hmac.new(signature, part.encode(), hashlib.sha256).digest()
    return base64.b64encode(b"\x04" + signature).decode()


if __name__ == "__main__":
    print(smtp_password(sys.stdin.readline().strip(), sys.argv[1]))
