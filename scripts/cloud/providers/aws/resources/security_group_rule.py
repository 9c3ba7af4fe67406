"""Rules of security groups, inwards and outwards."""

from dataclasses import replace
from typing import Any

from cloud.providers.aws.ec2 import Ec2Resource, first
from cloud.providers.aws.errors import ignoring
from cloud.providers.aws.resource import REGION, TAGS, Work, pairs, unpair
from cloud.providers.difference import UPDATE, Changes
from cloud.providers.resource import Call
from cloud.providers.schema import INTEGER, NETWORK4, NETWORK6, Argument, Failure, Table
from cloud.providers.values import Unknown

_MISSING = (
    "InvalidGroup.NotFound",
    "InvalidSecurityGroupRuleId.NotFound",
    "InvalidPermission.NotFound",
)
_SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
# AWS tells these protocols back by name (vpc_security_group_ingress_rule.go, protocolForValue).
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}
_TABLE = Table(
    source="terraform-provider-aws internal/service/ec2/vpc_security_group_ingress_rule.go",
    arguments=(
        Argument("cidrIpv4", NETWORK4),
        Argument("cidrIpv6", NETWORK6),
        Argument("description"),
        Argument("fromPort", INTEGER),
        Argument("ipProtocol", required=True),
        Argument("prefixListId"),
        Argument("referencedSecurityGroupId"),
        REGION,
        Argument("securityGroupId", required=True, replace=True),
        TAGS,
        Argument("toPort", INTEGER),
    ),
    outputs=("arn", "securityGroupRuleId"),
    exactly_one=(_SOURCES,),
)


class Rule(Ec2Resource):
    kind = "security-group-rule"
    table = _TABLE
    outwards = False

    def check(self, inputs: dict[str, Any], call: Call) -> tuple[dict[str, Any], list[Failure]]:
        checked, failures = super().check(inputs, call)
        protocol = checked.get("ipProtocol")
        if isinstance(protocol, str):
            checked["ipProtocol"] = _PROTOCOLS.get(protocol.lower(), protocol.lower())
        return checked, failures

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        protocol = inputs["ipProtocol"]
        if isinstance(protocol, Unknown) or _PROTOCOLS.get(protocol.lower(), protocol) == "-1":
            return []
        return [
            Failure(name, f"{name!r} is required with ipProtocol {protocol!r}")
            for name in ("fromPort", "toPort")
            if inputs.get(name) is None
        ]

    def diff(self, state: dict[str, Any], inputs: dict[str, Any], call: Call) -> Changes:
        """A rule cannot change the kind of its source (ModifyPlan in the official source)."""
        changes = super().diff(state, inputs, call)
        old = [name for name in _SOURCES if state.get(name)]
        new = [name for name in _SOURCES if inputs.get(name)]
        if old != new:
            for name in (*old, *new):
                changes[name] = (changes.get(name, (UPDATE, True))[0], True)
        return changes

    def _permission(self, inputs: dict[str, Any]) -> dict[str, Any]:
        about = {"Description": inputs["description"]} if inputs.get("description") else {}
        permission: dict[str, Any] = {"IpProtocol": inputs["ipProtocol"]}
        for key, name in (("FromPort", "fromPort"), ("ToPort", "toPort")):
            if inputs.get(name) is not None:
                permission[key] = inputs[name]
        if inputs.get("cidrIpv4"):
            permission["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **about}]
        if inputs.get("cidrIpv6"):
            permission["Ipv6Ranges"] = [{"CidrIpv6": inputs["cidrIpv6"], **about}]
        if inputs.get("prefixListId"):
            permission["PrefixListIds"] = [{"PrefixListId": inputs["prefixListId"], **about}]
        if inputs.get("referencedSecurityGroupId"):
            user, _, group = inputs["referencedSecurityGroupId"].rpartition("/")
            pair = {"GroupId": group, **({"UserId": user} if user else {}), **about}
            permission["UserIdGroupPairs"] = [pair]
        return permission

    def make(self, work: Work) -> str:
        authorize = (
            work.ec2.authorize_security_group_egress
            if self.outwards
            else work.ec2.authorize_security_group_ingress
        )
        answer = authorize(
            GroupId=work.inputs["securityGroupId"],
            IpPermissions=[self._permission(work.inputs)],
            TagSpecifications=self.tag_specifications(work),
        )
        return answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    def settle(self, work: Work) -> None:
        """Tags given with the call are not kept by every implementation; set what is missing."""
        found = self._find(work)
        wanted = {
            tag["Key"]: tag["Value"]
            for spec in self.tag_specifications(work)
            for tag in spec["Tags"]
        }
        present = unpair((found or {}).get("Tags"))
        missing = {key: value for key, value in wanted.items() if present.get(key) != value}
        if found is not None and missing:
            work.ec2.create_tags(Resources=[work.id], Tags=pairs(missing))

    def _find(self, work: Work) -> Any:
        found = first(
            work.ec2.describe_security_group_rules,
            "SecurityGroupRules",
            _MISSING,
            SecurityGroupRuleIds=[work.id],
        )
        return found if found and found.get("IsEgress", False) == self.outwards else None

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = self._find(work)
        if found is None:
            return None
        given = {**work.old, **work.inputs}
        ports = {
            name: None if found.get(key) == -1 and given.get(name) is None else found.get(key)
            for name, key in (("fromPort", "FromPort"), ("toPort", "ToPort"))
        }
        return {
            "arn": work.session.arn("ec2", f"security-group-rule/{work.id}"),
            "cidrIpv4": found.get("CidrIpv4"),
            "cidrIpv6": found.get("CidrIpv6"),
            "description": found.get("Description"),
            "ipProtocol": found["IpProtocol"],
            "prefixListId": found.get("PrefixListId"),
            "referencedSecurityGroupId": self._referenced(work, found),
            "securityGroupId": found["GroupId"],
            "securityGroupRuleId": work.id,
            "tags": unpair(found.get("Tags")),
            **ports,
        }

    def _referenced(self, work: Work, found: dict[str, Any]) -> str | None:
        group = found.get("ReferencedGroupInfo", {})
        owner = group.get("UserId")
        if owner and owner != work.session.account:
            return f"{owner}/{group['GroupId']}"
        return group.get("GroupId")

    def change(self, work: Work) -> None:
        if not work.changed(*_SOURCES, "description", "fromPort", "toPort", "ipProtocol"):
            return
        inputs = work.inputs
        rule = work.pick(
            IpProtocol="ipProtocol",
            FromPort="fromPort",
            ToPort="toPort",
            CidrIpv4="cidrIpv4",
            CidrIpv6="cidrIpv6",
            PrefixListId="prefixListId",
            Description="description",
        )
        if inputs.get("referencedSecurityGroupId"):
            rule["ReferencedGroupId"] = inputs["referencedSecurityGroupId"].rpartition("/")[2]
        work.ec2.modify_security_group_rules(
            GroupId=inputs["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": work.id, "SecurityGroupRule": rule}],
        )

    def destroy(self, work: Work) -> None:
        revoke = (
            work.ec2.revoke_security_group_egress
            if self.outwards
            else work.ec2.revoke_security_group_ingress
        )
        ignoring(
            _MISSING,
            revoke,
            GroupId=work.old["securityGroupId"],
            SecurityGroupRuleIds=[work.id],
        )


class IngressRule(Rule):
    type_name = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


class EgressRule(Rule):
    type_name = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    outwards = True
    # its schema and its changes are those of the other file
    table = replace(
        _TABLE,
        source="terraform-provider-aws internal/service/ec2/vpc_security_group_egress_rule.go and"
        " vpc_security_group_ingress_rule.go",
    )


RESOURCES = (IngressRule(), EgressRule())
