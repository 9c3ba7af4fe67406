"""A backup: a snapshot that was started and checked, in the bucket, and its manifest last."""

from __future__ import annotations

import time
from pathlib import Path

from ..base.errors import NodeError, refused
from ..base.report import Report
from ..mysql import checking
from ..ring import admission, records
from ..ring.proving import Changed
from . import exports, images, manifest, turns
from .images import Check, Held, Image
from .manifest import Checked, Manifest, Object
from .store import Store, StoreError

TRIES = 3  # of a snapshot that definitions changed under, and of an object
PAUSE_SECONDS = 20.0


def take(store: Store, seconds: float, *, wait: float, export: bool, report: Report) -> Manifest:
    """Takes a backup of this node, for whoever is alone with its images (images.alone).

    `seconds`: for the check of its tables. `wait`: until the other node's backup, or the
    maintenance of its tables, has ended. After an error nothing counts that came into the bucket:
    it has no manifest. What was there before stays.
    """
    if not admission.admitted():
        raise refused(
            "this node has not joined its ring: what it holds may be given up, or half a copy",
            "a node that is part of its ring",
            "run this again when it serves (`sudo ring-node gate` says why it does not)",
        )
    with turns.upkeep(records.pair(), wait, without_peer=True):
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
    begun = time.monotonic()
    try:
        with images.started(image) as server:
            if export:
                inexact = exports.write(server, exported, _ours())
        size, files = images.sizes(image.data)
        started = time.monotonic()
        with images.Check(image, seconds) as check:
            data = _put(store, manifest.data_key(node, name), image.data, size, check)
            packed = None
            if export:
                packed = _put(
                    store,
                    manifest.export_key(node, name),
                    exported,
                    images.sizes(exported)[0],
                    check,
                )
            outcome = check.outcome()
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
        seconds=round(time.monotonic() - begun, 1),
        checked=Checked(
            len(outcome.sound), round(outcome.seconds, 1), tuple(sorted(outcome.left_out))
        ),
        checksums=outcome.checksums,
        data=data,
        export=packed,
        inexact=inexact,
    )
    key, content = manifest.manifest_key(node, name), manifest.to_json(result)
    manifest.from_json(content, key)  # what cannot be read is no backup
    store.put_bytes(key, content)
    report.did(f"backup {name} of {size >> 20} MiB in {files} files, as of {contents.master}")
    for each in outcome.warned:
        report.note(f"CHECK TABLE of the snapshot: {each}")
    for each in (checking.unchecked(outcome), *(f"the export: {each}" for each in inexact)):
        if each is not None:
            report.note(each)
    report.facts["backup"] = {
        "key": key,
        "bytes": size,
        "stored_bytes": data.bytes + (packed.bytes if packed else 0),
        "locked_s": round(contents.locked_seconds, 3),
        "start_s": round(started - begun, 1),
        "check_s": round(outcome.seconds, 1),
        "upload_s": round(time.monotonic() - started, 1),
        "tables_checked": len(outcome.sound),
        "tables_left_out": len(outcome.left_out),
    }
    return result


def _put(store: Store, key: str, folder: Path, size: int, check: Check) -> Object:
    """All of a folder, sent again from its beginning where the bucket failed in passing. There is
    no object before the check has ended well."""
    for left in reversed(range(TRIES)):
        try:
            with images.packed(folder) as stream:
                stored = store.put(key, Held(stream, check), at_most=size)
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
