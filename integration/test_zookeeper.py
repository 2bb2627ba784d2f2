"""Masters that elect their leader through a real ZooKeeper, and cmdq, which follows it."""
import collections
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from cluster import Cluster, eventually

SERVER = "/usr/share/zookeeper/bin/zkServer.sh"
SESSION = 4  # seconds until ZooKeeper gives up a master that it does not hear of


class ZooKeeper:
    """One server on a port of its own, with its data in a directory of its own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="cmdq-zookeeper-")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.address = "127.0.0.1:%d" % self.port
        self.config = os.path.join(self.dir, "zoo.cfg")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write("tickTime=500\ndataDir=%s/data\nclientPortAddress=127.0.0.1\nclientPort=%d\n"
                    "admin.enableServer=false\n" % (self.dir, self.port))
        self.process = None
        self.start()

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [SERVER, "start-foreground", self.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=dict(os.environ, JMXDISABLE="true", ZOO_LOG_DIR=self.dir, SERVER_JVMFLAGS="-Xmx64m -XX:TieredStopAtLevel=1"))
        if not eventually(self.answers):
            with open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as f:
                raise RuntimeError("ZooKeeper did not start:\n" + f.read()[-4000:])

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                s.settimeout(5)
                s.sendall(b"srvr")
                return b"Mode: standalone" in s.recv(4096)
        except OSError:
            return False

    def kill(self):
        """As a crash does: what it has written is there at the next start."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir)


@unittest.skipIf(os.environ.get("MESOS_MASTER"), "another master has a ZooKeeper of its own")
class ZooKeeperTest(unittest.TestCase):
    def setUp(self):
        self.zookeeper = ZooKeeper()
        self.addCleanup(self.zookeeper.close)
        self.dir = tempfile.mkdtemp(prefix="cmdq-integration-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.url = "zk://%s/some/mesos" % self.zookeeper.address

    def master(self, url=None, **kwargs):
        """Start a master that stands for election, with an agent."""
        c = Cluster(resources="cpus:4;mem:4096", flags=["--zk", url or self.url, "--zk-session-timeout", "%ds" % SESSION], **kwargs)

        def stop():
            wrong = c.stop()
            self.assertFalse(wrong, "\n".join(wrong))
        self.addCleanup(stop)
        return c

    def ask(self, c, method, path, body=None):
        """What a master answers itself: (status, where it points to)."""
        conn = http.client.HTTPConnection(c.master, timeout=10)
        try:
            conn.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = conn.getresponse()
            answer.read()
            return answer.status, answer.getheader("Location")
        finally:
            conn.close()

    def await_status(self, c, status, location=None):
        got = eventually(lambda: self.ask(c, "GET", "/state") == (status, location))
        self.assertTrue(got, "%s: %s\n%s" % (c.master, self.ask(c, "GET", "/state"), c.tail()))

    def await_leader(self, c):
        self.await_status(c, 200)
        self.assertTrue(eventually(lambda: c.state()["activated_slaves"] == 1), c.tail())
        state = c.state()
        self.assertEqual((state["leader"], state["leader_info"]["id"]), ("master@" + c.master, state["id"]))

    def pair(self, url=None):
        """Two masters: the one that leads, and the one that waits."""
        first = self.master(url)
        self.await_leader(first)
        second = self.master(url)
        self.await_status(second, 307, "//%s/master/state" % first.master)
        return first, second

    def run_tasks(self, master, tasks, *flags):
        """Start cmdq run with tasks, which note their attempts in a file."""
        path = os.path.join(self.dir, "tasks.yaml")
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"defaults": {"cpus": 0.5, "mem": 32}, "tasks": tasks}, f)  # JSON is YAML
        self.notes, self.joblog = os.path.join(self.dir, "notes"), os.path.join(self.dir, "joblog")
        self.log = os.path.join(self.dir, "cmdq.log")
        with open(self.log, "wb") as log:
            process = subprocess.Popen(
                [os.environ["CMDQ"], "run", "--master", master, "--state", os.path.join(self.dir, "state"), "--joblog", self.joblog,
                 "--unreachable-timeout", "3s", "--progress", "none", *flags, path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ, NOTES=self.notes))

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
        self.addCleanup(end)
        return process

    def lines(self, path):
        try:
            with open(path, encoding="utf-8") as f:
                return f.read().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def attempts(self):
        """How often each task has begun."""
        return collections.Counter(line.split()[0] for line in self.lines(self.notes))

    def finished(self):
        return {x["id"] for x in map(json.loads, self.lines(self.joblog)) if x["state"] == "finished"}

    def command(self, rest):
        return 'echo "$CMDQ_TASK $CMDQ_ATTEMPT" >>%s; %s' % (os.path.join(self.dir, "notes"), rest)

    def tell(self):
        return "\n".join(self.lines(self.log)[-60:])

    def test_the_leader_is_killed(self):
        leader, other = self.pair()
        # Whatever is wrong with a request is for the leader to say.
        self.assertEqual(self.ask(other, "POST", "/api/v1/scheduler?x=y", "{"), (307, "//%s/master/api/v1/scheduler?x=y" % leader.master))
        self.assertEqual(self.ask(other, "GET", "/master/redirect"), (307, "//" + leader.master))
        self.assertEqual(self.ask(other, "GET", "/health"), (200, None))
        flag = os.path.join(self.dir, "flag")
        tasks = [{"id": "long-%d" % i, "command": self.command("test -e %s || sleep 1000" % flag)} for i in range(4)]
        tasks += [{"id": "short-%d" % i, "command": self.command("sleep 0.05"), "priority": 1} for i in range(10)]
        tasks += [{"id": "last-%d" % i, "command": self.command("true"), "cpus": 4} for i in range(2)]
        cmdq = self.run_tasks(self.url, tasks)
        begun = {"long-%d" % i for i in range(4)} | {"short-%d" % i for i in range(10)}
        self.assertTrue(eventually(lambda: set(self.attempts()) == begun), self.tell())
        self.assertTrue(eventually(lambda: len(self.finished()) == 10), self.tell())
        before = self.finished()
        leader.kill()
        self.assertTrue(eventually(lambda: not leader.processes()), leader.processes())
        with open(flag, "w", encoding="utf-8"):
            pass
        self.await_leader(other)
        self.assertEqual(cmdq.wait(40), 0, self.tell())
        self.assertEqual(self.finished(), {t["id"] for t in tasks}, self.tell())
        attempts = self.attempts()
        for t in tasks:
            self.assertEqual(attempts[t["id"]], 2 if t["id"].startswith("long") else 1, t["id"])
        self.assertEqual(len(before), 10)
        self.assertEqual(len(self.lines(self.joblog)), len(tasks))

    def test_zookeeper_is_killed(self):
        leader, other = self.pair()
        master = leader.state()["id"]
        flag = os.path.join(self.dir, "flag")
        cmdq = self.run_tasks(self.url, [{"id": "t", "command": self.command("test -e %s || sleep 1000" % flag)}])
        self.assertTrue(eventually(lambda: self.attempts()["t"] == 1), self.tell())
        # For less than a session: nothing happens.
        self.zookeeper.kill()
        self.zookeeper.start()
        third = self.master()
        self.await_status(third, 307, "//%s/master/state" % leader.master)  # it has seen the leader's node
        self.assertEqual(leader.state()["id"], master)
        # For longer: who leads ends, with its commands; who does not waits.
        self.zookeeper.kill()
        self.assertEqual(leader.await_end(), 3, leader.tail())
        self.assertIn("lost the leadership", leader.tail())
        self.assertEqual(leader.processes(), [])
        self.await_status(other, 503)
        self.await_status(third, 503)
        self.assertEqual(self.ask(other, "GET", "/redirect"), (503, None))
        with open(flag, "w", encoding="utf-8"):
            pass
        self.zookeeper.start()
        self.assertTrue(eventually(lambda: 200 in [self.ask(c, "GET", "/state")[0] for c in (other, third)]), other.tail())
        chosen, follower = (other, third) if self.ask(other, "GET", "/state")[0] == 200 else (third, other)
        self.await_leader(chosen)
        self.await_status(follower, 307, "//%s/master/state" % chosen.master)
        self.assertEqual(cmdq.wait(40), 0, self.tell())
        self.assertEqual((self.finished(), self.attempts()["t"]), ({"t"}, 2), self.tell())

    def test_credentials(self):
        secret = "s3cr:e@t"
        url = "zk://ann:%s@%s/some/mesos" % (secret, self.zookeeper.address)
        path = os.path.join(self.dir, "zk")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
            f.write(url + "\n")
        leader, other = self.pair("file://" + path)
        for wrong in self.url, "zk://ann:wrong@%s/some/mesos" % self.zookeeper.address:
            c = self.master(wrong)
            self.assertEqual(c.await_end(), 3, c.tail())
            self.assertIn("not authenticated", c.tail())
            self.assertNotIn("wrong", c.tail())
        cmdq = self.run_tasks(url, [{"id": "t", "command": self.command("true")}])
        self.assertEqual(cmdq.wait(30), 0, self.tell())
        told = [c.tail(10000) for c in (leader, other)] + ["\n".join(self.lines(self.log)), leader.get("/flags")[1].decode()]
        for text in told:
            self.assertNotIn(secret, text)
        for folder, _, names in os.walk(os.path.join(self.dir, "state")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    self.assertNotIn(secret.encode(), f.read(), name)
        self.assertIn("zk://%s/some/mesos" % self.zookeeper.address, told[-1])


if __name__ == "__main__":
    unittest.main()
