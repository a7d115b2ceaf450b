"""A PostgreSQL server of one's own, in a temporary folder, reached by a socket in it: what tests of storages need."""

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path


def find_binaries():
    """The folder of initdb and pg_ctl; None where there is no server."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name))


@contextmanager
def server(binaries):
    """Run a server; gives the address of its database, and what starts and stops it."""
    folder = Path(tempfile.mkdtemp(prefix="cospike-postgresql-"))
    owner = {}
    if os.geteuid() == 0:  # whose the server refuses to be
        user = pwd.getpwnam("postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody")
        owner = {"user": user.pw_uid, "group": user.pw_gid}
        os.chown(folder, user.pw_uid, user.pw_gid)

    def call(program, *arguments):
        command = [str(binaries / program), "--pgdata", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, **owner)

    def start():
        call(
            "pg_ctl",
            "--wait",
            "--log",
            str(folder / "log"),
            "--options",
            f"-k {folder} -c listen_addresses=''",
            "start",
        )

    call("initdb", "--auth=trust", "--username=cospike", "--no-sync")
    start()
    try:
        yield f"postgresql://cospike@/postgres?host={folder}", start, lambda: call("pg_ctl", "--mode=fast", "stop")
    finally:
        subprocess.run(
            [str(binaries / "pg_ctl"), "--pgdata", str(folder / "data"), "--mode=immediate", "stop"],
            check=False, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, **owner,
        )  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
