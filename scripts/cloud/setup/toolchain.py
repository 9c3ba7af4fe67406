"""Programs that are built from their released Go modules: the Pulumi CLI, its Python language host,
and actionlint."""

import re
import shutil
import subprocess
from pathlib import Path

from cloud.setup.commands import run_logged
from cloud.setup.entry import Entry, Report, SetupError, digest_of

HERE = Path(__file__).parent
CLI_VERSION = "v3.259.0"
CLI_MODULE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
HOST_SDK = "github.com/pulumi/pulumi/sdk/v3"
HOST_MODULE = f"{HOST_SDK}/python/cmd/pulumi-language-python"
OLDEST_CLI = (3, 226, 0)
"""Oldest CLI on PATH that is used instead of a build."""
OLDEST_GO = (1, 25)

VERSION_FLAG = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={CLI_VERSION}"
CLI_FLAGS = ("-trimpath", "-tags", "osusergo,grpcnotrace", "-ldflags", f"-s -w {VERSION_FLAG}")
HOST_FLAGS = ("-trimpath", "-ldflags", "-s -w")
ACTIONLINT_MODULE = "github.com/rhysd/actionlint/cmd/actionlint"
HOST_FILES = (
    "python/cmd/pulumi-language-python-exec",
    "python/dist/pulumi-resource-pulumi-python",
)
GO_ENVIRONMENT = {"CGO_ENABLED": "0", "GOWORK": "off", "GOOS": "", "GOARCH": ""}
NEXT_STEP = "check that `go env GOPROXY` names a module proxy that answers, then run it again"


def installed_cli() -> Path | None:
    """The folder of a usable `pulumi` on PATH that has its Python language host beside it."""
    program = shutil.which("pulumi")
    if program is None:
        return None
    folder = Path(program).resolve().parent
    if not (folder / "pulumi-language-python").exists():
        return None
    done = subprocess.run([program, "version"], capture_output=True, text=True, timeout=30)
    version = parse_version(done.stdout)
    return folder if version is not None and version >= OLDEST_CLI else None


def parse_version(text: str) -> tuple[int, int, int] | None:
    """The first `major.minor[.patch]` of a program's version line."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def cli_entry() -> Entry:
    def build(folder: Path, report: Report) -> None:
        _go_build("pulumi-cli", CLI_MODULE, CLI_FLAGS, folder, "pulumi", report)

    return Entry("pulumi-cli", _digest("pulumi-cli", CLI_FLAGS), build)


def host_entry() -> Entry:
    return Entry("pulumi-language-python", _digest("pulumi-language-python", HOST_FLAGS), _host)


def actionlint_entry() -> Entry:
    """The linter of the workflows. Its Python package fetches a program from elsewhere."""

    def build(folder: Path, report: Report) -> None:
        _go_build("actionlint", ACTIONLINT_MODULE, HOST_FLAGS, folder, "actionlint", report)

    return Entry("actionlint", _digest("actionlint", HOST_FLAGS), build)


def bundle_entry(cache: Path) -> Entry:
    """Both in one folder, as in a release of Pulumi: the CLI looks beside itself for its host."""
    parts = (cli_entry(), host_entry())

    def build(folder: Path, _report: Report) -> None:
        for part in parts:
            for program in part.path(cache).iterdir():
                if program.stat().st_mode & 0o111:
                    (folder / program.name).hardlink_to(program)

    return Entry("pulumi", digest_of(*(part.digest for part in parts)), build)


def _host(folder: Path, report: Report) -> None:
    name = "pulumi-language-python"
    _go_build(name, HOST_MODULE, HOST_FLAGS, folder, name, report)
    done = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", HOST_SDK],
        cwd=HERE / name,
        capture_output=True,
        text=True,
        timeout=60,
    )
    source = Path(done.stdout.strip())
    for path in HOST_FILES:
        target = folder / Path(path).name
        shutil.copyfile(source / path, target)
        target.chmod(0o755)


def _digest(name: str, flags: tuple[str, ...]) -> str:
    module = HERE / name
    files = ((module / file).read_bytes() for file in ("go.mod", "go.sum"))
    return digest_of(name, *flags, *files)


def check_go() -> None:
    """Raise SetupError unless a Go that can build the CLI is on PATH."""
    expected = ".".join(map(str, OLDEST_GO))
    program = shutil.which("go")
    if program is None:
        raise SetupError(
            f"found no go on PATH; expected Go {expected} or later, which builds what it runs; "
            "install Go and put its bin folder on PATH"
        )
    done = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, timeout=60)
    version = parse_version(done.stdout)
    if version is None or version < OLDEST_GO:
        raise SetupError(
            f"found {done.stdout.strip() or 'no version'} at {program}; expected Go {expected} or "
            "later, which builds what the lab runs; install a newer Go and put it first on PATH"
        )


def _go_build(
    name: str, package: str, flags: tuple[str, ...], folder: Path, binary: str, report: Report
) -> None:
    def say(line: str) -> None:
        # With -v go prints the bare name of each package that it compiles.
        report(line if " " in line else f"compile {line}")

    check_go()
    run_logged(
        ["go", "build", "-v", *flags, "-o", str(folder / binary), package],
        folder / "build.log",
        say,
        what=f"go build {name}",
        next_step=NEXT_STEP,
        env=GO_ENVIRONMENT,
        cwd=HERE / name,
        timeout=3000,
    )
