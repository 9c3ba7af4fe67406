"""What exists in AWS before anybody creates anything: Debian's image and its SSM parameter."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from cloud.api.patching import replace

IMAGES = Path(__file__).with_name("images.json")
DEBIAN_PARAMETER = "/aws/service/debian/release/12/latest/amd64"


def images() -> list[dict[str, Any]]:
    return json.loads(IMAGES.read_text())


def install() -> None:
    """Let every region know these images, and the parameters that lead to them."""
    from moto.ec2.models import amis
    from moto.ssm.models import Parameter, ParameterDict

    # moto looks for the variable for each region, and adds nothing else when it is there.
    os.environ["MOTO_AMIS_PATH"] = str(IMAGES)
    replace(amis, AMIS=images())
    moto_check = ParameterDict._check_loading_status

    def check_loading_status(self: Any, key: str) -> None:
        moto_check(self, key)
        if str(key or "").startswith("/aws/service/debian") and not dict.__contains__(
            self, DEBIAN_PARAMETER
        ):
            dict.__setitem__(
                self,
                DEBIAN_PARAMETER,
                [
                    Parameter(
                        account_id=self.account_id,
                        name=DEBIAN_PARAMETER,
                        value=images()[0]["ami_id"],
                        parameter_type="String",
                        description=None,
                        allowed_pattern=None,
                        keyid=None,
                        last_modified_date=1790000000.0,
                        version=1,
                        data_type="text",
                    )
                ],
            )

    replace(ParameterDict, _check_loading_status=check_loading_status)
