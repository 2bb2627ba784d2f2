"""The tutorial's two tasks, run by tutorial.py as its user would."""
import os
import subprocess
import sys
import threading
import unittest

from cluster import Cluster, eventually

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tutorial.py")


class TutorialTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.stop)

    def stop(self):
        wrong = self.cluster.stop()
        self.assertFalse(wrong, "\n".join(wrong))

    def completed(self, framework_id):
        return self.cluster.framework(framework_id)["completed_tasks"]

    def test_two_tasks_finish(self):
        tutorial = subprocess.Popen([sys.executable, PROGRAM], env=dict(os.environ, MESOS_MASTER=self.cluster.master),
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        watchdog = threading.Timer(60, tutorial.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        self.addCleanup(tutorial.wait)
        self.addCleanup(tutorial.kill)
        self.addCleanup(tutorial.stdout.close)
        framework_id = tutorial.stdout.readline().split()[1]
        waiting, seen = {"taskHelloWorld", "taskDIR"}, []
        while waiting:
            line = tutorial.stdout.readline()
            self.assertTrue(line, "it ended, after %s" % seen)
            seen.append(line.strip())
            name, state = line.split()
            if state == "TASK_FINISHED":
                waiting.remove(name)
        # pymesos acknowledges after the callback: a moment later both are completed.
        self.assertTrue(eventually(lambda: len(self.completed(framework_id)) == 2, 10))
        self.assertEqual({t["id"]: t["state"] for t in self.completed(framework_id)},
                         {"taskHelloWorld": "TASK_FINISHED", "taskDIR": "TASK_FINISHED"})
        agent = self.completed(framework_id)[0]["slave_id"]
        self.assertEqual(self.cluster.sandbox(framework_id, agent, "taskHelloWorld", "stdout"), "HelloWorld\n")
        tutorial.terminate()
        self.assertEqual(tutorial.wait(20), 0)
        self.assertTrue(eventually(lambda: framework_id in
                                   [f["id"] for f in self.cluster.state()["completed_frameworks"]]))


if __name__ == "__main__":
    unittest.main()
