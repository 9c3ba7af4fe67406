"""The arguments of an instance.

Source: terraform-provider-aws internal/service/ec2/ec2_instance.go, unless a line says otherwise.
"""

from cloud.providers.schema import BOOLEAN, INTEGER, MAP, OBJECT, SET, Argument, Table

_REGION = Argument("region", replace=True, computed=True)
# With an interface of one's own these belong to the interface (ConflictsWith).
INTERFACE_ARGUMENTS = (
    "associatePublicIpAddress",
    "privateIp",
    "securityGroups",
    "sourceDestCheck",
    "subnetId",
    "vpcSecurityGroupIds",
)
ROOT_DEVICE = (
    Argument("deleteOnTermination", BOOLEAN, default=True),
    Argument("encrypted", BOOLEAN, replace=True, computed=True),
    Argument("iops", INTEGER, computed=True),
    Argument("kmsKeyId", replace=True, computed=True),
    Argument("tags", MAP),
    Argument("throughput", INTEGER, computed=True),
    Argument("volumeSize", INTEGER, computed=True),
    Argument("volumeType", computed=True),
)
METADATA_OPTIONS = (
    Argument("httpEndpoint", choices=("enabled", "disabled"), computed=True),
    Argument("httpProtocolIpv6", choices=("enabled", "disabled"), computed=True),
    Argument("httpPutResponseHopLimit", INTEGER, computed=True),
    Argument("httpTokens", choices=("optional", "required"), computed=True),
    Argument("instanceMetadataTags", choices=("enabled", "disabled"), computed=True),
)
TABLE = Table(
    source="terraform-provider-aws internal/service/ec2/ec2_instance.go",
    arguments=(
        Argument("ami", required=True, replace=True, computed=True, api="ImageId"),
        Argument("associatePublicIpAddress", BOOLEAN, replace=True, computed=True),
        Argument("availabilityZone", replace=True, computed=True),
        Argument(
            "creditSpecification",
            OBJECT,
            computed=True,
            fields=(Argument("cpuCredits", choices=("standard", "unlimited")),),
        ),
        Argument("disableApiStop", BOOLEAN, computed=True),
        Argument("disableApiTermination", BOOLEAN, computed=True),
        Argument("ebsOptimized", BOOLEAN, replace=True, computed=True),
        Argument("forceDestroy", BOOLEAN, default=False),
        Argument("hibernation", BOOLEAN, replace=True),
        Argument("iamInstanceProfile", computed=True),
        Argument("instanceInitiatedShutdownBehavior", choices=("stop", "terminate"), computed=True),
        Argument("instanceType", required=True, computed=True),
        Argument("keyName", replace=True, computed=True),
        Argument(
            "maintenanceOptions",
            OBJECT,
            computed=True,
            fields=(Argument("autoRecovery", choices=("default", "disabled"), computed=True),),
        ),
        Argument("metadataOptions", OBJECT, computed=True, fields=METADATA_OPTIONS),
        Argument("monitoring", BOOLEAN, computed=True),
        Argument(
            "placementGroup",
            replace=True,
            computed=True,
            conflicts=("placementGroupId",),
            api="GroupName",
        ),
        Argument("placementGroupId", replace=True, computed=True, api="GroupId"),
        Argument(
            "placementPartitionNumber", INTEGER, replace=True, computed=True, api="PartitionNumber"
        ),
        Argument(
            "primaryNetworkInterface",
            OBJECT,
            computed=True,
            conflicts=INTERFACE_ARGUMENTS,
            fields=(Argument("networkInterfaceId", required=True, replace=True),),
        ),
        Argument("privateIp", replace=True, computed=True, api="PrivateIpAddress"),
        _REGION,
        Argument("rootBlockDevice", OBJECT, computed=True, fields=ROOT_DEVICE),
        Argument("securityGroups", SET, replace=True, computed=True),
        # default true, except with an interface of its own (DiffSuppressFunc)
        Argument("sourceDestCheck", BOOLEAN, computed=True),
        Argument("subnetId", replace=True, computed=True),
        Argument("tags", MAP),
        Argument("tenancy", choices=("default", "dedicated", "host"), replace=True, computed=True),
        # replaces only with userDataReplaceOnChange (CustomizeDiff)
        Argument("userData", computed=True, conflicts=("userDataBase64",)),
        Argument("userDataBase64", computed=True),
        Argument("userDataReplaceOnChange", BOOLEAN, default=False),
        Argument("vpcSecurityGroupIds", SET, computed=True, api="SecurityGroupIds"),
    ),
    outputs=(
        "arn",
        "instanceLifecycle",
        "instanceState",
        "outpostArn",
        "passwordData",
        "primaryNetworkInterfaceId",
        "privateDns",
        "publicDns",
        "publicIp",
        "spotInstanceRequestId",
    ),
)
