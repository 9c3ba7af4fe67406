"""The plugin's requests without a server: what a request's context does."""

import grpc


class Aborted(Exception):
    pass


class Context:
    """What a request's context does when the server gives up."""

    def __init__(self) -> None:
        self.trailing: tuple[tuple[str, bytes], ...] = ()
        self.code = grpc.StatusCode.OK
        self.text = ""

    def abort(self, code: grpc.StatusCode, text: str) -> None:
        self.code, self.text = code, text
        raise Aborted(text)

    def set_trailing_metadata(self, metadata: tuple[tuple[str, bytes], ...]) -> None:
        self.trailing = metadata
