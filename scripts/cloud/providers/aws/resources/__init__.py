"""The resource types, one module per noun."""

from cloud.providers.aws.resource import AwsResource
from cloud.providers.aws.resources import vpc

_MODULES = (vpc,)

RESOURCES: dict[str, AwsResource] = {
    resource.token: resource for module in _MODULES for resource in module.RESOURCES
}
