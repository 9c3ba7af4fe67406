"""A ring, and beside it an instance with an application that reaches it and nothing else."""

import sys
from pathlib import Path

import pulumi
from pulumi_aws import ec2, ssm, vpc

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the checkout of mysql-ring

from components.ring import Ring, RingArgs

password = pulumi.Config().require_secret("password")
ring = Ring("db", RingArgs(admin_cidrs=["198.51.100.0/24"], passwords={"app": password}))

group = ec2.SecurityGroup("app", vpc_id=ring.network.client_vpc_id)
for name, node in ring.nodes.items():
    vpc.SecurityGroupEgressRule(
        f"app-to-{name}",
        security_group_id=group.id,
        cidr_ipv4=f"{node.client_address}/32",
        ip_protocol="tcp",
        from_port=ring.port,
        to_port=ring.port,
    )
connection = pulumi.Output.json_dumps(
    {
        "endpoints": ring.endpoints,
        "user": "app",
        "password": ring.passwords["app"],
        "ca": ring.ca_certificate,
    }
)
image = ssm.get_parameter_output(name="/aws/service/debian/release/12/latest/amd64")
app = ec2.Instance(
    "app",
    ami=image.value,
    instance_type="t3.small",
    subnet_id=ring.network.client_subnet_id,
    vpc_security_group_ids=[group.id],
    user_data=connection,  # a secret, as the password in it is one
    opts=pulumi.ResourceOptions(depends_on=[ring]),  # a ring that replicates
)
pulumi.export("app", app.private_ip)
