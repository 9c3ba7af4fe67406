"""Internet gateway."""

from typing import Any

from cloud.providers.aws.ec2 import DELETE_SECONDS, Ec2Resource, dependency, first
from cloud.providers.aws.errors import ignoring, retrying
from cloud.providers.aws.resource import REGION, TAGS, Work, unpair
from cloud.providers.schema import Argument, Table

_MISSING = ("InvalidInternetGatewayID.NotFound",)


class InternetGateway(Ec2Resource):
    type_name = "aws:ec2/internetGateway:InternetGateway"
    kind = "internet-gateway"
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_internet_gateway.go",
        arguments=(REGION, TAGS, Argument("vpcId", computed=True)),
        outputs=("arn", "ownerId"),
    )

    def make(self, work: Work) -> str:
        answer = work.ec2.create_internet_gateway(TagSpecifications=self.tag_specifications(work))
        return answer["InternetGateway"]["InternetGatewayId"]

    def _find(self, work: Work) -> Any:
        return first(
            work.ec2.describe_internet_gateways,
            "InternetGateways",
            _MISSING,
            InternetGatewayIds=[work.id],
        )

    def _vpc(self, found: dict[str, Any] | None) -> str:
        attached = (found or {}).get("Attachments") or [{}]
        return attached[0].get("VpcId", "")

    def settle(self, work: Work) -> None:
        self.change(work)

    def change(self, work: Work) -> None:
        current, wanted = self._vpc(self._find(work)), work.inputs.get("vpcId", "")
        if not wanted or current == wanted:
            return
        if current:
            self._detach(work, current)
        retrying(
            work.call,
            DELETE_SECONDS,
            lambda code, _: code == "InvalidInternetGatewayID.NotFound",
            lambda: work.ec2.attach_internet_gateway(InternetGatewayId=work.id, VpcId=wanted),
        )

    def _detach(self, work: Work, vpc: str) -> None:
        retrying(
            work.call,
            2 * DELETE_SECONDS,
            dependency,
            lambda: ignoring(
                ("Gateway.NotAttached", *_MISSING),
                work.ec2.detach_internet_gateway,
                InternetGatewayId=work.id,
                VpcId=vpc,
            ),
        )

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = self._find(work)
        if found is None:
            return None
        return {
            "arn": work.session.arn("ec2", f"internet-gateway/{work.id}"),
            "ownerId": found.get("OwnerId") or work.session.account,
            "vpcId": self._vpc(found),
            "tags": unpair(found.get("Tags")),
        }

    def destroy(self, work: Work) -> None:
        found = self._find(work)
        if self._vpc(found):
            self._detach(work, self._vpc(found))
        retrying(
            work.call,
            2 * DELETE_SECONDS,
            dependency,
            lambda: ignoring(_MISSING, work.ec2.delete_internet_gateway, InternetGatewayId=work.id),
        )


RESOURCES = (InternetGateway(),)
