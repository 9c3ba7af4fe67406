"""A request to S3, and the permissions that it needs.

The permissions of each operation: S3 User Guide, using-with-s3-policy-actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote
from xml.etree import ElementTree

from cloud.refusals import access

BUCKET_CONFIGURATIONS = {
    "accelerate": "AccelerateConfiguration",
    "acl": "BucketAcl",
    "analytics": "AnalyticsConfiguration",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "inventory": "InventoryConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "logging": "BucketLogging",
    "metrics": "MetricsConfiguration",
    "notification": "BucketNotification",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "replication": "ReplicationConfiguration",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
"""By query parameter: read with the permission Get..., set with Put..."""
OBJECT_CONFIGURATIONS = {
    "acl": "ObjectAcl",
    "legal-hold": "ObjectLegalHold",
    "retention": "ObjectRetention",
    "tagging": "ObjectTagging",
}
READ = {
    "location": "GetBucketLocation",
    "policyStatus": "GetBucketPolicyStatus",
    "uploads": "ListBucketMultipartUploads",
    "versions": "ListBucketVersions",
}
REMOVED = {
    "cors": "Put",
    "encryption": "Put",
    "lifecycle": "Put",
    "ownershipControls": "Put",
    "policy": "Delete",
    "publicAccessBlock": "Put",
    "replication": "Put",
    "tagging": "Put",
    "website": "Delete",
}
"""What DELETE removes of a bucket, and the permission's verb. It removes the bucket, for moto, with
any other parameter, and so needs DeleteBucket."""
VERSIONED = {
    "GetObject",
    "GetObjectAcl",
    "GetObjectTagging",
    "PutObjectAcl",
    "PutObjectTagging",
    "DeleteObject",
    "DeleteObjectTagging",
}
"""Permissions with a form of their own for one version: GetObjectVersion, and so on."""
METHODS = {"GET": 0, "HEAD": 0, "PUT": 1, "POST": 1, "DELETE": 2}

HEADER_KEYS = (
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
    "x-amz-content-sha256",
)
QUERY_KEYS = {
    "prefix": "s3:prefix",
    "delimiter": "s3:delimiter",
    "max-keys": "s3:max-keys",
    "versionId": "s3:versionid",
}


@dataclass(frozen=True)
class Request:
    """What S3 is asked for. Header names are in lower case."""

    method: str
    bucket: str = ""
    key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    secure: bool = True
    source_ip: str = ""
    region: str = "us-east-1"
    partition: str = "aws"

    def arn(self, key: str = "") -> str:
        return f"arn:{self.partition}:s3:::{self.bucket}{f'/{key}' if key else ''}"

    @property
    def deletes_several(self) -> bool:
        return self.method == "POST" and not self.key and "delete" in self.query

    def deleted(self) -> list[tuple[str, str]]:
        """Keys and versions that a DeleteObjects request names; none if it is not well-formed."""
        try:
            root = ElementTree.fromstring(self.body)  # noqa: S314 (expat refuses entity bombs)
        except ElementTree.ParseError:
            return []
        space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
        return [
            (each.findtext(f"{space}Key") or "", each.findtext(f"{space}VersionId") or "")
            for each in root.iter(f"{space}Object")
        ]

    def permissions(self) -> list[tuple[str, str]]:
        """Every permission that the request needs, with the resource it needs it for."""
        if not self.bucket:
            return [("s3:ListAllMyBuckets", "*")]
        if self.deletes_several:
            return [
                (f"s3:{_versioned('DeleteObject', version)}", self.arn(key))
                for key, version in self.deleted()
            ]
        return self._of_object() if self.key else self._of_bucket()

    def _of_bucket(self) -> list[tuple[str, str]]:
        index = METHODS.get(self.method, 0)
        for name, permission in READ.items():
            if name in self.query and index == 0:
                return [(f"s3:{permission}", self.arn())]
        for name, configuration in BUCKET_CONFIGURATIONS.items():
            verb = ("Get", "Put", REMOVED.get(name))[index]
            if name in self.query and verb:
                return [(f"s3:{verb}{configuration}", self.arn())]
        if self.method == "POST":
            return [("s3:PutObject", self.arn("*"))]
        return [(f"s3:{('ListBucket', 'CreateBucket', 'DeleteBucket')[index]}", self.arn())]

    def _of_object(self) -> list[tuple[str, str]]:
        index = METHODS.get(self.method, 0)
        version = self.query.get("versionId", "")
        resource = self.arn(self.key)
        for name, configuration in OBJECT_CONFIGURATIONS.items():
            verb = ("Get", "Put", "Delete" if name == "tagging" else "")[index]
            if name in self.query and verb:
                return [(f"s3:{_versioned(verb + configuration, version)}", resource)]
        if "uploadId" in self.query and index != 1:
            name = "AbortMultipartUpload" if index == 2 else "ListMultipartUploadParts"
            return [(f"s3:{name}", resource)]
        if "restore" in self.query:
            return [("s3:RestoreObject", resource)]
        if "select" in self.query:
            return [("s3:GetObject", resource)]
        if index == 0:
            needed = [(f"s3:{_versioned('GetObject', version)}", resource)]
            if "attributes" in self.query:
                needed.append(("s3:GetObjectAttributes", resource))
            return needed
        if index == 2:
            return [(f"s3:{_versioned('DeleteObject', version)}", resource)]
        needed = [("s3:PutObject", resource)]
        if "x-amz-acl" in self.headers:
            needed.append(("s3:PutObjectAcl", resource))
        if "x-amz-tagging" in self.headers:
            needed.append(("s3:PutObjectTagging", resource))
        return needed + self._copied()

    def _copied(self) -> list[tuple[str, str]]:
        source = unquote(self.headers.get("x-amz-copy-source", "")).lstrip("/")
        if not source:
            return []
        path, _, query = source.partition("?")
        version = query.removeprefix("versionId=")
        return [(f"s3:{_versioned('GetObject', version)}", f"arn:{self.partition}:s3:::{path}")]

    def context(self) -> dict[str, tuple[str, ...]]:
        """The condition keys that the request itself sets."""
        found = {key: self.query[name] for name, key in QUERY_KEYS.items() if name in self.query}
        found |= {f"s3:{name}": self.headers[name] for name in HEADER_KEYS if name in self.headers}
        return {
            **access.request_context(self.headers, self.secure, self.source_ip, self.region),
            **{key: (value,) for key, value in found.items()},
        }


def _versioned(permission: str, version: str) -> str:
    if not version or permission not in VERSIONED:
        return permission
    return permission.replace("Object", "ObjectVersion", 1)
