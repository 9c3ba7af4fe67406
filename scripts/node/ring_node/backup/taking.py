"""A backup: a snapshot that was started and checked, in the bucket, and its manifest last."""

from __future__ import annotations

import time
from pathlib import Path

from ..base.errors import NodeError, refused
from ..base.report import Report
from ..ring import admission, records
from ..ring.proving import Changed
from . import exports, images, manifest, turns
from .images import Image
from .manifest import Checked, Manifest, Object
from .store import Store, StoreError

TRIES = 3  # of a snapshot that definitions changed under, and of an object
PAUSE_SECONDS = 20.0
TURN_SECONDS = 6 * 3600.0  # for the other node, and for the maintenance of tables, to end


def take(store: Store, seconds: float, *, export: bool, report: Report) -> Manifest:
    """Takes a backup of this node. `seconds`: for the check of its tables.

    After an error nothing counts that came into the bucket: it has no manifest. What was there
    before stays.
    """
    pair = records.pair()
    if not admission.admitted():
        raise refused(
            "this node has not joined its ring: what it holds may be given up, or half a copy",
            "a node that is part of its ring",
            "run this again when it serves (`sudo ring-node gate` says why it does not)",
        )
    with (
        turns.upkeep(pair, TURN_SECONDS, without_peer=True),
        images.alone(TURN_SECONDS),
    ):
        store.listed(store.place.backups())  # whether S3 answers, before anything is locked
        for left in reversed(range(TRIES)):
            try:
                with images.taken(report) as image:
                    return _kept(store, image, seconds, export=export, report=report)
            except Changed as error:
                if not left:
                    raise
                report.note(f"taken anew: {error.found}")
    raise AssertionError


def _kept(store: Store, image: Image, seconds: float, *, export: bool, report: Report) -> Manifest:
    images.quietly()
    node, name = store.place.node, manifest.identity(image.taken_at)
    exported, inexact = image.folder / "export", tuple[str, ...]()
    try:
        begun = time.monotonic()
        with images.started(image) as server:
            outcome = images.check(server, image, seconds, report)
            if export:
                inexact = exports.write(server, exported, _ours())
        size, files = images.sizes(image.data)
        checked = time.monotonic()
        data = _put(store, manifest.data_key(node, name), image.data, size)
        packed = None
        if export:
            packed = _put(
                store, manifest.export_key(node, name), exported, images.sizes(exported)[0]
            )
        image.check()
    except (NodeError, OSError):
        image.check()  # whose files are gone when the volume ran short
        raise
    contents = image.contents
    result = Manifest(
        stack=store.place.stack,
        ring=store.place.ring,
        node=node,
        server_uuid=contents.server_uuid,
        server_id=image.server_id,
        peer_uuid=image.peer_uuid,
        mysql_version=contents.version,
        taken_at=image.taken_at,
        master=contents.master,
        slave=contents.slave,
        innodb=server.innodb,
        bytes=size,
        files=files,
        checked=Checked(len(outcome.sound), round(outcome.seconds, 1), outcome.left_out),
        checksums=outcome.checksums,
        data=data,
        export=packed,
        inexact=inexact,
    )
    key, content = manifest.manifest_key(node, name), manifest.to_json(result)
    manifest.from_json(content, key)  # what cannot be read is no backup
    store.put_bytes(key, content)
    report.did(f"backup {name} of {size >> 20} MiB in {files} files, as of {contents.master}")
    report.facts["backup"] = {
        "key": key,
        "bytes": size,
        "stored_bytes": data.bytes + (packed.bytes if packed else 0),
        "locked_s": round(contents.locked_seconds, 3),
        "check_s": round(checked - begun, 1),
        "upload_s": round(time.monotonic() - checked, 1),
        "tables_checked": len(outcome.sound),
        "tables_left_out": len(outcome.left_out),
    }
    return result


def _put(store: Store, key: str, folder: Path, size: int) -> Object:
    """All of a folder, sent again from its beginning where the bucket failed in passing."""
    for left in reversed(range(TRIES)):
        try:
            with images.packed(folder) as stream:
                stored = store.put(key, stream, at_most=size)
        except StoreError as error:
            if not error.passing or not left:
                raise
            time.sleep(PAUSE_SECONDS)
            continue
        return Object(key, stored.bytes, stored.sha256, stored.etag)
    raise AssertionError


def _ours() -> frozenset[str]:
    """User names of the ring's own accounts."""
    kept = records.credentials()
    return frozenset({kept.replication.user, kept.peer.user, records.heartbeat_login().user})
