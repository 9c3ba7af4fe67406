"""Internet gateway."""

from typing import Any

from cloud.providers.aws.ec2 import DELETE_SECONDS, Ec2Resource
from cloud.providers.aws.errors import ignoring, retrying
from cloud.providers.aws.resource import REGION, TAGS, Work
from cloud.providers.schema import Argument, Table


class InternetGateway(Ec2Resource):
    type_name = "aws:ec2/internetGateway:InternetGateway"
    noun, kind = "InternetGateway", "internet-gateway"
    missing = ("InvalidInternetGatewayID.NotFound",)
    deleted_within = 2 * DELETE_SECONDS
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_internet_gateway.go",
        arguments=(REGION, TAGS, Argument("vpcId", computed=True)),
        outputs=("arn", "ownerId"),
    )

    def settle(self, work: Work) -> None:
        current, wanted = self._vpc(self.find(work)), work.inputs.get("vpcId", "")
        if not wanted or current == wanted:
            return
        if current:
            self._detach(work, current)
        retrying(
            work.call,
            DELETE_SECONDS,
            lambda code, _: code in self.missing,
            lambda: work.ec2.attach_internet_gateway(InternetGatewayId=work.id, VpcId=wanted),
        )

    def _vpc(self, found: dict[str, Any] | None) -> str:
        attached = (found or {}).get("Attachments") or [{}]
        return attached[0].get("VpcId", "")

    def _detach(self, work: Work, vpc: str) -> None:
        retrying(
            work.call,
            self.deleted_within,
            lambda code, _: code in self.held,
            lambda: ignoring(
                ("Gateway.NotAttached", *self.missing),
                work.ec2.detach_internet_gateway,
                InternetGatewayId=work.id,
                VpcId=vpc,
            ),
        )

    def told(self, work: Work, found: dict[str, Any]) -> dict[str, Any]:
        return {**super().told(work, found), "vpcId": self._vpc(found)}

    def destroy(self, work: Work) -> None:
        attached = self._vpc(self.find(work))
        if attached:
            self._detach(work, attached)
        super().destroy(work)


RESOURCES = (InternetGateway(),)
