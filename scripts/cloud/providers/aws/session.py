"""Clients of the AWS API, made once per service and shared by all requests."""

import threading
from typing import Any

from cloud.providers.aws.config import Config
from cloud.providers.aws.retries import Retries
from cloud.providers.resource import ProviderError

_POOL = 64  # connections kept per service; the engine runs that many steps at once at most


class Session:
    """One botocore session. botocore's clients are safe to share between threads."""

    def __init__(self, config: Config, cancelled: threading.Event) -> None:
        self.config = config
        self._retries = Retries(config.max_retries, cancelled)
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._identity: dict[str, str] | None = None

    @property
    def region(self) -> str:
        return self.config.region

    def client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        import botocore.config  # imported late: it costs more than the rest of the plugin
        import botocore.session

        config = self.config
        if self._session is None:
            self._session = botocore.session.Session()
        client = self._session.create_client(
            service,
            region_name=config.region,
            aws_access_key_id=config.access_key,
            aws_secret_access_key=config.secret_key,
            aws_session_token=config.token,
            config=botocore.config.Config(
                retries={"mode": "standard", "total_max_attempts": 1},
                max_pool_connections=_POOL,
                parameter_validation=True,
                user_agent_extra="mysql-ring",
            ),
        )
        self._retries.register(client)
        return client

    def identity(self) -> dict[str, str]:
        """Account, ARN and user id of the credentials."""
        client = self.client("sts")
        with self._lock:
            if self._identity is None:
                answer = client.get_caller_identity()
                self._identity = {
                    "accountId": answer["Account"],
                    "arn": answer["Arn"],
                    "userId": answer["UserId"],
                }
            return self._identity

    @property
    def account(self) -> str:
        return self.identity()["accountId"]

    @property
    def partition(self) -> str:
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    @property
    def dns_suffix(self) -> str:
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    def arn(self, service: str, resource: str, regional: bool = True) -> str:
        region = self.region if regional else ""
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}"

    def validate(self) -> None:
        """What the official plugin checks before anything else, unless told to skip it."""
        config = self.config
        if not config.skip_credentials:
            self.identity()
        if config.allowed_accounts and self.account not in config.allowed_accounts:
            raise ProviderError(
                f"AWS account {self.account} is not in aws:allowedAccountIds "
                f"({', '.join(config.allowed_accounts)})"
            )
        if config.forbidden_accounts and self.account in config.forbidden_accounts:
            raise ProviderError(f"AWS account {self.account} is in aws:forbiddenAccountIds")
