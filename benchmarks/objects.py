"""``python -m benchmarks.objects``: what listing and deleting objects costs the client, in CPU a key.

The server is a process of its own that gives the same page, and the same short answer to each deletion, over and over:
so nothing but the client is measured, all its threads included.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from time import process_time
from typing import Any

from temp_file_manager.objects.client import Client
from temp_file_manager.objects.deletion import Doomed, Pace, delete_many
from temp_file_manager.objects.listing import pages

PAGE, PAGES, ROUNDS = 1000, 20, 5
KEYS = PAGE * PAGES
ETAG = "d41d8cd98f00b204e9800998ecf8427e"
PREFIX = "tmp/2026-11-26T05:20/"

SERVER = f"""
import re
import sys
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
entry = (
    "<Contents><Key>{PREFIX}%032x</Key><LastModified>2026-11-26T05:20:00.000Z</LastModified>"
    "<ETag>&quot;{ETAG}&quot;</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>"
)
def page(number):
    entries = "".join(entry % (number * {PAGE} + at) for at in range({PAGE}))
    more = number + 1 < {PAGES}
    token = "<NextContinuationToken>%d</NextContinuationToken>" % (number + 1) if more else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<Name>bucket</Name><Prefix>{PREFIX}</Prefix><KeyCount>{PAGE}</KeyCount><MaxKeys>1000</MaxKeys>"
        "<EncodingType>url</EncodingType><IsTruncated>%s</IsTruncated>%s%s</ListBucketResult>"
        % (str(more).lower(), token, entries)
    ).encode()
pages = [page(number) for number in range({PAGES})]
from urllib.parse import parse_qs, urlsplit
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def do_GET(self):
        token = parse_qs(urlsplit(self.path).query).get("continuation-token", ["0"])[0]
        self.answer(pages[int(token)])
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = b"" if b"<Quiet>true" in body else b"".join(
            b"<Deleted>" + key + b"</Deleted>" for key in re.findall(rb"<Key>[^<]*</Key>", body)
        )
        self.answer(b'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' + told + b"</DeleteResult>")
    def answer(self, body):
        self.send_response_only(200)
        self.send_header("Date", formatdate(usegmt=True))
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def _ours() -> dict[str, Callable[[], int]]:
    client = Client("bucket")
    doomed = [Doomed(f"{PREFIX}{number:032x}", ETAG) for number in range(KEYS)]

    def delete() -> int:
        return len(doomed) - len(delete_many(client, doomed, Pace()))

    return {
        "list, ours": lambda: sum(len(page.keys) for page in pages(client, PREFIX)),
        "delete under a condition, ours, 250 a request": delete,
    }


def _obstore() -> dict[str, Callable[[], int]]:
    import obstore  # noqa: PLC0415 - where it is not installed, this contestant is left out
    from obstore.store import S3Store  # noqa: PLC0415 - where it is not installed, this contestant is left out

    store: Any = S3Store("bucket", endpoint=os.environ["AWS_ENDPOINT_URL"], client_options={"allow_http": True})
    keys = [f"{PREFIX}{number:032x}" for number in range(KEYS)]

    def delete() -> int:
        obstore.delete(store, keys)
        return len(keys)

    return {
        "list, obstore": lambda: sum(len(some) for some in obstore.list(store, prefix=PREFIX, chunk_size=PAGE)),
        "delete, obstore, 1,000 a request": delete,
    }


def _boto3() -> dict[str, Callable[[], int]]:
    import boto3  # noqa: PLC0415 - where it is not installed, this contestant is left out

    client: Any = boto3.client("s3")
    keys = [{"Key": f"{PREFIX}{number:032x}", "ETag": ETAG} for number in range(KEYS)]

    def delete() -> int:
        for first in range(0, KEYS, PAGE):
            client.delete_objects(Bucket="bucket", Delete={"Objects": keys[first : first + PAGE], "Quiet": True})
        return KEYS

    def listed() -> int:
        found = client.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix=PREFIX)
        return sum(len(page["Contents"]) for page in found)

    return {"list, boto3": listed, "delete under a condition, boto3, 1,000 a request": delete}


def measure() -> dict[str, float]:
    """Return microseconds of CPU a key, the medians of the rounds, by what was done."""
    contestants: dict[str, Callable[[], int]] = {}
    for make in (_ours, _obstore, _boto3):
        try:
            contestants |= make()
        except ImportError as error:
            print(f"not measured: {error}", file=sys.stderr)
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS + 1):
        for name, work in contestants.items():
            began = process_time()
            keys = work()
            samples[name].append((process_time() - began) / keys * 1e6)
            if keys != KEYS:
                raise RuntimeError(f"{name}: {keys} keys of {KEYS}")
    return {name: statistics.median(taken[1:]) for name, taken in samples.items()}


def main() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{int(server.stdout.readline())}",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench-secret",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for name, taken in measure().items():
            print(f"{taken:8.2f} us of CPU a key   {name}")
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
