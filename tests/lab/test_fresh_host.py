"""A host that is no node yet: what is wrong with it is named, and the next run goes on from there.

A host for all of it, made for this: each test frees what it occupied. One that wants a host on
which nothing was installed, or comes after the one that leaves a server behind, gets another.
"""

import contextlib
import json
from collections.abc import Iterator

import pytest
from archives import archive_settings
from ebs import volumes_beside
from hosts_of_their_own import Host, as_node, host
from labs import Kept, Lab
from steps import HOST, REFUSED, SERVER, Steps, parts

pytestmark = pytest.mark.lab

PLACE = "/opt/mysql"
PORT = 8000
FILES = (
    "ls -A /opt /etc/mysql* /var/lib/mysql* 2>&1; getent passwd mysql; dpkg-query -W;"
    " ls /etc/systemd/system /etc/sysctl.d"
)
LISTENS = """timeout 80 sh -c "until ss -Hltn 'sport = :{}' | grep -q .; do sleep 0.1; done" """
# The archive's server makes the disk that the archive is written to small after so many bytes.
SERVE = """
import http.server, subprocess, sys
port, archive, at, room, place = sys.argv[1:]
content = open(archive, "rb").read()
at = int(at) % len(content)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:at])
        size = f"remount,size={room}m"
        subprocess.run(["mount", "-o", size, place], check=True)
        self.wfile.write(content[at:])

http.server.HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
"""


@contextlib.contextmanager
def told(lab: Lab) -> Iterator[Host]:
    """A host that knows which node it is."""
    with host(lab) as found:
        as_node(found, json.loads(Steps(lab).document("node-2", "tools"))["node"])
        yield found


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept[Host]]:
    with Kept(told) as kept:
        yield kept


@pytest.fixture
def volume(ring: Lab, fresh: Host) -> Iterator[str]:
    """A blank volume, attached."""
    with volumes_beside(ring, fresh) as found:
        made = found.make()
        found.attach(made, fresh)
        yield made
        fresh.run("sudo sh -c 'systemctl stop mysql; umount --lazy /srv/mysql-ring'")


@pytest.fixture
def fresh(ring: Lab, kept: Kept[Host]) -> Host:
    """A host without a server; MySQL may be installed on it."""
    found = kept.of(ring)
    if found.run("test -e /var/lib/mysql").returncode == 0:
        kept.close()
        found = kept.of(ring)
    return found


@pytest.fixture
def untouched(ring: Lab, kept: Kept[Host]) -> Host:
    """A host on which nothing has been installed."""
    found = kept.of(ring)
    if found.run("test -e /opt/mysql -o -e /var/lib/mysql").returncode == 0:
        kept.close()
        found = kept.of(ring)
    return found


def fails(fresh: Host, verb: str, document: object, code: int) -> dict[str, str]:
    done = fresh.verb(verb, document)
    assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
    error = parts(done.stderr)
    assert error["next_step"]
    return error


def does(fresh: Host, verb: str, document: object) -> dict[str, object]:
    done = fresh.verb(verb, document)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_host_that_something_else_uses_is_left_alone_until_it_is_free(
    untouched: Host,
) -> None:
    fresh = untouched
    before = fresh.root(f"{FILES}; true")
    for occupy, free, said in (
        (
            "systemd-run --unit=squatter python3 -m http.server 3306;" + LISTENS.format(3306),
            "systemctl stop squatter",
            "another program listens on port 3306: python3, process",
        ),
        (
            "cp /bin/sleep /usr/local/bin/mysqld && systemd-run --unit=other mysqld 600",
            "systemctl stop other; rm /usr/local/bin/mysqld",
            "a server that is not this ring's runs here: /usr/local/bin/mysqld",
        ),
        (
            "mkdir /var/lib/mysql && touch /var/lib/mysql/ibdata1",
            "rm -r /var/lib/mysql",
            "/var/lib/mysql holds ibdata1, and was not made by this ring",
        ),
        (
            f"mkdir -p {PLACE} && mount -t tmpfs -o size=64m tmpfs {PLACE}",
            f"umount {PLACE} && rmdir {PLACE}",
            f"64 MiB free in {PLACE}",
        ),
    ):
        fresh.root(occupy)
        error = fails(fresh, "install", archive_settings(), REFUSED)
        assert said in error["found"]
        fresh.root(free)
        assert fresh.root(f"{FILES}; true") == before, "nothing was installed or made"
    assert does(fresh, "install", archive_settings())["version"] == "5.6.24"


@pytest.mark.parametrize(
    ("at", "room"), [(1 << 20, 8), (-1, 100)], ids=["while it is fetched", "while it is unpacked"]
)
def test_a_disk_that_the_archive_fills_is_named_and_nothing_of_the_archive_stays(
    fresh: Host, at: int, room: int
) -> None:
    settings = archive_settings()
    fresh.root(
        f'python3 -c \'import urllib.request as r; r.urlretrieve("{settings["url"]}", "/tmp/a")\''
        f"; mkdir -p {PLACE}; mount -t tmpfs -o size=4g tmpfs {PLACE}"
    )
    serve = f"cat > /tmp/serve; systemd-run --unit=archive python3 /tmp/serve {PORT} /tmp/a"
    done = fresh.run(f"sudo sh -c '{serve} {at} {room} {PLACE}'", SERVE)
    assert done.returncode == 0, done.stderr
    fresh.root(LISTENS.format(PORT))
    try:
        document = {**settings, "url": f"http://127.0.0.1:{PORT}/a.tar.gz"}
        error = fails(fresh, "install", document, HOST)
        assert f"no room left in {PLACE}" in error["found"]
        assert "No space left on device" in error["found"]
        assert "rootVolumeGib" in error["next_step"]
        assert fresh.root(f"ls -A {PLACE}") == ""
        fresh.root(f"mount -o remount,size=4g {PLACE}")
        assert does(fresh, "install", settings)["version"] == "5.6.24"
    finally:
        fresh.root(f"systemctl stop archive; umount {PLACE}; rm /tmp/a /tmp/serve")


def test_packages_that_find_no_room_say_so(fresh: Host) -> None:
    fresh.root(
        "dpkg --purge mariadb-client-core; mount -t tmpfs -o size=4k tmpfs /var/cache/apt/archives"
    )
    try:
        error = fails(fresh, "install", archive_settings(), HOST)
    finally:
        fresh.root("umount /var/cache/apt/archives")
    assert "don't have enough free space in /var/cache/apt/archives" in error["found"]
    assert "rootVolumeGib" in error["next_step"]
    assert does(fresh, "install", archive_settings())["version"] == "5.6.24"
    fresh.root("dpkg-query -W mariadb-client-core")


def test_a_server_that_cannot_begin_leaves_no_data_directory_and_begins_later(
    fresh: Host, ring: Lab, volume: str
) -> None:
    steps = Steps(ring)
    password = json.loads(steps.document("node-2", "server"))
    text = steps.document("node-2", "config")
    does(fresh, "install", archive_settings())
    does(fresh, "volume", {"volume_id": volume, "size_gib": 1})
    does(fresh, "tls", json.loads(steps.document("node-2", "tls")))

    does(fresh, "config", f"{text}\n[mysqld]\ninnodb_log_group_home_dir = /nowhere\n")
    error = fails(fresh, "server", password, SERVER)
    assert "`mysqld --bootstrap` ended with 1" in error["found"]
    assert "/nowhere" in error["found"], "it quotes the server's own words"
    left = fresh.root("ls -A /srv/mysql-ring /srv/mysql-ring/incarnations")
    assert "current" not in left
    assert ".new" not in left
    assert left.endswith("incarnations:\n"), left

    does(fresh, "config", text)
    fresh.root("systemd-run --unit=squatter python3 -m http.server 3306;" + LISTENS.format(3306))
    error = fails(fresh, "server", password, REFUSED)
    fresh.root("systemctl stop squatter")
    assert "another program listens on port 3306: python3" in error["found"]
    found = does(fresh, "server", password)
    assert found["have_ssl"] == "YES"
    assert found["done"] == ["server started"]
