"""Security group; its rules are resources of their own (security_group_rule.py)."""

from typing import Any

from cloud.providers.aws.ec2 import Ec2Resource, dependency, first
from cloud.providers.aws.errors import ignoring, retrying
from cloud.providers.aws.names import prefixed
from cloud.providers.aws.resource import REGION, TAGS, Work, unpair
from cloud.providers.schema import BOOLEAN, Argument, Table

_MISSING = ("InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound")
_DELETE_SECONDS = 15 * 60.0
_DEFAULT_DESCRIPTION = "Managed by Pulumi"


class SecurityGroup(Ec2Resource):
    type_name = "aws:ec2/securityGroup:SecurityGroup"
    kind = "security-group"
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_security_group.go",
        arguments=(
            Argument("description", default=_DEFAULT_DESCRIPTION, replace=True),
            Argument("name", replace=True, computed=True, conflicts=("namePrefix",)),
            Argument("namePrefix", replace=True, computed=True),
            REGION,
            Argument("revokeRulesOnDelete", BOOLEAN, default=False),
            TAGS,
            Argument("vpcId", replace=True, computed=True),
        ),
        outputs=("arn", "ownerId"),
        autoname="name",
    )

    def make(self, work: Work) -> str:
        arguments = work.pick(VpcId="vpcId")
        arguments["GroupName"] = prefixed(work.inputs, "name", "namePrefix")
        arguments["Description"] = work.inputs.get("description", _DEFAULT_DESCRIPTION)
        arguments["TagSpecifications"] = self.tag_specifications(work)
        return work.ec2.create_security_group(**arguments)["GroupId"]

    def _find(self, work: Work) -> Any:
        return first(
            work.ec2.describe_security_groups, "SecurityGroups", _MISSING, GroupIds=[work.id]
        )

    def settle(self, work: Work) -> None:
        """AWS allows everything outwards in a new group; the official plugin takes that rule
        away, so that only what the program says is open. Rules of the program's own come after
        this resource, hence only a group that was not finished yet is touched."""
        if not work.fresh:
            return
        found = self._find(work) or {}
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

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = self._find(work)
        if found is None:
            return None
        name = found["GroupName"]
        return {
            "arn": work.session.arn("ec2", f"security-group/{work.id}"),
            "description": found.get("Description", ""),
            "name": name,
            "ownerId": found.get("OwnerId") or work.session.account,
            "vpcId": found.get("VpcId", ""),
            "tags": unpair(found.get("Tags")),
        }

    def destroy(self, work: Work) -> None:
        if work.old.get("revokeRulesOnDelete"):
            self._revoke(work)
        retrying(
            work.call,
            _DELETE_SECONDS,
            dependency,
            lambda: ignoring(_MISSING, work.ec2.delete_security_group, GroupId=work.id),
        )

    def _revoke(self, work: Work) -> None:
        found = self._find(work) or {}
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
