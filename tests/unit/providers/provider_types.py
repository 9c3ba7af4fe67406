"""The names of AWS's resource types."""


def _type(module: str, name: str) -> str:
    return f"aws:{module}/{name[0].lower()}{name[1:]}:{name}"


VPC = _type("ec2", "Vpc")
SUBNET = _type("ec2", "Subnet")
GATEWAY = _type("ec2", "InternetGateway")
TABLE = _type("ec2", "RouteTable")
ROUTE = _type("ec2", "Route")
ASSOCIATION = _type("ec2", "RouteTableAssociation")
ENDPOINT = _type("ec2", "VpcEndpoint")
GROUP = _type("ec2", "SecurityGroup")
INGRESS = _type("vpc", "SecurityGroupIngressRule")
EGRESS = _type("vpc", "SecurityGroupEgressRule")
INTERFACE = _type("ec2", "NetworkInterface")
ATTACHMENT = _type("ec2", "NetworkInterfaceAttachment")
EIP = _type("ec2", "Eip")
EIP_ASSOCIATION = _type("ec2", "EipAssociation")
PLACEMENT = _type("ec2", "PlacementGroup")
KEY_PAIR = _type("ec2", "KeyPair")
INSTANCE = _type("ec2", "Instance")
VOLUME = _type("ebs", "Volume")
VOLUME_ATTACHMENT = _type("ec2", "VolumeAttachment")
ROLE = _type("iam", "Role")
ROLE_POLICY = _type("iam", "RolePolicy")
PROFILE = _type("iam", "InstanceProfile")
BUCKET = _type("s3", "Bucket")
BLOCK = _type("s3", "BucketPublicAccessBlock")
ENCRYPTION = _type("s3", "BucketServerSideEncryptionConfiguration")
VERSIONING = _type("s3", "BucketVersioning")
OWNERSHIP = _type("s3", "BucketOwnershipControls")
POLICY = _type("s3", "BucketPolicy")
LIFECYCLE = _type("s3", "BucketLifecycleConfiguration")
