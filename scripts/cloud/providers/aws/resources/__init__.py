"""The resource types, one module per noun: a module of this folder is found by itself."""

from cloud.providers.aws.resource import AwsResource
from cloud.rooms import modules

RESOURCES: dict[str, AwsResource] = {
    resource.type_name: resource
    for module in modules(__name__)
    for resource in getattr(module, "RESOURCES", ())
}
