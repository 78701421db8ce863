"""Captures a program that knows nothing of it: puts an agent into it with Frida, and writes what the agent tells.

    python capture/host.py spawn -o REF.jsonl.zst capture/targets/arena.ts ./arena run MOVIE
    python capture/host.py attach -o REF.jsonl.zst capture/targets/arena.ts PID

The capture is JSONL as docs/capture.md has it, under zstd where the name ends in .zst; `cdt finalize` makes a trace of it. Ctrl-C
ends it cleanly. Needs the packages of capture/requirements.txt.

Exit codes: 0 the capture is whole, 1 the agent gave up, 2 could not try or could not write, 3 the program was gone before the capture
had an end, or the capture was cut short: what was complete can be finalized with --truncated-tail.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import queue
import re
import signal
import sys
import threading
from pathlib import Path

import frida
import zstandard

from ticks import Ticks, Weak, line

# What Frida raises has no class in common.
FRIDA_ERRORS = tuple(of for of in vars(frida).values() if isinstance(of, type) and issubclass(of, Exception))
WHOLE, GAVE_UP, COULD_NOT, CUT_SHORT = 0, 1, 2, 3
# Seconds in which a program may end before its agent leaves it: Frida 17 never lets go of one that ends while the agent is leaving.
ENDING = 0.5
# Higher levels take longer than the agent, and gain little.
LEVEL = 1


class Failure(Exception):
    """Why it could not be done, for people."""


class Output:
    """A capture in the making: one file, or with a limit a file for each part. All parts together are the capture."""

    def __init__(self, path: Path, part_bytes: int | None, force: bool):
        self.path, self.part_bytes, self.force = path, part_bytes, force
        self.parts = 0
        self.written = 0
        self.file = None
        if part_bytes is not None:
            self._make_room()
        self._open()

    def _part(self, number: str) -> Path:
        stem, dot, suffixes = self.path.name.partition(".")
        return self.path.with_name(f"{stem}.{number}{dot}{suffixes}")

    def _make_room(self):
        """Parts of another capture must not be taken for some of this one."""
        others = sorted(self.path.parent.glob(self._part("[0-9][0-9][0-9][0-9][0-9]").name))
        if others and not self.force:
            raise Failure(f"{others[0]} is there already; --force replaces it, and all parts beside it")
        for other in others:
            other.unlink()

    @property
    def parts_in_order(self) -> str:
        """What `cdt finalize` has to read."""
        return str(self.path if self.part_bytes is None else self._part("*"))

    def _open(self):
        path = self.path if self.part_bytes is None else self._part(f"{self.parts:05}")
        self.parts += 1
        try:
            self.replaces = self.force and path.exists()
            file = open(path, "r+b" if self.replaces else "xb")
        except FileExistsError:
            raise Failure(f"{path} is there already; --force replaces it") from None
        except OSError as error:
            raise Failure(f"cannot write {path}: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failure(f"another capture writes {path}") from None
        self.file, self.written = file, 0
        packs = path.suffix == ".zst"
        self.packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj() if packs else None

    def write(self, lines: bytes):
        """Writes whole lines, so that they can be read whatever comes after."""
        if self.part_bytes is not None and self.written >= self.part_bytes:
            self.close()
            self._open()
        out = lines
        if self.packer is not None:
            out = self.packer.compress(lines) + self.packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self._put(out)

    def _put(self, out: bytes):
        try:
            if self.written == 0:
                self.file.truncate(0)
            self.file.write(out)
            self.file.flush()
        except OSError as error:
            self._fail(error)
        self.written += len(out)

    def _fail(self, error: OSError):
        """Says what cannot be written, and tries no more of it."""
        file, self.file = self.file, None
        # What is still in its buffer has been told of.
        with contextlib.suppress(OSError):
            file.close()
        raise Failure(f"cannot write {file.name}: {error.strerror}; what was written before can be used") from None

    def drop(self):
        """Leaves nothing of a capture that never began, and what was to be replaced as it was."""
        file, self.file = self.file, None
        file.close()
        if not self.replaces:
            os.unlink(file.name)

    def close(self):
        """Ends the file."""
        if self.file is None:
            return
        if self.written == 0:
            return self.drop()
        try:
            if self.packer is not None:
                self.file.write(self.packer.flush())
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        except OSError as error:
            self._fail(error)
        self.file = None


class Capture:
    """One agent in one program."""

    def __init__(self, output: Output):
        self.output = output
        # Frida calls from a thread of its own; everything is done by one, in order.
        self.events = queue.SimpleQueue()
        self.over = None
        self.failed = None
        self.script = None
        self.ticks = None
        self.runs = 0
        self.is_asked = False
        self.detached = None
        self.gone = threading.Event()

    def on_message(self, message, data):
        self.events.put(("message", message, data))

    def on_signal(self, *_):
        """The first asks for an end, the next one does not wait for it."""
        how = ("detached", "nobody waited for the end of it") if self.is_asked else ("stop", "the capture was stopped")
        self.is_asked = True
        self.events.put((*how, None))

    def on_detached(self, reason, crash):
        self.gone.set()
        self.events.put(("detached", reason, crash))

    def handle(self, event) -> bool:
        """Does what an event asks for; false when it was the last."""
        kind, what, data = event
        if kind == "detached":
            self.detached = (what, data)
            return False
        if kind == "stop":
            if self.over is None and self.failed is None:
                # The agent's last lines come as messages, while this waits.
                threading.Thread(target=self.stop, args=(what,), daemon=True).start()
            return True
        if what["type"] == "error":
            # The agent catches what fails in a target; this is its own.
            self.give_up(what.get("stack") or what["description"])
            return False
        payload = what["payload"]
        match payload["type"]:
            case "plan":
                self.ticks = Ticks(payload["plan"])
            case "row":
                self.row(payload["row"])
            case "ticks":
                self.write_ticks(payload, data)
                self.tell_written()
        return self.over is None and self.failed is None

    def row(self, row):
        """Writes a row that is no tick's."""
        match row["event"]:
            case "run_start":
                self.runs += 1
                self.ticks.begin(row)
            case "run_end":
                self.ticks.end()
            case "session_end":
                self.over = row
            case "error":
                at = "" if row["run_id"] is None else f" at tick {self.ticks.tick}"
                self.failed = f"{row['message']}{at}"
        self.output.write(line(row))

    def write_ticks(self, payload, copies):
        """Writes ticks; one that cannot be a row ends the capture."""
        rows, weak = [], None
        try:
            for row in self.ticks.rows(payload["count"], payload["told"], copies):
                rows.append(row)
        except Weak as found:
            weak = str(found)
        self.output.write(b"".join(rows))
        if weak is not None:
            self.give_up(weak)

    def give_up(self, why: str):
        """Ends the capture, whose open run is not whole."""
        self.row({"event": "error", "message": why, "run_id": self.ticks.run_id})

    def tell_written(self):
        """Lets the agent send more."""
        try:
            self.script.post({"type": "written"})
        except frida.InvalidOperationError:
            pass  # The program has ended: nobody waits.

    def begin(self, start):
        """Begins the session, by what the host knows of the program: the agent tells what it copies, or what is wrong with it."""
        why = "it said nothing"
        try:
            self.script.exports_sync.start(start)
        except frida.core.RPCException as error:
            why = error
        while not self.events.empty():
            event = self.events.get()
            _, message, _ = event
            if message["type"] == "error":
                why = message["description"]
                break
            if message["payload"]["type"] == "plan":
                self.handle(event)
                return
        raise Failure(f"the agent cannot begin: {why}")

    def stop(self, reason: str):
        try:
            self.script.exports_sync.stop(reason)
        except (frida.InvalidOperationError, frida.core.RPCException):
            pass  # The program has ended meanwhile, which is told as well.


def compiled(target: Path) -> str:
    """The agent of a target, as one script."""
    compiler = frida.Compiler()
    diagnostics = []
    compiler.on("diagnostics", diagnostics.extend)
    # It imports the agent's library from the folder beside its own.
    entry = target.resolve()
    try:
        return compiler.build(str(entry), project_root=str(entry.parent.parent))
    except (frida.InvalidArgumentError, frida.NotSupportedError) as error:
        lines = [f"cannot compile {target}: {error}"]
        for of in diagnostics:
            place = of.get("file")
            where = f"{place['path']}:{place['line'] + 1}: " if place else ""
            lines.append(f"  {where}{of['text']}")
        raise Failure("\n".join(lines)) from None


def agent_text(agent: Path) -> str:
    """The script of a target, compiled or to be compiled."""
    if agent.suffix != ".js":
        return compiled(agent)
    try:
        return agent.read_text()
    except OSError as error:
        raise Failure(f"cannot read {agent}: {error.strerror}") from None


def fingerprint(program: Path) -> str:
    """Hash of the program's file."""
    with open(program, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def run(args) -> int:
    """Captures, and gives the exit code."""
    script_text = agent_text(args.agent)
    device = frida.get_local_device()
    spawned = args.how == "spawn"
    if spawned:
        path = Path(args.command[0])
        try:
            hash_of = fingerprint(path)
            stdio = "inherit"
            pid = device.spawn([str(path.resolve()), *args.command[1:]], stdio=stdio)
        except (OSError, frida.ExecutableNotFoundError, frida.NotSupportedError) as error:
            raise Failure(f"cannot start {path}: {error}") from None
    else:
        pid = args.pid
        try:
            path = Path(os.readlink(f"/proc/{pid}/exe"))
            hash_of = fingerprint(Path(f"/proc/{pid}/exe"))
        except FileNotFoundError:
            raise Failure(f"there is no process {pid}") from None
        except OSError as error:
            raise Failure(f"cannot look into process {pid}: {error.strerror}") from None
    output = None
    try:
        output = Output(args.output, args.rotate * 2**20 if args.rotate else None, args.force)
        capture = Capture(output)
        try:
            session = device.attach(pid)
        except (frida.ProcessNotFoundError, frida.PermissionDeniedError, frida.NotSupportedError) as error:
            raise Failure(f"cannot attach to {pid}: {error}") from None
        session.on("detached", capture.on_detached)
        capture.script = session.create_script(script_text, runtime="v8")
        capture.script.on("message", capture.on_message)
        capture.script.load()
        name = path.name.encode("utf-8", "replace").decode()
        session_id = args.session or re.sub("[^A-Za-z0-9._-]+", "-", name)[:64]
        start = {"session_id": session_id, "name": name, "build": args.build, "hash": hash_of}
        capture.begin(start)
    except BaseException:
        if output is not None:
            output.drop()
        if spawned:
            device.kill(pid)
        raise
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, capture.on_signal)
    if spawned:
        device.resume(pid)
    return follow(capture, session)


def leave(capture: Capture, session):
    """Takes the agent out of the program, which goes on without it."""
    if capture.gone.wait(ENDING):
        return
    # Where the program ends just now, this may never come back.
    leaving = threading.Thread(target=session.detach, daemon=True)
    leaving.start()
    leaving.join(10 * ENDING)


def follow(capture: Capture, session) -> int:
    """Writes what comes until the end of it, and says how it ended."""
    try:
        while capture.handle(capture.events.get()):
            pass
        # What was on its way.
        while capture.over is None and capture.failed is None:
            try:
                capture.handle(capture.events.get(timeout=0.5))
            except queue.Empty:
                break
    finally:
        try:
            capture.output.close()
        finally:
            leave(capture, session)
    name = capture.output.parts_in_order
    if capture.over is not None:
        print(f"{name}: {capture.over['ticks']} ticks in {capture.runs} runs", file=sys.stderr)
        return WHOLE
    if capture.failed is not None:
        print(f"host.py: the capture was given up: {capture.failed}", file=sys.stderr)
        return GAVE_UP
    reason, crash = capture.detached
    what = f"{reason}: {crash.summary}" if crash else reason
    keep = f"cdt finalize --truncated-tail {name}"
    if capture.output.part_bytes is not None:
        keep = f"cat {name} | cdt finalize --truncated-tail -"
    print(f"host.py: the capture was cut short ({what}); `{keep}` keeps what is whole", file=sys.stderr)
    return CUT_SHORT


def mebibytes(word: str) -> int:
    """One or more."""
    if not word.isascii() or not word.isdigit() or int(word) == 0:
        raise argparse.ArgumentTypeError(f"a whole number above 0 is expected, not {word}")
    return int(word)


def identifier(word: str) -> str:
    """What a session can be called."""
    if not re.fullmatch("[A-Za-z0-9._-]{1,64}", word):
        raise argparse.ArgumentTypeError(f"1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-' are expected, not {word}")
    return word


def parsed():
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="host.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    how = parser.add_subparsers(dest="how", required=True)
    spawn, attach = how.add_parser("spawn", help="start a program"), how.add_parser("attach", help="go into one that runs")
    for of in (spawn, attach):
        of.add_argument("-o", "--output", type=Path, required=True, help="the capture to write: NAME.jsonl or NAME.jsonl.zst")
        of.add_argument("--force", action="store_true", help="replace a capture that stands there")
        of.add_argument("--rotate", type=mebibytes, metavar="MIB", help="begin another file when one has so many MiB")
        of.add_argument("--session", type=identifier, help="the session's name, instead of the program's")
        of.add_argument("--build", help="which build the program is, if that is known")
        of.add_argument("agent", type=Path, help="the target: a .ts file, or an agent that was compiled before, as .js")
    spawn.add_argument("command", nargs=argparse.REMAINDER, help="the program and its arguments")
    attach.add_argument("pid", type=int, help="of the process")
    args = parser.parse_args()
    if args.how == "spawn" and not args.command:
        parser.error("a program to start is expected")
    return args


def main() -> int:
    """The whole of it."""
    try:
        return run(parsed())
    except Failure as failure:
        print(f"host.py: {failure}", file=sys.stderr)
        return COULD_NOT
    except (OSError, *FRIDA_ERRORS) as error:
        print(f"host.py: {type(error).__name__}: {error}", file=sys.stderr)
        return COULD_NOT
    except KeyboardInterrupt:
        print("host.py: stopped before the capture began", file=sys.stderr)
        return COULD_NOT


if __name__ == "__main__":
    sys.exit(main())
