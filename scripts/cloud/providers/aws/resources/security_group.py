"""Security group; its rules are resources of their own (security_group_rule.py)."""

import json
from typing import Any

from cloud.providers.aws.ec2 import MINUTE, Ec2Resource
from cloud.providers.aws.errors import ignoring
from cloud.providers.aws.names import prefixed
from cloud.providers.aws.resource import REGION, TAGS, Ask, Work
from cloud.providers.schema import BOOLEAN, Argument, Table


class SecurityGroup(Ec2Resource):
    type_name = "aws:ec2/securityGroup:SecurityGroup"
    noun, kind, identifier = "SecurityGroup", "security-group", "GroupId"
    missing = ("InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound")
    held = ("DependencyViolation", "InvalidGroup.InUse")
    deleted_within = 15 * MINUTE
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_security_group.go",
        arguments=(
            Argument("description", default="Managed by Pulumi", replace=True),
            Argument(
                "name", replace=True, computed=True, conflicts=("namePrefix",), api="GroupName"
            ),
            Argument("namePrefix", replace=True, computed=True),
            REGION,
            Argument("revokeRulesOnDelete", BOOLEAN, default=False),
            TAGS,
            Argument("vpcId", replace=True, computed=True),
        ),
        outputs=("arn", "ownerId"),
        autoname="name",
    )

    def given(self, work: Work, operation: str) -> dict[str, Any]:
        name = prefixed(work.inputs, "name", "namePrefix")
        return {**super().given(work, operation), "GroupName": name}

    def settle(self, work: Work) -> None:
        """AWS allows everything outwards in a new group; the official plugin takes that rule
        away, so that only what the program says is open. Rules of the program's own come after
        this resource, hence only a group that was not finished yet is touched."""
        if not work.fresh:
            return
        found = self.find(work) or {}
        for rule in found.get("IpPermissionsEgress", []):
            if rule.get("IpProtocol") == "-1":
                ignoring(
                    ("InvalidPermission.NotFound",),
                    work.ec2.revoke_security_group_egress,
                    GroupId=work.id,
                    IpPermissions=[
                        {
                            "IpProtocol": "-1",
                            "IpRanges": [
                                {"CidrIp": one["CidrIp"]} for one in rule.get("IpRanges", [])
                            ],
                        }
                    ],
                )

    def finish(self, group: str, ask: Ask) -> None:
        """The plugin would not take AWS's rule away later. No rule of the program is there yet:
        each comes after its group is in the state."""
        (found,) = ask("ec2", "describe-security-groups", "--group-ids", group)["SecurityGroups"]
        rules = found.get("IpPermissionsEgress")
        if rules:
            words = ("--group-id", group, "--ip-permissions", json.dumps(rules))
            ask("ec2", "revoke-security-group-egress", *words)

    def destroy(self, work: Work) -> None:
        if work.old.get("revokeRulesOnDelete"):
            self._revoke(work)
        super().destroy(work)

    def _revoke(self, work: Work) -> None:
        found = self.find(work) or {}
        for key, revoke in (
            ("IpPermissions", work.ec2.revoke_security_group_ingress),
            ("IpPermissionsEgress", work.ec2.revoke_security_group_egress),
        ):
            if found.get(key):
                ignoring(
                    ("InvalidPermission.NotFound",),
                    revoke,
                    GroupId=work.id,
                    IpPermissions=found[key],
                )


RESOURCES = (SecurityGroup(),)
