from cloud.providers.aws.provider import AwsProvider
from cloud.providers.plugin import serve

if __name__ == "__main__":
    serve(AwsProvider)
