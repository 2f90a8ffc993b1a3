"""A lean HTTP/1.1 client over one kept-alive socket.

Lean, so that a benchmark measures the server; raw, so that a fuzzer can send what no library would.
"""

import json
import socket
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

API = "/api/2.0/mlflow/"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass
class Response:
    status: int
    headers: dict  # names in lower case; the last of equal names wins
    body: bytes

    @property
    def content_type(self):
        return self.headers.get("content-type", "").split(";")[0].strip()

    def json(self):
        return json.loads(self.body)


class Connection:
    """One socket. A request on a socket that the server has closed meanwhile is sent once more on a new one."""

    def __init__(self, url, token="", timeout=60):
        parts = urlsplit(url)
        self.address = (parts.hostname, parts.port or 80)
        self.host = f"{parts.hostname}:{self.address[1]}"
        self.token = token
        self.timeout = timeout
        self.socket = None
        self.buffer = b""

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None
        self.buffer = b""

    def head(self, method, target, length=None, headers=()):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}"]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        if length is not None:
            lines.append(f"Content-Length: {length}")
        lines.extend(f"{name}: {value}" for name, value in headers)
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")

    def request(self, method, target, body=None, headers=()):
        length = None if body is None and method == "GET" else len(body or b"")
        return self.send(self.head(method, target, length, headers) + (body or b""), method)

    def send(self, data, method="GET"):
        """Sends the bytes of one request and reads one response."""
        reused = self.socket is not None
        try:
            return self._send(data, method)
        except (ConnectionError, BrokenPipeError):
            self.close()
            if not reused:
                raise
            return self._send(data, method)

    def connect(self):
        if self.socket is None:
            self.socket = socket.create_connection(self.address, self.timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _send(self, data, method):
        self.connect()
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            # The server may have refused the request early; its answer is then still there to be read.
            if not self._readable():
                raise
        return self.receive(method)

    def _readable(self):
        self.socket.settimeout(1)
        try:
            self.buffer += self.socket.recv(65536)
            return bool(self.buffer)
        except OSError:
            return False
        finally:
            self.socket.settimeout(self.timeout)

    def _more(self):
        chunk = self.socket.recv(262144)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self.buffer += chunk

    def receive(self, method="GET"):
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if status == 100:
            return self.receive(method)
        body = self._body(method, status, headers)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Response(status, headers, body)

    def _body(self, method, status, headers):
        if method == "HEAD" or status in (204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        if "content-length" in headers:
            length = int(headers["content-length"])
            parts, have = [self.buffer[:length]], len(self.buffer)
            self.buffer = self.buffer[length:]
            while have < length:
                chunk = self.socket.recv(min(1 << 20, length - have))
                if not chunk:
                    raise ConnectionError("the body ended early")
                parts.append(chunk)
                have += len(chunk)
            return b"".join(parts)
        parts = [self.buffer]
        while chunk := self.socket.recv(262144):
            parts.append(chunk)
        self.close()
        return b"".join(parts)

    def _chunks(self):
        parts = []
        while True:
            while b"\r\n" not in self.buffer:
                self._more()
            size, self.buffer = self.buffer.split(b"\r\n", 1)
            size = int(size.split(b";")[0], 16)
            while len(self.buffer) < size + 2:
                self._more()
            parts.append(self.buffer[:size])
            self.buffer = self.buffer[size + 2 :]
            if size == 0:
                return b"".join(parts)


class Api:
    """MLflow's REST calls: a path without a leading slash is one of `/api/2.0/mlflow/`."""

    def __init__(self, url, token="", timeout=60):
        self.connection = Connection(url, token, timeout)

    def call(self, method, path, body=None, query=None, headers=(), raw=None):
        target = path if path.startswith("/") else API + path
        if query:
            target += "?" + urlencode(query, doseq=True)
        headers = list(headers)
        if body is not None:
            raw = json.dumps(body).encode()
        if raw is not None and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/json"))
        return self.connection.request(method, target, raw, headers)

    def get(self, path, **query):
        return self.answer("GET", path, query=query)

    def post(self, path, body):
        return self.answer("POST", path, body)

    def answer(self, method, path, body=None, query=None):
        """The JSON of a call that must succeed."""
        response = self.call(method, path, body, query)
        if response.status != 200:
            raise AssertionError(f"{method} {path}: {response.status} {response.body[:500]!r}")
        return response.json() if response.body else {}

    def put_artifact(self, path, data):
        return self.connection.request("PUT", f"{ARTIFACTS}/{quote(path)}", data)

    def get_artifact(self, path):
        return self.connection.request("GET", f"{ARTIFACTS}/{quote(path)}")
