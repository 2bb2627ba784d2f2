"""`cmdq executor` driven by pymesos' scheduler: a client that nobody here wrote."""
import json
import os
import unittest

from pymesos import encode_data

from cluster import Cluster, eventually
from scheduler import Recorder, scalar, start


class CmdqExecutorTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.stop)
        self.recorder = Recorder()
        self.driver = start(self.recorder, self.cluster.master, None)
        self.addCleanup(self.driver.join)
        self.addCleanup(self.driver.stop)

    def stop(self):
        wrong = self.cluster.stop()
        self.assertFalse(wrong, "\n".join(wrong))

    def task(self, task_id, **command):
        executor = {"executor_id": {"value": "x1"}, "framework_id": {"value": self.driver.framework_id}, "type": "CUSTOM",
                    "command": {"shell": False, "value": os.environ["CMDQ"],
                                "arguments": ["cmdq", "executor", "--executor-idle", "1s"]},
                    "resources": [scalar("cpus", 0.1), scalar("mem", 64)]}
        return {"task_id": {"value": task_id}, "name": task_id, "data": encode_data(json.dumps(command).encode()),
                "executor": executor, "resources": [scalar("cpus", 0.01), scalar("mem", 1)]}

    def test_commands(self):
        for i in range(50):
            self.recorder.todo.append(self.task("ok%d" % i, command="exit 0"))
        self.recorder.todo.append(self.task("three", argv=["sh", "-c", "exit $N"], env={"N": "3"}))
        self.recorder.todo.append(self.task("sleep", command="sleep 1000", kill_grace="1s"))
        self.recorder.todo.append(self.task("bad", comand="true"))
        self.driver.reviveOffers()
        # RUNNING is told before a command is started; one that is killed before is not started at all.
        self.assertTrue(eventually(lambda: any("sleep 1000" in p for p in self.cluster.processes())))
        self.driver.killTask({"value": "sleep"})
        for i in range(50):
            status = self.recorder.wait_ended("ok%d" % i)
            self.assertEqual((status["state"], status["message"]), ("TASK_FINISHED", "Command exited with status 0"))
        for task, state, message in (("three", "TASK_FAILED", "Command exited with status 3"),
                                     ("sleep", "TASK_KILLED", "Command terminated with signal Terminated"),
                                     ("bad", "TASK_ERROR", 'read the task\'s data: json: unknown field "comand"')):
            status = self.recorder.wait_ended(task)
            self.assertEqual((status["state"], status["message"]), (state, message))


if __name__ == "__main__":
    unittest.main()
