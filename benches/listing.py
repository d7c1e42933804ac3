#!/usr/bin/env python3
"""A page of 20 videos with a checked token, by 16 clients: `GET /videos` of a local stack against FastAPI, uvicorn and
SQLite.

    cargo xtask bench listing [--seconds N] [--rounds N]

The peer (`peers/listing.py`) checks tokens of the same algorithm, reads as much for a request, and sends the same JSON,
which is compared first. wrk sends the requests, over connections that are kept, to one server after the other; the first
round warms up. CPU is that of the server's processes (/proc). Figures are medians of the rounds.
"""

import argparse
import json
import os
import pathlib
import re
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import frames

CLIENTS = 16
VIDEOS = 25
PATH = "/videos?limit=20"
HERE = pathlib.Path(__file__).parent
VIDEO = HERE.parent / "dev/fuzz/seeds/containers/a.mp4"


def children(pid):
    """A process and all below it."""
    found = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [below for child in found for below in children(int(child))]


def cpu_seconds(pid):
    total = 0
    for process in children(pid):
        fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def token_of_a_user_with_videos(api):
    """A user with finished videos; the access token."""
    account = {"name": "b", "email": f"bench-{time.time_ns()}@example.com", "password": "correct horse battery"}
    frames.call(api, "POST", "/auth/register", account)
    login = {name: account[name] for name in ("email", "password")}
    token = frames.call(api, "POST", "/auth/login", login)["access_token"]
    content = VIDEO.read_bytes()
    for number in range(VIDEOS):
        new = {"file_name": f"{number}.mp4", "size_bytes": len(content), "options": {"select": {"count": 1}}}
        video = frames.call(api, "POST", "/videos", new, token)
        put = urllib.request.Request(video["upload"]["url"], content, video["upload"]["headers"], method="PUT")
        urllib.request.urlopen(put).read()
        frames.call(api, "POST", f"/videos/{video['id']}/complete", token=token)
    while any(video["status"] != "completed" for video in page(api, token)["items"]):
        time.sleep(0.2)
    return token


def page(api, token, path=PATH):
    return frames.call(api, "GET", path, token=token)


def pages(api, token):
    """All videos, newest first."""
    items, cursor = [], None
    while True:
        path = PATH + (f"&cursor={cursor}" if cursor else "")
        found = page(api, token, path)
        items, cursor = items + found["items"], found.get("next_cursor")
        if not cursor:
            return items


def fill(database, user, videos):
    """The same videos for the peer."""
    connection = sqlite3.connect(database)
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table users (id text primary key, closed integer not null)")
    connection.execute("create table videos (id text primary key, owner text, position integer, record text)")
    connection.execute("create unique index videos_of_owner on videos (owner, position)")
    # Others have as many: an index is needed.
    for other in [user] + [f"user-{number}" for number in range(200)]:
        connection.execute("insert into users values (?, 0)", (other,))
        for position, video in enumerate(reversed(videos)):
            row = (f"{other}-{position}", other, position, json.dumps(video))
            connection.execute("insert into videos values (?, ?, ?, ?)", row)
    connection.commit()
    connection.close()


def load(url, token, seconds):
    """Requests a second, and the latencies' median and 99th percentile in milliseconds."""
    headers = ["-H", f"Authorization: Bearer {token}"]
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--latency", *headers, url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in text and "Socket errors" not in text, text
    units = {"us": 1e-3, "ms": 1.0, "s": 1e3}

    def percentile(name):
        value, unit = re.search(rf"{name}%\s+([\d.]+)(us|ms|s)", text).groups()
        return float(value) * units[unit]

    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    requests = int(re.search(r"(\d+) requests in", text)[1])
    return rate, percentile(50), percentile(99), requests


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(url, token):
    for _ in range(300):
        try:
            return page(url, token)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--stack", required=True, help="the program `framelift-stack`")
    options.add_argument("--python", required=True, help="the Python that has FastAPI")
    options.add_argument("--spin", action="store_true", help="serve with the real spin")
    options.add_argument("--seconds", type=int, default=8)
    options.add_argument("--rounds", type=int, default=5)
    options = options.parse_args()
    cores = os.cpu_count()
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder, "stack")
        up = [options.stack, "up", "--port", "0", "--data", str(data)] + (["--spin"] if options.spin else [])
        stack = subprocess.Popen(up, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peer = None
        try:
            while not (data / "stack.json").exists() or not json.loads((data / "stack.json").read_text())["pids"]["edge"]:
                assert stack.poll() is None, "the stack ended"
                time.sleep(0.2)
            described = json.loads((data / "stack.json").read_text())
            api = described["api"].rstrip("/")
            token = token_of_a_user_with_videos(api)
            user = frames.call(api, "GET", "/auth/me", token=token)["id"]
            database = pathlib.Path(folder, "peer.sqlite")
            fill(database, user, pages(api, token))
            port = free_port()
            keys = (data / "secrets.json").read_text()
            environment = os.environ | {"DATABASE": str(database), "SIGNING_KEY": json.loads(keys)["signing_key"]}
            command = [os.path.abspath(options.python), "-m", "uvicorn", "listing:app", "--port", str(port), "--workers", str(cores)]
            peer = subprocess.Popen(
                command + ["--no-access-log", "--log-level", "warning"],
                cwd=HERE / "peers", env=environment,
            )
            theirs = f"http://127.0.0.1:{port}"
            answer = wait_for(theirs, token)
            assert answer["items"] == page(api, token)["items"], "the answers differ"
            size = len(urllib.request.urlopen(urllib.request.Request(
                api + PATH, headers={"authorization": f"Bearer {token}"})).read())
            ours = ("spin" if options.spin else "framelift, local host", api, described["pids"]["edge"])
            servers = [ours, (f"FastAPI, uvicorn ×{cores}, SQLite", theirs, peer.pid)]
            results = {name: [] for name, _, _ in servers}
            for round_ in range(options.rounds + 1):
                for name, url, pid in servers if round_ % 2 else reversed(servers):
                    before = cpu_seconds(pid)
                    rate, p50, p99, requests = load(url + PATH, token, options.seconds)
                    spent = (cpu_seconds(pid) - before) / requests * 1e6
                    if round_:
                        results[name].append((rate, p50, p99, spent))
            report(results, size, cores, options)
        finally:
            for process in filter(None, (peer, stack)):
                process.terminate()
                process.wait()


def report(results, size, cores, options):
    print(f"20 rows, {size} bytes, {CLIENTS} clients, {cores} cores shared with wrk, {options.rounds} rounds of {options.seconds} s\n")
    print("| server | requests a second | p50 | p99 | CPU a request |\n| --- | --- | --- | --- | --- |")
    medians = []
    for name, rounds in results.items():
        rate, p50, p99, spent = [statistics.median(values) for values in zip(*rounds)]
        medians.append((rate, spent))
        print(f"| {name} | {rate:,.0f} | {p50:.1f} ms | {p99:.1f} ms | {spent:,.0f} µs |")
    (our_rate, our_cpu), (their_rate, their_cpu) = medians
    print(f"\n{our_rate / their_rate:.2f} times the requests a second, at {our_cpu / their_cpu:.2f} times the CPU a request")


if __name__ == "__main__":
    main()
