"""The provider: configuration, the list of resource types, and the functions."""

import contextlib
import threading
from typing import Any

from cloud.providers.aws import functions
from cloud.providers.aws.config import Config, parse
from cloud.providers.aws.errors import is_api_error, translate
from cloud.providers.aws.resources import RESOURCES
from cloud.providers.aws.session import Session
from cloud.providers.difference import UPDATE, Changes
from cloud.providers.plugin import Provider
from cloud.providers.resource import Call, ProviderError
from cloud.providers.schema import Failure


class AwsProvider(Provider):
    name = "aws"
    accept_secrets = False  # as the official plugin: the engine carries secrecy over by name

    def __init__(self) -> None:
        super().__init__()
        self.resources = dict(RESOURCES)
        self._session: Session | None = None
        self._loading = False

    @property
    def session(self) -> Session:
        if self._session is None:
            raise ProviderError("the aws provider is not configured yet: its settings are unknown")
        return self._session

    def warm(self) -> None:
        """Imports the AWS client while the engine is busy with the program."""

        def load() -> None:
            import botocore.session  # noqa: F401

        threading.Thread(target=load, daemon=True).start()

    def check_config(self, inputs: dict[str, Any]) -> list[Failure]:
        return parse(inputs)[1]

    def diff_config(self, olds: dict[str, Any], news: dict[str, Any]) -> Changes:
        """Another region moves everything elsewhere (pulumi-aws, provider/resources.go)."""
        return {
            name: (UPDATE, name == "region" and name in olds)
            for name in sorted({*olds, *news})
            if olds.get(name) != news.get(name)
        }

    def configure(self, inputs: dict[str, Any]) -> None:
        config, failures = parse(inputs)
        if failures:
            text = "; ".join(f"aws:{one.path}: {one.reason}" for one in failures)
            raise ProviderError(f"invalid configuration of the aws provider: {text}")
        if config is None:
            return
        self.use(config)
        self._warm_clients("sts", "ssm")  # in the order a program needs them

    def changing(self) -> None:
        if self._session and not self._loading:
            self._loading = True
            self._warm_clients("ec2")

    def use(self, config: Config) -> None:
        self._session = session = Session(config, self.cancelled)
        checked = not config.skip_credentials or config.allowed_accounts
        if checked or config.forbidden_accounts:
            try:
                session.validate()
            except Exception as error:
                if is_api_error(error):
                    raise translate(error, "credentials", "validating") from None
                raise

    def _warm_clients(self, *services: str) -> None:
        session = self.session

        def load() -> None:
            for service in services:
                with contextlib.suppress(Exception):
                    session.client(service)

        threading.Thread(target=load, daemon=True).start()

    def invoke(self, token: str, arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        function = functions.FUNCTIONS.get(token)
        if function is None:
            raise ProviderError(
                f"function {token!r} is not in the stand-in for aws; "
                f"it has: {', '.join(sorted(functions.FUNCTIONS))}"
            )
        try:
            return function(self.session, arguments, call)
        except Exception as error:
            if is_api_error(error):
                raise translate(error, token, "calling") from None
            raise
