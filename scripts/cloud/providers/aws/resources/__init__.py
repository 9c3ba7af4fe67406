"""The resource types, one module per noun: a module in this folder is found."""

import importlib
import pkgutil

from cloud.providers.aws.resource import AwsResource


def _found() -> dict[str, AwsResource]:
    names = [f"{__name__}.{each.name}" for each in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(name) for name in names]
    resources = [one for module in modules for one in getattr(module, "RESOURCES", ())]
    return {one.type_name: one for one in resources}


RESOURCES = _found()
