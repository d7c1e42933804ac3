"""A receiver of webhooks that checks them with the published library.

Prints its port. Its path names the secrets that it is to try, each as `secret=...`. Answers 204 if one of them verifies,
else 401, and prints a line of JSON for each event: what came, and which secrets verified it.
"""

import http.server
import json
import urllib.parse

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def verifies(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        headers = {name.lower(): value for name, value in self.headers.items()}
        verified = [verifies(secret, body, headers) for secret in query["secret"]]
        changed = [verifies(secret, body + b" ", headers) for secret in query["secret"]]
        self.send_response(204 if any(verified) else 401)
        self.end_headers()
        event = {"id": headers["webhook-id"], "event": json.loads(body), "verified": verified, "changed": changed}
        print(json.dumps(event), flush=True)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
