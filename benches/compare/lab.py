"""Processes on their cores, and what the kernel says that they cost."""
import os, resource, signal, subprocess, sys, tempfile, time
from pathlib import Path

HERE = Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")
PROXY_CORE, LOAD_CORE = 0, 1
FILES = 60_000


class Lab:
    """A directory, a block of ports and the processes that live in them; all of it ends with the `with`."""

    def __init__(self):
        # Below the ephemeral ports (32768…): a client's own port must not be one that a proxy wants. Another run has others.
        self.next_port, self.processes = 20_000 + os.getpid() % 40 * 300, []

    def __enter__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="compare-")
        self.directory = Path(self.holder.name)
        self.directory.chmod(0o755)  # nginx's worker is another user
        os.sched_setaffinity(0, {LOAD_CORE})
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
        except (ValueError, PermissionError):
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.holder.cleanup()

    def port(self):
        self.next_port += 1
        return self.next_port

    def path(self, name):
        return self.directory / name

    def fill(self, template, name, **values):
        """Writes a configuration: `@name@` in the template becomes the value."""
        text = (HERE / "peers" / template).read_text()
        for key, value in dict(values, dir=self.directory).items():
            text = text.replace(f"@{key}@", str(value))
        self.path(name).write_text(text)
        return str(self.path(name))

    def start(self, core, *command, environment={}):
        cores = core if isinstance(core, str) else str(core)
        errors = open(self.path(f"{Path(command[0]).name}-{len(self.processes)}.stderr"), "w")
        process = subprocess.Popen(["taskset", "-c", cores, *map(str, command)], stdout=errors, stderr=errors,
                                   env=os.environ | environment)
        process.errors = errors.name
        self.processes.append(process)
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.processes.remove(process)


def compile_c(lab, name, *libraries):
    program = lab.path(name)
    subprocess.run(["cc", "-O2", "-o", program, HERE / f"{name}.c", *libraries], check=True)
    return str(program)


def family(pid):
    """The process and all below it: nginx serves in a child."""
    found = [pid]
    for parent in found:
        try:
            found += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        except OSError:
            pass
    return found


def stat(path):
    fields = Path(path).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu(pid):
    """Seconds of CPU, user and system, of the whole family. Linux scales both to the scheduler's own exact sum."""
    return sum(stat(f"/proc/{each}/stat") for each in family(pid))


def status(pid, key):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0


def resident(pid, key="VmRSS"):
    """Resident bytes of the family; `VmHWM` for the most that it ever was."""
    return sum(status(each, key) for each in family(pid)) * 1024


def threads(pid):
    """The names and seconds of CPU of the threads of one process; these are exact, and lost with a thread that ends."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        found[(task / "comm").read_text().strip()] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return found


def wakeups(pid):
    """How often the threads of the family went to sleep by themselves."""
    return sum(status(f"{each}/task/{task}", "voluntary_ctxt_switches")
               for each in family(pid) for task in os.listdir(f"/proc/{each}/task"))


def wait_until(what, true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {seconds} s")
        time.sleep(0.02)
