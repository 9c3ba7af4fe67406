"""The resource types, one module per noun."""

from cloud.providers.aws.resource import AwsResource
from cloud.providers.aws.resources import (
    bucket,
    bucket_settings,
    eip,
    iam,
    instance,
    internet_gateway,
    key_pair,
    network_interface,
    placement_group,
    route,
    security_group,
    security_group_rule,
    subnet,
    vpc,
)

_MODULES = (
    bucket,
    bucket_settings,
    eip,
    iam,
    instance,
    internet_gateway,
    key_pair,
    network_interface,
    placement_group,
    route,
    security_group,
    security_group_rule,
    subnet,
    vpc,
)

RESOURCES: dict[str, AwsResource] = {
    resource.type_name: resource for module in _MODULES for resource in module.RESOURCES
}
