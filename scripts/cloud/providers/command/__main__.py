from cloud.providers.command.provider import CommandProvider
from cloud.providers.plugin import serve

if __name__ == "__main__":
    serve(CommandProvider)
