#!/usr/bin/env python3
"""Measures the cost of many streams of events that are open at the same time, on a local stack.

    cargo xtask up --port 3000 --data /tmp/stack        # in another terminal
    python3 benches/listeners.py http://127.0.0.1:3000 /tmp/stack/stack.json [STREAMS] [SECONDS]

Each user has 50 of them and one video, which waits for its upload, so that nothing happens: what is measured is what it
costs to wait. Half follow the video, half all videos. CPU time and memory are those of the edge's process (/proc).
"""

import http.client
import json
import os
import pathlib
import socket
import sys
import time
import urllib.parse

import frames

# A user may have 100.
STREAMS_OF_A_USER = 50


def user(api):
    """The token of a new user, and the id of their video."""
    account = {"name": "l", "email": f"bench-{time.time_ns()}@example.com", "password": "correct horse battery"}
    frames.call(api, "POST", "/auth/register", account)
    login = {name: account[name] for name in ("email", "password")}
    token = frames.call(api, "POST", "/auth/login", login)["access_token"]
    return token, frames.call(api, "POST", "/videos", {"file_name": "a.mp4", "size_bytes": 1000}, token)["id"]


def edge(stack_file):
    """CPU seconds, resident bytes and threads of the edge's process."""
    pid = json.loads(pathlib.Path(stack_file).read_text())["pids"]["edge"]
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds, int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), int(fields[17])


def main():
    api, stack_file = sys.argv[1].rstrip("/"), sys.argv[2]
    count, seconds = [int(text) for text in sys.argv[3:5]] or [200, 60]
    users = [user(api) for _ in range(0, count, STREAMS_OF_A_USER)]
    port = urllib.parse.urlsplit(api).port

    def open_stream(number):
        token, video = users[number // STREAMS_OF_A_USER]
        # The quota of requests a minute may be smaller than the number of streams.
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            path = f"/videos/{video}/events" if number % 2 else "/videos/events"
            connection.request("GET", path, headers={"authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            if answer.status == 200:
                return connection, answer
            assert answer.status == 429, (answer.status, answer.read())
            time.sleep(float(answer.headers["retry-after"]))

    print(f"{count} streams, {seconds} s")
    _, before, threads = edge(stack_file)
    streams = []
    for number in range(count):
        streams.append(open_stream(number))
        sent = b""
        while b"event: status" not in sent:
            sent += streams[-1][1].read1()
    # Streams poll once a second for ten seconds after a change.
    time.sleep(12)
    begin, _, _ = edge(stack_file)
    time.sleep(seconds)
    end, after, more = edge(stack_file)
    alive = 0
    for connection, _ in streams:
        connection.sock.setblocking(False)
        try:
            alive += len(connection.sock.recv(1 << 16)) > 0
        except (BlockingIOError, socket.error):
            pass
    print(f"open at the end: {alive}; memory {before >> 20} -> {after >> 20} MiB, {(after - before) // count >> 10} KiB a stream")
    print(f"CPU {(end - begin) / seconds:.3f} cores, {(end - begin) / seconds / count * 1000:.2f} ms a second and stream; threads {threads} -> {more}")


if __name__ == "__main__":
    main()
