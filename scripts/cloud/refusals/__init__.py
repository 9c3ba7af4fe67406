"""What AWS refuses, and moto does not: rules that are asked before moto carries out a call.

`install` puts them in front of moto, in this process, whoever calls. Each rule is a function in the
module of its noun; docs/lab/aws-refusals.md lists them.
"""

from __future__ import annotations

from cloud.rooms import modules


def install() -> None:
    """Refuse what AWS refuses, from now on."""
    from cloud.refusals import bucket, guard

    modules(__name__)  # importing a module registers its rules
    guard.RULES.sort(key=lambda rule: rule.check.__module__)
    guard.install()
    bucket.install()
