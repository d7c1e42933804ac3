#!/usr/bin/env python3
"""One frame of about 200 KB, fetched by 16 clients: component `frames` on the local stack against nginx from disk.

    cargo xtask up --port 3000 --data /tmp/stack        # in another terminal
    python3 benches/frames.py http://127.0.0.1:3000 [REQUESTS OF EACH CLIENT]

Both serve the same bytes, over connections that are kept, in one run after another. Without nginx on the PATH (Debian:
`apt install nginx-light`) that half is left out, and the output says so.
"""

import http.client
import json
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

CLIENTS = 16
REQUESTS = 200
VIDEO = pathlib.Path(__file__).parent.parent / "e2e/media/cars-30s.mp4"
OPTIONS = {"select": {"every": "2s"}, "format": "png", "resize": {"width": 480}}
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes auto;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000; default_type image/png;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def call(api, method, path, body=None, token=None):
    """The JSON of an answer."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(api + path, data, headers, method=method)) as answer:
        return json.loads(answer.read() or b"null")


def frame_of_a_video(api):
    """The link of the frame that is nearest to 200 KB."""
    account = {"name": "b", "email": f"bench-{time.time_ns()}@example.com", "password": "correct horse battery"}
    call(api, "POST", "/auth/register", account)
    token = call(api, "POST", "/auth/login", {name: account[name] for name in ("email", "password")})["access_token"]
    content = VIDEO.read_bytes()
    new = {"file_name": "a.mp4", "size_bytes": len(content), "options": OPTIONS}
    video = call(api, "POST", "/videos", new, token)
    put = urllib.request.Request(video["upload"]["url"], content, video["upload"]["headers"], method="PUT")
    urllib.request.urlopen(put).read()
    path = f"/videos/{video['id']}"
    call(api, "POST", f"{path}/complete", token=token)
    while (record := call(api, "GET", path, token=token))["completed_at"] is None:
        time.sleep(0.2)
    assert record["status"] == "completed", record
    frames = call(api, "GET", f"{path}/frames?limit=100", token=token)["items"]
    return min(frames, key=lambda frame: abs(frame["bytes"] - 200_000))["url"]


def fetch(port, path, size, requests, durations):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(requests):
        begin = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200 and len(answer.read()) == size, answer.status
        durations.append(time.perf_counter() - begin)


def measure(name, port, path, size, requests):
    """Fetches with all clients, once to warm up and once to measure; the median, in milliseconds."""
    for _ in range(2):
        durations = []
        clients = [threading.Thread(target=fetch, args=(port, path, size, requests, durations)) for _ in range(CLIENTS)]
        begin = time.perf_counter()
        [client.start() for client in clients]
        [client.join() for client in clients]
        passed = time.perf_counter() - begin
    cuts = statistics.quantiles(durations, n=100)
    rate = len(durations) / passed
    print(f"{name:10} p50 {cuts[49] * 1000:7.2f} ms  p99 {cuts[98] * 1000:7.2f} ms  {rate:7.0f} frames/s")
    return cuts[49]


def main():
    api = sys.argv[1].rstrip("/")
    requests = int(sys.argv[2]) if len(sys.argv) > 2 else REQUESTS
    link = frame_of_a_video(api)
    image = urllib.request.urlopen(api + link).read()
    print(f"{len(image)} bytes, {CLIENTS} clients, {requests} requests each")
    ours = measure("framelift", urllib.parse.urlsplit(api).port, link, len(image), requests)
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not program:
        print("nginx      is not installed: left out")
        return
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        pathlib.Path(folder, "frame.png").write_bytes(image)
        config = pathlib.Path(folder, "nginx.conf")
        config.write_text(NGINX.format(folder=folder, port=port))
        # Its workers are another user where it is started by root.
        pathlib.Path(folder).chmod(0o755)
        server = subprocess.Popen([program, "-c", str(config), "-p", folder])
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.05)
            theirs = measure("nginx", port, "/frame.png", len(image), requests)
            print(f"framelift takes {ours / theirs:.1f} times as long (p50)")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
