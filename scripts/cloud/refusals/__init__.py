"""What AWS refuses, and moto does not: rules that are asked before moto carries out a call.

`install` puts them in front of moto's EC2, IAM and S3, in this process, whoever calls. Each rule
is a function in the module of its noun; docs/aws-refusals.md lists them.
"""

from __future__ import annotations

from cloud.api.patching import once


@once
def install() -> None:
    """Refuse what AWS refuses, from now on; a second call changes nothing."""
    from cloud.refusals import (
        address,  # noqa: F401 (importing a module registers its rules)
        bucket,
        gateway,  # noqa: F401
        guard,
        instance,  # noqa: F401
        launch,  # noqa: F401
        network_interface,  # noqa: F401
        objects,  # noqa: F401
        placement_group,  # noqa: F401
        role,  # noqa: F401
        subnet,  # noqa: F401
        volume,  # noqa: F401
        vpc,  # noqa: F401
    )

    guard.install()
    bucket.install()
