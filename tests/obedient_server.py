"""A small server of objects that obeys an ETag in DeleteObjects, as AWS documents it; and misbehaves when told to."""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from email.utils import formatdate
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree

from patience import PATIENCE

SPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class ObedientServer:
    """What it holds, what it was asked, and how it is to misbehave.

    Attributes:
        objects: By key; of the one bucket that there is.
        asked: Method and address of each request.
        bulks: How many keys each bulk deletion had.
        refused: What it says of keys that it does not delete.
        put_off: So many requests are answered by 503.
        at_most: A bulk deletion of more keys is put off.
        moment: Its time; None: that of this machine; negative: it tells none.
        page: Entries of a listing at once.
        forbidden: Methods that it refuses.
        wrong: Buckets that it refuses.
        hanging: Cleared: requests wait for it.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.bulks: list[int] = []
        self.refused: dict[str, str] = {}
        self.put_off = 0
        self.at_most = 1000
        self.moment: float | None = None
        self.hanging = threading.Event()
        self.hanging.set()
        self.endpoint = ""
        self.page = 1000
        self.forbidden: set[str] = set()
        self.wrong: set[str] = set()

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        http = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        self.endpoint = f"http://127.0.0.1:{http.server_address[1]}"
        try:
            yield
        finally:
            self.hanging.set()
            http.shutdown()
            http.server_close()
            thread.join()

    def etag(self, key: str) -> str:
        return hashlib.md5(self.objects[key]).hexdigest()

    def listing(self, query: dict[str, list[str]]) -> str:
        prefix, delimiter = (query.get(name, [""])[0] for name in ("prefix", "delimiter"))
        begin = query.get("continuation-token", [""])[0]
        found: dict[str, str] = {}
        for key in sorted(self.objects):
            if key.startswith(prefix):
                folder, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
                one = prefix + folder + cut if cut else key
                found[one] = "CommonPrefixes" if cut else "Contents"
        names = [name for name in found if name > begin]
        more = names[self.page :]
        texts = []
        for name in names[: self.page]:
            inner = "Prefix" if found[name] == "CommonPrefixes" else "Key"
            texts.append(f"<{found[name]}><{inner}>{quote(name)}</{inner}></{found[name]}>")
        token = f"<NextContinuationToken>{escape(names[self.page - 1])}</NextContinuationToken>" if more else ""
        told = f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{token}<EncodingType>url</EncodingType>"
        return f"<ListBucketResult>{told}{''.join(texts)}</ListBucketResult>"

    def bulk(self, body: bytes) -> tuple[int, str]:
        wanted = ElementTree.fromstring(body).findall(f"{SPACE}Object")
        self.bulks.append(len(wanted))
        if len(wanted) > self.at_most:
            return 503, "<Error><Code>SlowDown</Code></Error>"
        errors = []
        for one in wanted:
            key, etag = one.findtext(f"{SPACE}Key") or "", (one.findtext(f"{SPACE}ETag") or "").strip('"')
            code = self.refused.get(key, "")
            if not code and etag:
                code = (
                    "NoSuchKey" if key not in self.objects else "" if etag == self.etag(key) else "PreconditionFailed"
                )
            if code:
                errors.append(f"<Error><Key>{escape(key)}</Key><Code>{code}</Code></Error>")
            else:
                self.objects.pop(key, None)
        return 200, f'<DeleteResult xmlns="{SPACE[1:-1]}">{"".join(errors)}</DeleteResult>'

    def handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.hanging.wait(PATIENCE)
                server.asked.append((self.command, self.path))
                path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query, keep_blank_values=True)
                key = unquote(path.lstrip("/").partition("/")[2])
                if server.put_off:
                    server.put_off -= 1
                    self.tell(503, "<Error><Code>SlowDown</Code></Error>")
                elif self.command in server.forbidden or path.split("/")[1] in server.wrong:
                    self.tell(403, "<Error><Code>AccessDenied</Code></Error>")
                elif self.command == "POST":
                    self.tell(*server.bulk(body))
                elif not key:
                    self.tell(200, "" if self.command == "HEAD" else server.listing(query))
                else:
                    self.one(key, body)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = answer  # noqa: N815 - as the base class has it

            def one(self, key: str, body: bytes) -> None:
                if self.command == "PUT":
                    server.objects[key] = body
                elif self.command == "DELETE":
                    server.objects.pop(key, None)  # whatever If-Match says
                elif key not in server.objects:
                    self.tell(404)
                    return
                self.tell(200, etag=server.etag(key) if key in server.objects else "")

            def tell(self, status: int, text: str = "", etag: str = "") -> None:
                self.send_response_only(status)
                if server.moment is None or server.moment >= 0:
                    self.send_header("Date", formatdate(server.moment, usegmt=True))
                if etag:
                    self.send_header("ETag", f'"{etag}"')
                self.send_header("Content-Length", "0" if self.command == "HEAD" else str(len(text.encode())))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        return Handler
