"""The load: ready-made requests over kept-alive sockets, one process a connection, and big artifacts with the server's memory."""

import contextlib
import multiprocessing
import os
import threading
import time
from pathlib import Path

from wire import API, ARTIFACTS, Connection

CHUNK = 1 << 20


def post(connection, path, body):
    return connection.head("POST", API + path, len(body), [("Content-Type", "application/json")]) + body


def loop(server, requests, seconds, first=0):
    """Sends requests one after another for some seconds; the latencies."""
    connection = Connection(server.url, server.token, timeout=600)
    latencies, i, clock = [], first, time.perf_counter
    end = clock() + seconds
    while True:
        data, method = requests(connection, i)
        start = clock()
        response = connection.send(data, method)
        now = clock()
        if response.status != 200:
            raise RuntimeError(f"{response.status} {response.body[:300]!r}")
        latencies.append(now - start)
        i += 1
        if now > end:
            break
    connection.close()
    return latencies


def _worker(pipe, server, requests, seconds, first):
    try:
        pipe.send(loop(server, requests, seconds, first))
    except Exception as e:
        pipe.send(e)


def run(server, requests, seconds, connections, first):
    """(requests a second, latencies)"""
    start = time.perf_counter()
    if connections == 1:
        latencies = loop(server, requests, seconds, first)
    else:
        context = multiprocessing.get_context("fork")
        pipes = [context.Pipe(False) for _ in range(connections)]
        processes = [
            context.Process(target=_worker, args=(sender, server, requests, seconds, first + i * 100_000))
            for i, (_, sender) in enumerate(pipes)
        ]
        for process in processes:
            process.start()
        answers = [receiver.recv() for receiver, _ in pipes]
        for process in processes:
            process.join()
        if failures := [a for a in answers if isinstance(a, Exception)]:
            raise failures[0]
        latencies = [latency for answer in answers for latency in answer]
    return len(latencies) / (time.perf_counter() - start), latencies


def family(pid):
    """A process and its children's children."""
    waiting = [pid] if pid else []
    while waiting:
        pid = waiting.pop()
        yield pid
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())


def memory(pid):
    """Memory of a process and its children in bytes; a page that several share counts once."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                total += int(line.split()[1]) * 1024 if line.startswith("Pss:") else 0
    return total


def cpu_seconds(pid):
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            total += sum(map(int, Path(f"/proc/{member}/stat").read_text().rsplit(")")[1].split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def settle(pid, seconds=120):
    """Waits until a server is idle: a real one starts helpers for a while after it has become healthy."""
    end, quiet = time.monotonic() + seconds, 0
    while pid and quiet < 3 and time.monotonic() < end:
        before = cpu_seconds(pid)
        time.sleep(1)
        quiet = quiet + 1 if cpu_seconds(pid) - before < 0.1 else 0


class Memory(threading.Thread):
    """Samples a server's memory until `stop`; `before` and `peak`."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.before, self.peak, self.ended = pid, memory(pid), 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.1):
            self.peak = max(self.peak, memory(self.pid))

    def stop(self):
        self.ended.set()
        self.join()
        self.peak = max(self.peak, self.before)


def artifact(server, path, size):
    """(seconds up, seconds down, memory) for one artifact; what comes back is compared in length and at its ends."""
    sampler = Memory(server.pid)
    sampler.start()
    connection = Connection(server.url, server.token, timeout=600)
    block = os.urandom(min(size, CHUNK))
    start = time.perf_counter()
    connection.connect()
    connection.socket.sendall(connection.head("PUT", f"{ARTIFACTS}/{path}", size))
    for offset in range(0, size, len(block)):
        connection.socket.sendall(block[: size - offset])
    response = connection.receive("PUT")
    up = time.perf_counter() - start
    if response.status != 200:
        raise RuntimeError(f"{response.status} {response.body[:300]!r}")
    start = time.perf_counter()
    head, got = download(connection, path, size)
    down = time.perf_counter() - start
    sampler.stop()
    connection.request("DELETE", f"{ARTIFACTS}/{path}", b"")
    if got != size or head != block[: len(head)]:
        raise RuntimeError(f"{got} bytes of {size} came back")
    return up, down, sampler


def download(connection, path, size):
    """(the first bytes, how many): streamed, whether chunked or not."""
    connection.socket.sendall(connection.head("GET", f"{ARTIFACTS}/{path}"))
    file = connection.socket.makefile("rb")
    status = int(file.readline().split()[1])
    headers = {}
    while line := file.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    if status != 200:
        raise RuntimeError(f"{status} for {path}")
    first, got = b"", 0
    for length in chunks(file, headers):
        while length:
            data = file.read(min(length, CHUNK))
            if not data:
                return first, got
            first = first or data[:1000]
            got += len(data)
            length -= len(data)
    return first, got


def chunks(file, headers):
    """Lengths of the pieces to read; the framing between them is read here."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        yield int(headers["content-length"])
        return
    while size := int(file.readline().split(b";")[0], 16):
        yield size
        file.readline()
    file.readline()
