"""A stand-in for s3cmd, run as a program: its bucket is a folder, and a file `fault` in it says
what goes wrong. It understands what the store asks of s3cmd 2.3.0, prints what that prints, and
ends as that ends."""

import hashlib
import shutil
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

BUCKET = Path(sys.argv[1])
WORDS = [word for word in sys.argv[2:] if not word.startswith("--")]
OPTIONS = dict(word[2:].split("=") for word in sys.argv[2:] if word[:2] == "--" and "=" in word)
FAULT = (BUCKET / "fault").read_text() if (BUCKET / "fault").exists() else ""
MIB = 1 << 20


def path(uri: str) -> Path:
    return BUCKET / "objects" / uri.removeprefix("s3://").replace("/", "|")


def put(uri: str) -> None:
    part = int(OPTIONS["multipart-chunk-size-mb"]) * MIB
    parts = list(iter(lambda: sys.stdin.buffer.read(part), b""))
    if FAULT == "cut":
        sys.exit("ERROR: Upload of '-' failed too many times")
    content = b"".join(parts)
    if FAULT == "other bytes":
        content = b"x" + content[1:]
    if FAULT == "lost":
        return
    digests = [hashlib.md5(each, usedforsecurity=False).digest() for each in parts]
    if FAULT == "other bytes":
        digests[0] = bytes(16)
    etag = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    path(uri).write_bytes(content)
    path(uri).with_suffix(".etag").write_text(f"{etag}-{len(parts)}")


def get(uri: str, to: str) -> None:
    if not path(uri).exists():
        print(f"ERROR: Parameter problem: Source object '{uri}' does not exist.", file=sys.stderr)
        sys.exit(64)
    content = path(uri).read_bytes()
    if FAULT == "cut":
        content = content[: len(content) // 2]
    if to == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    else:
        (Path(to) / uri.rpartition("/")[2]).write_bytes(content)
    if FAULT == "cut":
        print("ERROR: Download failed: EOF from S3!", file=sys.stderr)
        sys.exit(75)


def get_some(uri: str, to: str) -> None:
    """All below a prefix that --include names, in folders as the keys have them."""
    assert OPTIONS["exclude"] == "*"
    for each in sorted((BUCKET / "objects").iterdir()):
        key = "s3://" + each.name.replace("|", "/")
        if key.startswith(uri) and fnmatch(key.removeprefix(uri), OPTIONS["include"]):
            folder = Path(to) / key.removeprefix(uri).rpartition("/")[0]
            folder.mkdir(parents=True, exist_ok=True)
            get(key, str(folder))


def ls(uri: str) -> None:
    for each in sorted((BUCKET / "objects").iterdir()):
        key = "s3://" + each.name.replace("|", "/")
        if key.startswith(uri) and each.suffix != ".etag":
            etag = each.with_suffix(".etag").read_text()
            size = each.stat().st_size
            print(f"2026-11-26 03:15 {size:12d}  {etag:35s}  {'STANDARD':11s}  {key}")


if FAULT.startswith("exit"):
    if FAULT.endswith("once"):
        (BUCKET / "fault").unlink()
    print("ERROR: S3 error: as told", file=sys.stderr)
    sys.exit(int(FAULT.split()[1]))
if FAULT == "clock":
    print("ERROR: S3 error: 403 (RequestTimeTooSkewed): The difference ...", file=sys.stderr)
    sys.exit(77)
if FAULT == "hang":
    time.sleep(600)
(BUCKET / "objects").mkdir(exist_ok=True)
if WORDS[0] == "put":
    put(WORDS[2])
elif WORDS[0] == "get" and "--recursive" in sys.argv:
    get_some(*WORDS[1:])
elif WORDS[0] == "get":
    for wanted in WORDS[1:-1]:
        get(wanted, WORDS[-1])
elif WORDS[0] == "ls":
    ls(WORDS[1])
else:
    shutil.rmtree(BUCKET)
