"""Rules of a bucket's own: whether it clears away what no sweep sees, parts of uploads and noncurrent versions."""

from typing import NamedTuple
from xml.etree import ElementTree

from temp_file_manager.objects.client import Client

_NONE = "NoSuchLifecycleConfiguration"


class Lifecycle(NamedTuple):
    """What a bucket's rules clear away; None: nothing can be told, for the reason in ``trouble``.

    Attributes:
        uploads: Whether a rule ends uploads in parts that nobody has completed.
        noncurrent: Whether a rule removes noncurrent versions.
        trouble: Why that cannot be told.
    """

    uploads: bool | None
    noncurrent: bool | None
    trouble: str = ""


def lifecycle(client: Client) -> Lifecycle:
    """Read the rules of a bucket.

    Raises:
        ObjectStoreError: it cannot be asked.
    """
    reply = client.request("GET", query={"lifecycle": ""})
    if reply.absent and reply.code == _NONE:
        return Lifecycle(uploads=False, noncurrent=False)
    if not reply.good:
        return Lifecycle(None, None, reply.code)
    try:
        root = ElementTree.fromstring(reply.body)  # noqa: S314 - expat of today refuses what grows without end
    except (ElementTree.ParseError, ValueError):
        return Lifecycle(None, None, "its answer is no XML")
    if not root.tag.endswith("LifecycleConfiguration"):
        return Lifecycle(None, None, "its answer tells of no rules")
    space = root.tag.removesuffix("LifecycleConfiguration")
    rules = [rule for rule in root.iter(f"{space}Rule") if rule.findtext(f"{space}Status") == "Enabled"]
    uploads, noncurrent = (
        any(rule.find(f"{space}{name}") is not None for rule in rules)
        for name in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration")
    )
    return Lifecycle(uploads, noncurrent)
