"""What an update does to the nodes that stand, in one line each, for whoever reads the preview.

Pure. Only what the settings and the last state show: of `--replace` and `--target` the program
knows nothing, and a change on AWS is in the state after a `pulumi refresh` alone.
"""

import ipaddress
from collections.abc import Iterator

from components.birth import to_be_born_from
from components.mysql.configuration import needs_restart, render, template
from components.settings import NodeSettings, RingArgs
from components.standing import Standing, StandingNode


def effects(standing: Standing, settings: RingArgs) -> Iterator[str]:
    """The nodes by name, each with what happens to it; nothing of one that goes on as it is."""
    stands = {node.name: node for node in standing.nodes}
    for node in settings.nodes:
        was = stands.get(node.name)
        if was and (was.seeded or was.holds_data):
            done = list(_effects(was, node, standing, settings))
            if done:
                yield f"{node.name}: {'; '.join(done)}"
    if settings.restore_from is not None and standing.holds_data:
        yield "restoreFrom changes nothing: the ring stands, and goes on with the data that it has"


def _effects(
    was: StandingNode, node: NodeSettings, standing: Standing, settings: RingArgs
) -> Iterator[str]:
    other = settings.peer_of(node)
    peer = other.name
    peer_holds = any(each.name == peer and each.holds_data for each in standing.nodes)
    if was.data_volume_gib is None:
        if peer_holds:
            what = f"copies {peer}"
        elif birth := to_be_born_from(standing, settings):
            source = f"restored from {birth.bucket} as of {birth.moment}"
            first = node == settings.nodes[0]
            what = f"is {source}" if first else f"copies {peer}, which is {source}"
        else:
            what = "is EMPTY, as no other node holds data"
        yield f"its data volume is gone, a new one is made with a new instance, and it {what}"
    elif not was.instance:
        yield "a new instance takes its data volume over, and nothing is copied"
    elif moved(was, node, standing, settings):
        yield "its instance is made anew, its data volume stays, and nothing is copied"
    else:
        text = _another_my_cnf(was, node, settings)
        if text is not None and needs_restart(was.my_cnf or "", text):
            yield f"its server restarts with another my.cnf, {peer} serves meanwhile"
        elif text is not None:
            yield (
                "its server is set to another my.cnf while it runs, and restarts only where it "
                f"does not take that, {peer} serving meanwhile"
            )
        kind = settings.instance_type
        if isinstance(kind, str) and was.instance_type not in (None, kind):
            stays = any(
                each.name == peer and each.instance and not moved(each, other, standing, settings)
                for each in standing.nodes
            )
            who = f"{peer} serves" if stays else f"as {peer} is made anew, nobody serves"
            yield f"its instance stops and starts as another type, {who} meanwhile"
    if was.data_volume_gib and settings.data_volume_gib > was.data_volume_gib:
        yield "its data volume grows in place"


def stops(standing: Standing, settings: RingArgs) -> bool:
    """Whether both instances stand, and may have to stop and start as another type."""
    kind = settings.instance_type
    types = [node.instance_type for node in standing.nodes if node.instance]
    return len(types) > 1 and not (isinstance(kind, str) and all(each == kind for each in types))


def moved(was: StandingNode, node: NodeSettings, standing: Standing, settings: RingArgs) -> bool:
    """Whether an address or a range of it is another one, which a host is told at first boot."""
    prefix = ipaddress.IPv4Network(settings.replication_cidr).prefixlen
    return (
        standing.client_cidr not in (None, settings.client_cidr)
        or was.client_address not in (None, node.client_address)
        or was.replication_interface not in (None, f"{node.replication_address}/{prefix}")
    )


def _another_my_cnf(was: StandingNode, node: NodeSettings, settings: RingArgs) -> str | None:
    """Its my.cnf if that is another one, as far as its values are known yet."""
    values = {
        name: value for name, value in settings.mysql_settings.items() if isinstance(value, str)
    }
    if was.my_cnf is None or len(values) < len(settings.mysql_settings):
        return None
    text = render(template(), node, values)
    return text if text != was.my_cnf else None
