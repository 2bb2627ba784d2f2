"""pymesos on both sides: its scheduler, and its MesosExecutorDriver as a custom executor on the agent."""
import os
import sys
import unittest

from pymesos import decode_data, encode_data

from cluster import Cluster, eventually
from scheduler import Recorder, scalar, start

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pymesos_executor.py")


class ExecutorTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.stop)

    def stop(self):
        wrong = self.cluster.stop()
        self.assertFalse(wrong, "\n".join(wrong))

    def run_scheduler(self, framework=None):
        recorder = Recorder()
        driver = start(recorder, self.cluster.master, framework)

        def end():
            driver.stop()
            driver.join()
        self.addCleanup(end)
        return recorder, driver

    def executor(self, driver, executor_id="words"):
        # The program comes by the fetcher, into the executor's sandbox.
        return {"executor_id": {"value": executor_id}, "framework_id": {"value": driver.framework_id},
                "name": "words of pymesos", "type": "CUSTOM",
                "command": {"value": "exec %s pymesos_executor.py" % sys.executable,
                            "uris": [{"value": PROGRAM, "extract": False}]},
                "resources": [scalar("cpus", 0.1), scalar("mem", 64)]}

    def task(self, driver, task_id, data, executor_id="words"):
        return {"task_id": {"value": task_id}, "name": task_id, "data": encode_data(data.encode()),
                "executor": self.executor(driver, executor_id),
                "resources": [scalar("cpus", 0.1), scalar("mem", 32)]}

    def launch(self, recorder, driver, *tasks):
        recorder.todo.extend(tasks)
        driver.reviveOffers()

    def test_tasks_with_data(self):
        recorder, driver = self.run_scheduler()
        tasks = [self.task(driver, "u%d" % i, "upper:text %d" % i) for i in range(10)]
        self.launch(recorder, driver, *tasks)
        for i in range(10):
            status = recorder.wait_ended("u%d" % i)
            self.assertEqual((status["state"], status.get("message")), ("TASK_FINISHED", "done"), status)
            self.assertEqual(decode_data(status["data"]), b"TEXT %d" % i)
            # pymesos names no executor in an update, and neither agent nor master puts it in.
            self.assertEqual((status["source"], "executor_id" in status), ("SOURCE_EXECUTOR", False))
            self.assertEqual(recorder.states("u%d" % i), ["TASK_RUNNING", "TASK_FINISHED"])
        out = self.cluster.sandbox(driver.framework_id, status["agent_id"]["value"], "words", "stdout")
        self.assertTrue(out.startswith("registered words pymesos "), out)
        self.assertEqual(len([p for p in self.cluster.processes() if "pymesos_executor" in p]), 1)

    def test_a_task_that_fails(self):
        recorder, driver = self.run_scheduler()
        self.launch(recorder, driver, self.task(driver, "f", "fail"), self.task(driver, "u", "upper:x"))
        status = recorder.wait_ended("f")
        self.assertEqual((status["state"], status["message"]), ("TASK_FAILED", "as it was told"))
        self.assertEqual(recorder.wait_ended("u")["state"], "TASK_FINISHED")

    def test_kill(self):
        recorder, driver = self.run_scheduler()
        self.launch(recorder, driver, self.task(driver, "w", "wait"), self.task(driver, "other", "wait"))
        recorder.wait_state("w", "TASK_RUNNING")
        recorder.wait_state("other", "TASK_RUNNING")
        driver.killTask({"value": "w"})
        self.assertEqual(recorder.wait_state("w", "TASK_KILLED")["message"], "killed")
        # What the executor said before it took this one is here by then.
        self.launch(recorder, driver, self.task(driver, "after", "upper:x"))
        self.assertEqual(recorder.wait_ended("after")["state"], "TASK_FINISHED")
        self.assertEqual(recorder.states("other"), ["TASK_RUNNING"])

    def test_messages_both_ways(self):
        recorder, driver = self.run_scheduler()
        self.launch(recorder, driver, self.task(driver, "w", "wait"))
        status = recorder.wait_state("w", "TASK_RUNNING")
        for text in (b"stressed", b"\x00\xff\x01", b"x" * 100000):
            before = len(recorder.heard("message"))
            driver.sendFrameworkMessage({"value": "words"}, status["agent_id"], encode_data(text))
            self.assertTrue(recorder.wait(lambda: len(recorder.heard("message")) > before), "no answer")
            executor_id, agent_id, message = recorder.heard("message")[-1]
            self.assertEqual((executor_id, agent_id), ("words", status["agent_id"]["value"]))
            self.assertEqual(decode_data(message), text[::-1])

    def test_an_executor_that_dies(self):
        recorder, driver = self.run_scheduler()
        self.launch(recorder, driver, self.task(driver, "w", "wait"))
        agent = recorder.wait_state("w", "TASK_RUNNING")["agent_id"]["value"]
        self.launch(recorder, driver, self.task(driver, "d", "die"))
        for task_id in ("w", "d"):
            status = recorder.wait_ended(task_id)
            self.assertEqual((status["state"], status["source"], status["reason"]),
                             ("TASK_FAILED", "SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED"), status)
            self.assertIn("uuid", status)
        self.assertTrue(recorder.wait(lambda: recorder.heard("executor lost")))
        self.assertEqual(recorder.heard("executor lost"), [("words", agent, 5 << 8)])
        # Its id may be taken until all is acknowledged: the next one has another.
        self.launch(recorder, driver, self.task(driver, "again", "upper:again", "words-2"))
        self.assertEqual(recorder.wait_ended("again")["state"], "TASK_FINISHED")

    def test_an_executor_that_cannot_be_fetched(self):
        recorder, driver = self.run_scheduler()
        task = self.task(driver, "n", "wait")
        task["executor"]["command"]["uris"] = [{"value": "/no/such/file"}]
        self.launch(recorder, driver, task)
        status = recorder.wait_ended("n")
        self.assertEqual((status["state"], status["reason"]), ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED"))

    def test_teardown_shuts_executors_down(self):
        for framework in ({}, {"checkpoint": True}):
            recorder, driver = self.run_scheduler(framework)
            self.launch(recorder, driver, self.task(driver, "w", "wait"))
            recorder.wait_state("w", "TASK_RUNNING")
            self.assertTrue(self.cluster.processes())
            driver.stop()
            driver.join()
            self.assertTrue(eventually(lambda: not self.cluster.processes(), 15), self.cluster.processes())


if __name__ == "__main__":
    unittest.main()
