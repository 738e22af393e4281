"""Files of the embedded server below the state folder: config.xml, users.xml, credentials, state of the running process."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from pipeline_tasks.warehouse.roles import GRANTS, ROLES, Role

MEMORY_SHARE = 0.5
MEMORY_CAP_BYTES = 16 << 30
ANALYST_SECONDS = 60
EXIT_ALREADY_RUNNING = 3


@dataclass(frozen=True, slots=True)
class ServerPaths:
    """Where the embedded server keeps its files.

    Attributes:
        root: `<home>/clickhouse`.
    """

    root: Path

    @classmethod
    def below(cls, home: Path) -> ServerPaths:
        """Paths below the state folder `home`."""
        return cls(home / "clickhouse")

    @property
    def data(self) -> Path:
        """Data directory of the engine."""
        return self.root / "data"

    @property
    def run(self) -> Path:
        """Working directory of the process: configuration, state, log."""
        return self.root / "run"

    @property
    def state(self) -> Path:
        """What the running process says of itself."""
        return self.run / "server.json"

    @property
    def log(self) -> Path:
        """Standard output and error of the process."""
        return self.run / "server.log"

    @property
    def start_lock(self) -> Path:
        """Held while a process starts or stops the server."""
        return self.run / "start.lock"

    @property
    def life_lock(self) -> Path:
        """Held by the server process as long as it lives."""
        return self.run / "life.lock"

    @property
    def credentials(self) -> Path:
        """Passwords by role, mode 0600."""
        return self.root / "credentials.json"


@dataclass(frozen=True, slots=True)
class ServerState:
    """Identity of a server process: a pid alone may be recycled, pid and start time together are not.

    Attributes:
        pid: process id.
        started: boot id and start tick of the process (`process_identity`).
        port: HTTP port on 127.0.0.1.
    """

    pid: int
    started: str
    port: int


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path` in one step, readable by the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def read_state(paths: ServerPaths) -> ServerState | None:
    """The recorded state, or None when there is none or it cannot be read."""
    try:
        fields = json.loads(paths.state.read_text(encoding="utf-8"))
        return ServerState(pid=int(fields["pid"]), started=str(fields["started"]), port=int(fields["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_state(paths: ServerPaths, state: ServerState) -> None:
    """Record the state of the running process."""
    write_private(paths.state, json.dumps(asdict(state)))


def credentials(paths: ServerPaths) -> dict[str, str]:
    """Passwords by role; made at random once, then kept in a file that only the owner can read.

    A role that a later version brought gets its password when a server starts (`write_configuration`).

    Raises:
        ValueError: the file lacks the password of a role; the message says which and what to do.
    """
    stored = _stored(paths)
    missing = [r for r in ROLES if not stored.get(r)]
    if missing:
        raise ValueError(f"{paths.credentials} lacks the password of {missing}; restart the server (`desk down`), which makes them")
    return stored


def _stored(paths: ServerPaths) -> dict[str, str]:
    if not paths.credentials.is_file():
        return _complete(paths, {})
    found: dict[str, str] = json.loads(paths.credentials.read_text(encoding="utf-8"))
    return found


def _complete(paths: ServerPaths, stored: dict[str, str]) -> dict[str, str]:
    """Passwords of all roles: the stored ones, and new ones for those that have none."""
    made: dict[str, str] = {role: stored.get(role) or secrets.token_urlsafe(32) for role in ROLES}
    if made != stored:
        write_private(paths.credentials, json.dumps(made, indent=2))
    return made


def process_identity(pid: int) -> str | None:
    """Boot id and start tick of a living process; None when it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else f"{boot}:{fields[19]}"


def memory_limit_bytes() -> int:
    """Memory the server may use: half of what the machine (or its control group) has, at most 16 GiB."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(name).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return min(int(total * MEMORY_SHARE), MEMORY_CAP_BYTES)


def config_xml(paths: ServerPaths, port: int) -> str:
    """config.xml: loopback listener, UTC, bounded memory, fsync after insert, query_log in memory, no logger."""
    return f"""<clickhouse>
    <listen_host>127.0.0.1</listen_host>
    <http_port>{port}</http_port>
    <timezone>UTC</timezone>
    <path>{escape(str(paths.data))}/</path>
    <users_config>users.xml</users_config>
    <max_server_memory_usage>{memory_limit_bytes()}</max_server_memory_usage>
    <max_concurrent_queries>100</max_concurrent_queries>
    <mark_cache_size>268435456</mark_cache_size>
    <merge_tree>
        <fsync_after_insert>1</fsync_after_insert>
        <fsync_part_directory>1</fsync_part_directory>
    </merge_tree>
    <query_log>
        <database>system</database>
        <table>query_log</table>
        <engine>ENGINE = Memory SETTINGS max_rows_to_keep = 20000</engine>
        <flush_interval_milliseconds>1000</flush_interval_milliseconds>
    </query_log>
</clickhouse>
"""


def _user_xml(name: str, password: str, profile: str, grants: tuple[str, ...]) -> str:
    digest = hashlib.sha256(password.encode()).hexdigest()
    rights = "".join(f"<query>GRANT {escape(g)}</query>" for g in grants)
    block = f"<grants>{rights}</grants>" if grants else ""
    return (
        f"<{name}><password_sha256_hex>{digest}</password_sha256_hex><networks><ip>127.0.0.1</ip></networks>"
        f"<profile>{profile}</profile><quota>default</quota>{block}</{name}>"
    )


def users_xml(passwords: Mapping[str, str]) -> str:
    """users.xml: `default` may only open the listener, `admin` everything, the other roles what `GRANTS` says."""
    profiles: dict[Role, str] = {"analyst": "analyst", "yardstick": "reader"}
    users = [_user_xml(role, passwords[role], profiles.get(role, "default"), GRANTS.get(role, ())) for role in ROLES]
    indented = "\n        ".join(users)
    return f"""<clickhouse>
    <profiles>
        <default>
            <async_insert>0</async_insert>
            <input_format_null_as_default>0</input_format_null_as_default>
        </default>
        <reader>
            <readonly>2</readonly>
        </reader>
        <analyst>
            <readonly>2</readonly>
            <max_execution_time>{ANALYST_SECONDS}</max_execution_time>
            <max_memory_usage>2000000000</max_memory_usage>
            <constraints>
                <max_execution_time><min>0.001</min><max>{ANALYST_SECONDS}</max></max_execution_time>
                <max_memory_usage><min>1</min><max>2000000000</max></max_memory_usage>
            </constraints>
        </analyst>
    </profiles>
    <quotas><default/></quotas>
    <users>
        <default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
            <grants><query>GRANT SYSTEM LISTEN ON *.*</query><query>GRANT SELECT ON system.numbers</query></grants></default>
        {indented}
    </users>
</clickhouse>
"""


def write_configuration(paths: ServerPaths, port: int) -> None:
    """Write config.xml and users.xml for a server on `port`; make the folders and the passwords that are missing."""
    paths.data.mkdir(parents=True, exist_ok=True)
    paths.run.mkdir(parents=True, exist_ok=True)
    write_private(paths.run / "config.xml", config_xml(paths, port))
    write_private(paths.run / "users.xml", users_xml(_complete(paths, _stored(paths))))


def hold_query_name(pid: int) -> str:
    """Name inside the hold query of the server process `pid`, by which it is found and killed."""
    return f"desk_hold_{pid}"


def ping(port: int, timeout: float = 2.0) -> bool:
    """Whether a ClickHouse answers `/ping` on 127.0.0.1:`port`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().read() == b"Ok.\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
