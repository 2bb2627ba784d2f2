"""A `cmdq local` of the test's own: started on a free port, ended with nothing left over.

With MESOS_MASTER=host:port in the environment the tests go to that master instead, such as Apache
Mesos, to show that it is the embedded one that has to fit them, and not they it.
"""
import base64
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse

RESOURCES = "cpus:4;mem:4096;disk:10000;ports:[31000-31099]"
ENDED = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE")


class Cluster:
    """The embedded Mesos as a process. `master` is its "127.0.0.1:port"."""

    def __init__(self, agents=1, resources=RESOURCES, principal=None, secret=None, chaos=False, flags=()):
        self.headers = {}
        self.expected = None  # the status it ended with by itself, as a test wants it
        self.process, self.master = None, os.environ.get("MESOS_MASTER")
        self.work = os.environ.get("MESOS_WORK_DIR", "/nowhere")
        if self.master:
            return
        self.dir = tempfile.mkdtemp(prefix="cmdq-integration-")
        self.log = os.path.join(self.dir, "log")
        self.work = os.path.join(self.dir, "work")
        command = [os.environ["CMDQ"], "local", "--port", "0", "--agents", str(agents), "--resources", resources,
                   "--work-dir", self.work, "--log-level", "debug"]
        if chaos:
            command.append("--chaos")
        command += flags
        if principal:
            path = os.path.join(self.dir, "credentials")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
                json.dump({"credentials": [{"principal": principal, "secret": secret}]}, f)
            command += ["--credentials", path]
            token = base64.b64encode(("%s:%s" % (principal, secret)).encode()).decode()
            self.headers = {"Authorization": "Basic " + token}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline().decode()
        ready = re.match(r"ready: master (\S+),", line)
        if not ready:
            self.process.kill()
            self.process.wait()
            raise RuntimeError("cmdq local did not get ready: %r\n%s" % (line, self.tail()))
        self.master = ready.group(1)

    def tail(self, lines=40):
        """The end of what cmdq local logged, for a test that failed."""
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def get(self, path, address=None):
        """What a read endpoint of the master, or of the agent at address, answers: (status, bytes)."""
        return self.ask("GET", path, address)

    def fault(self, path):
        """Do a fault on purpose: POST /chaos/PATH."""
        status, body = self.ask("POST", "/chaos/" + path)
        if status != 200:
            raise RuntimeError("POST /chaos/%s: %d %r" % (path, status, body))
        return json.loads(body)

    def ask(self, method, path, address=None):
        conn = http.client.HTTPConnection(address or self.master, timeout=10)
        try:
            conn.request(method, path, headers=self.headers)
            answer = conn.getresponse()
            return answer.status, answer.read()
        finally:
            conn.close()

    def state(self, address=None):
        status, body = self.get("/state", address)
        if status != 200:
            raise RuntimeError("GET /state: %d %r" % (status, body))
        return json.loads(body)

    def framework(self, framework_id):
        """A framework of /state, running or completed, or None."""
        state = self.state()
        for f in state["frameworks"] + state["completed_frameworks"]:
            if f["id"] == framework_id:
                return f
        return None

    def sandbox(self, framework_id, agent_id, executor_id, name):
        """A file of a sandbox, read the way the page of Apache Mesos does."""
        agent = next(s for s in self.state()["slaves"] if s["id"] == agent_id)
        address = agent["pid"].split("@", 1)[1]
        path = "/frameworks/%s/executors/%s/runs/latest/%s" % (framework_id, executor_id, name)
        status, body = self.get("/files/download?path=" + urllib.parse.quote(path), address)
        if status != 200:
            raise RuntimeError("GET %s: %d %r" % (path, status, body))
        return body.decode()

    def processes(self):
        """Processes that run below the work directory: commands, executors and what they left."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                cwd = os.readlink("/proc/%s/cwd" % pid)
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    words = f.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
                with open("/proc/%s/stat" % pid) as f:
                    dead = f.read().rsplit(")", 1)[1].split()[0] in "ZX"
            except OSError:
                continue
            if cwd.startswith(self.work + "/") and not dead:
                found.append("%s: %s" % (pid, words))
        return found

    def kill(self):
        """Kill it, as a crash does."""
        self.process.kill()
        self.expected = self.process.wait()

    def await_end(self, seconds=30):
        """Wait until it ends by itself: its exit status."""
        self.expected = self.process.wait(seconds)
        return self.expected

    def stop(self):
        """End it, and say what is wrong with its end: a list of complaints, empty if all is well."""
        if not self.process:
            return []
        wrong = []
        if self.expected is not None:
            pass
        elif self.process.poll() is not None:
            wrong.append("cmdq local ended by itself: %d\n%s" % (self.process.returncode, self.tail()))
        else:
            self.process.send_signal(signal.SIGTERM)
            try:
                if self.process.wait(20) != 0:
                    wrong.append("cmdq local exited %d\n%s" % (self.process.returncode, self.tail()))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                wrong.append("cmdq local did not end within 20 s of SIGTERM\n" + self.tail())
        self.process.stdout.close()
        left = self.processes()
        if left:
            wrong.append("left running: " + "; ".join(left))
        with open(self.log, encoding="utf-8", errors="replace") as f:
            text = f.read()
        for bad in ("panic:", "DATA RACE", "goroutine "):
            if bad in text:
                wrong.append("%r in the log of cmdq local\n%s" % (bad, self.tail()))
        shutil.rmtree(self.dir, ignore_errors=True)
        return wrong


def eventually(what, seconds=30, every=0.05):
    """The first true answer of what(), asked again until the time is up; else its last answer."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(every)
