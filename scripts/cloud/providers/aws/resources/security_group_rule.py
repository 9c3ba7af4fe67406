"""Rules of security groups, inwards and outwards."""

from dataclasses import replace
from typing import Any

from cloud.providers.aws.ec2 import Ec2Resource
from cloud.providers.aws.errors import ignoring
from cloud.providers.aws.parameters import parameters
from cloud.providers.aws.resource import REGION, TAGS, Work, pairs, unpair
from cloud.providers.difference import UPDATE, Changes
from cloud.providers.resource import Call
from cloud.providers.schema import INTEGER, NETWORK4, NETWORK6, Argument, Failure, Table
from cloud.providers.values import Unknown

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
        Argument("securityGroupId", required=True, replace=True, api="GroupId"),
        TAGS,
        Argument("toPort", INTEGER),
    ),
    outputs=("arn", "securityGroupRuleId"),
    exactly_one=(_SOURCES,),
)


class Rule(Ec2Resource):
    noun, kind = "SecurityGroupRule", "security-group-rule"
    missing = (
        "InvalidGroup.NotFound",
        "InvalidSecurityGroupRuleId.NotFound",
        "InvalidPermission.NotFound",
    )
    table = _TABLE
    way: str

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

    def make(self, work: Work) -> str:
        answer = self.ask(
            work,
            f"AuthorizeSecurityGroup{self.way}",
            GroupId=work.inputs["securityGroupId"],
            IpPermissions=[self._permission(work.inputs)],
            TagSpecifications=self.tag_specifications(work),
        )
        return answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    def _permission(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The rule in the older form, which the call that makes it takes."""
        given = parameters(self.table.arguments, inputs)
        wanted = ("IpProtocol", "FromPort", "ToPort")
        permission = {key: given[key] for key in wanted if key in given}
        about = {"Description": inputs["description"]} if inputs.get("description") else {}
        for key, place, name in (
            ("CidrIpv4", "IpRanges", "CidrIp"),
            ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
            ("PrefixListId", "PrefixListIds", "PrefixListId"),
        ):
            if given.get(key):
                permission[place] = [{name: given[key], **about}]
        if inputs.get("referencedSecurityGroupId"):
            user, _, group = inputs["referencedSecurityGroupId"].rpartition("/")
            pair = {"GroupId": group, **({"UserId": user} if user else {}), **about}
            permission["UserIdGroupPairs"] = [pair]
        return permission

    def settle(self, work: Work) -> None:
        """Tags given with the call are not kept by every implementation; set what is missing."""
        found = self.find(work)
        wanted = {
            tag["Key"]: tag["Value"]
            for spec in self.tag_specifications(work)
            for tag in spec["Tags"]
        }
        present = unpair((found or {}).get("Tags"))
        missing = {key: value for key, value in wanted.items() if present.get(key) != value}
        if found is not None and missing:
            work.ec2.create_tags(Resources=[work.id], Tags=pairs(missing))

    def find(self, work: Work) -> dict[str, Any] | None:
        found = super().find(work)
        return found if found and found.get("IsEgress", False) == (self.way == "Egress") else None

    def told(self, work: Work, found: dict[str, Any]) -> dict[str, Any]:
        told = {name: value or None for name, value in super().told(work, found).items()}
        told["referencedSecurityGroupId"] = self._referenced(work, found)
        given = {**work.old, **work.inputs}
        for name, key in (("fromPort", "FromPort"), ("toPort", "ToPort")):
            told[name] = (
                None if found.get(key) == -1 and given.get(name) is None else found.get(key)
            )
        return told

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
        members = self.model(work).shape_for("SecurityGroupRuleRequest").members
        rule = parameters(self.table.arguments, inputs, members)
        if inputs.get("referencedSecurityGroupId"):
            rule["ReferencedGroupId"] = inputs["referencedSecurityGroupId"].rpartition("/")[2]
        work.ec2.modify_security_group_rules(
            GroupId=inputs["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": work.id, "SecurityGroupRule": rule}],
        )

    def destroy(self, work: Work) -> None:
        ignoring(
            self.missing,
            self.ask,
            work,
            f"RevokeSecurityGroup{self.way}",
            GroupId=work.old["securityGroupId"],
            SecurityGroupRuleIds=[work.id],
        )


class IngressRule(Rule):
    type_name = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    way = "Ingress"


class EgressRule(Rule):
    type_name = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    way = "Egress"
    # its schema and its changes are those of the other file
    table = replace(
        _TABLE,
        source="terraform-provider-aws internal/service/ec2/vpc_security_group_egress_rule.go and"
        " vpc_security_group_ingress_rule.go",
    )


RESOURCES = (IngressRule(), EgressRule())
