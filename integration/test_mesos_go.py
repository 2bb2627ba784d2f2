"""Programs of mesos-go on the embedded Mesos, in protobuf: msh, a scheduler, and example-executor."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from cluster import Cluster, eventually

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts", "conformance"))
from mesos_client import Subscription, scalar  # noqa: E402

PROGRAMS = os.environ["MESOS_GO"]  # the directory they were built into


class MshTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()

    @classmethod
    def tearDownClass(cls):
        wrong = cls.cluster.stop()
        assert not wrong, "\n".join(wrong)

    def msh(self, *words):
        done = subprocess.run([os.path.join(PROGRAMS, "msh"), "-master", self.cluster.master, *words],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True)
        return done.returncode, done.stderr

    def sandbox_of(self, log):
        """What the task that msh launched, by what it logged, wrote to its stdout."""
        framework = log.split('FrameworkID "', 1)[1].split('"', 1)[0]
        task = eventually(lambda: self.cluster.framework(framework)["completed_tasks"])[0]
        executor = task["executor_id"] or task["id"]
        return self.cluster.sandbox(framework, task["slave_id"], executor, "stdout")

    def test_msh_runs_a_command(self):
        code, log = self.msh("echo", "hi")
        self.assertEqual(code, 0, log)
        self.assertIn("TASK_RUNNING", log)
        self.assertIn("TASK_FINISHED", log)
        self.assertEqual(self.sandbox_of(log), "hi\n")

    def test_msh_says_that_a_command_failed(self):
        code, log = self.msh("sh", "-c", "exit 5")
        self.assertEqual(code, 3, log)
        self.assertIn("TASK_FAILED", log)
        self.assertIn("Command exited with status 5", log)

    def test_msh_runs_a_command_in_a_task_group(self):
        code, log = self.msh("-pod", "echo", "hi")
        self.assertEqual(code, 0, log)
        self.assertIn("TASK_FINISHED", log)

    def test_msh_with_a_program_that_is_not_there(self):
        code, log = self.msh("/no/such/program")
        self.assertEqual(code, 3, log)
        self.assertIn("TASK_FAILED", log)


class ExampleExecutorTest(unittest.TestCase):
    TASKS = 10

    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.stop)

    def stop(self):
        wrong = self.cluster.stop()
        self.assertFalse(wrong, "\n".join(wrong))

    def executor(self, framework_id, program):
        return {"executor_id": {"value": "example"}, "framework_id": {"value": framework_id}, "type": "CUSTOM",
                "command": {"value": program, "shell": False, "arguments": [program]}, "name": "example",
                "resources": [scalar("cpus", 0.1), scalar("mem", 64)]}

    def test_ten_tasks(self):
        directory = tempfile.mkdtemp(prefix="cmdq-example-")
        self.addCleanup(shutil.rmtree, directory)
        program = shutil.copy(os.path.join(PROGRAMS, "example-executor"), directory)
        host, port = self.cluster.master.split(":")
        framework = Subscription(host, int(port), {"name": "example", "capabilities": [{"type": "PARTITION_AWARE"}]})
        self.addCleanup(framework.calls.close)
        self.addCleanup(framework.conn.close)
        self.assertEqual(framework.first["type"], "SUBSCRIBED")
        offer = framework.offer()
        executor = self.executor(framework.framework_id, program)
        tasks = [{"name": "t%d" % i, "task_id": {"value": "t%d" % i}, "agent_id": offer["agent_id"],
                  "executor": executor, "resources": [scalar("cpus", 0.1), scalar("mem", 32)]}
                 for i in range(self.TASKS)]
        self.assertEqual(framework.launch(offer, tasks)[0], 202)
        for task in tasks:
            updates = framework.follow(task["task_id"]["value"], 60)
            self.assertEqual([u["state"] for u in updates], ["TASK_RUNNING", "TASK_FINISHED"], updates)
            for update in updates:
                self.assertEqual(update["source"], "SOURCE_EXECUTOR")
                self.assertEqual(update["executor_id"]["value"], "example")
                self.assertIn("uuid", update)
        running = [p for p in self.cluster.processes() if "example-executor" in p]
        self.assertEqual(len(running), 1, "one executor runs them all, and stays")
        self.assertEqual(framework.teardown()[0], 202)
        self.assertTrue(eventually(lambda: not self.cluster.processes(), 15), self.cluster.processes())


if __name__ == "__main__":
    unittest.main()
