"""pymesos' MesosSchedulerDriver on the embedded Mesos: commands, kills, failures, reconciliation, failover."""
import logging
import os
import subprocess
import sys
import unittest

from cluster import Cluster, eventually
from scheduler import Errors, Recorder, command_task, start


class SchedulerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()

    @classmethod
    def tearDownClass(cls):
        wrong = cls.cluster.stop()
        assert not wrong, "\n".join(wrong)

    def setUp(self):
        self.errors = Errors()
        logging.getLogger("pymesos").addHandler(self.errors)
        self.addCleanup(logging.getLogger("pymesos").removeHandler, self.errors)

    def run_scheduler(self, *tasks, **options):
        recorder = Recorder(tasks)
        driver = start(recorder, self.cluster.master, **options)
        self.addCleanup(self.end, driver)
        return recorder, driver

    def end(self, driver):
        driver.stop()
        driver.join()
        self.assertEqual([e for e in self.errors.records if "closed" not in e], [])

    def test_twenty_commands_finish(self):
        tasks = [command_task("c%d" % i, "echo hello from %d" % i) for i in range(20)]
        recorder, driver = self.run_scheduler(*tasks)
        for i in range(20):
            task_id = "c%d" % i
            status = recorder.wait_ended(task_id, 60)
            self.assertEqual(status["state"], "TASK_FINISHED", status)
            self.assertEqual(status["message"], "Command exited with status 0")
            self.assertEqual(status["source"], "SOURCE_EXECUTOR")
            self.assertEqual(recorder.states(task_id)[-2:], ["TASK_RUNNING", "TASK_FINISHED"])
            out = self.cluster.sandbox(driver.framework_id, status["agent_id"]["value"], task_id, "stdout")
            self.assertEqual(out, "hello from %d\n" % i)
        self.assertEqual(recorder.heard("error"), [])

    def test_a_command_that_fails(self):
        recorder, _ = self.run_scheduler(command_task("bad", "exit 3"), command_task("term", "kill -9 $$"))
        bad, term = recorder.wait_ended("bad"), recorder.wait_ended("term")
        self.assertEqual((bad["state"], bad["message"]), ("TASK_FAILED", "Command exited with status 3"))
        self.assertEqual((term["state"], term["message"]), ("TASK_FAILED", "Command terminated with signal Killed"))

    def test_a_task_that_asks_for_nothing(self):
        recorder, _ = self.run_scheduler(dict(command_task("none", "true"), resources=[]))
        status = recorder.wait_ended("none")
        self.assertEqual((status["state"], status["reason"]), ("TASK_ERROR", "REASON_TASK_INVALID"))
        self.assertNotIn("uuid", status)

    def test_kill(self):
        recorder, driver = self.run_scheduler(command_task("long", "sleep 1000"))
        recorder.wait_state("long", "TASK_RUNNING")
        driver.killTask({"value": "long"})
        status = recorder.wait_ended("long")
        self.assertEqual(status["state"], "TASK_KILLED", status)
        self.assertIn("TASK_KILLING", recorder.states("long"))
        self.assertEqual(status["message"], "Command terminated with signal Terminated")

    def test_kill_of_a_task_nobody_knows(self):
        recorder, driver = self.run_scheduler()
        driver.killTask({"value": "ghost"})
        self.assertEqual(recorder.wait_state("ghost", "TASK_UNKNOWN")["reason"], "REASON_RECONCILIATION")

    def test_reconcile(self):
        recorder, driver = self.run_scheduler(command_task("r", "sleep 1000"))
        recorder.wait_state("r", "TASK_RUNNING")
        driver.reconcileTasks([{"task_id": {"value": "r"}}, {"task_id": {"value": "unknown"}}])

        def answers(task_id):
            return [s for s in recorder.statuses[task_id] if s.get("reason") == "REASON_RECONCILIATION"]
        self.assertTrue(recorder.wait(lambda: answers("r") and answers("unknown"), 10))
        self.assertEqual(answers("r")[0]["state"], "TASK_RUNNING")
        self.assertEqual(answers("unknown")[0]["state"], "TASK_UNKNOWN")
        self.assertNotIn("uuid", answers("r")[0])
        driver.reconcileTasks([])
        self.assertTrue(recorder.wait(lambda: len(answers("r")) == 2, 10), "the implicit one has no answer")

    def test_suppress_and_revive(self):
        recorder, driver = self.run_scheduler()
        self.assertTrue(recorder.wait(lambda: recorder.heard("offer")))
        driver.suppressOffers()
        before = len(recorder.heard("offer"))
        # The declined offer would be back after one second and one round of offers.
        self.assertFalse(recorder.wait(lambda: len(recorder.heard("offer")) > before, 3.5))
        driver.reviveOffers()
        self.assertTrue(recorder.wait(lambda: len(recorder.heard("offer")) > before, 5))

    def test_acknowledging_by_hand(self):
        tasks = [command_task("a%d" % i, "true") for i in range(3)]
        recorder = Recorder(tasks)
        driver = start(recorder, self.cluster.master, implicit_acknowledgements=False)
        self.addCleanup(self.end, driver)
        acknowledged = 0
        while not all(recorder.states("a%d" % i)[-1:] == ["TASK_FINISHED"] for i in range(3)):
            self.assertTrue(recorder.wait(lambda: len(recorder.heard("update")) > acknowledged))
            driver.acknowledgeStatusUpdate(recorder.heard("update")[acknowledged])
            acknowledged += 1

    def test_failover(self):
        first, driver = self.run_scheduler(command_task("on", "sleep 1000"))
        first.wait_state("on", "TASK_RUNNING")
        framework_id = driver.framework_id
        driver.stop(failover=True)
        driver.join()

        def connected():
            return self.cluster.framework(framework_id)["connected"]
        self.assertTrue(eventually(lambda: not connected()))
        second = Recorder()
        again = start(second, self.cluster.master, {"id": {"value": framework_id}})
        self.addCleanup(self.end, again)
        self.assertEqual(len(second.heard("reregistered")), 1)
        again.reconcileTasks([])
        self.assertEqual(second.wait_state("on", "TASK_RUNNING")["reason"], "REASON_RECONCILIATION")
        again.killTask({"value": "on"})
        self.assertEqual(second.wait_ended("on")["state"], "TASK_KILLED")

    def test_teardown_ends_what_runs(self):
        recorder, driver = self.run_scheduler(command_task("left", "sleep 1000 & sleep 1001"))
        recorder.wait_state("left", "TASK_RUNNING")
        framework_id = driver.framework_id
        self.assertTrue(eventually(self.running))
        driver.stop()
        driver.join()
        self.assertTrue(eventually(lambda: not self.running()), self.running())
        state = self.cluster.state()
        self.assertIn(framework_id, [f["id"] for f in state["completed_frameworks"]])

    def running(self):
        return [p for p in self.cluster.processes() if "sleep 100" in p]

    def test_two_frameworks_share(self):
        many = [command_task("s%d" % i, "sleep 0.3", cpus=1) for i in range(8)]
        one, _ = self.run_scheduler(*many)
        two, _ = self.run_scheduler(*many)
        for i in range(8):
            self.assertEqual(one.wait_ended("s%d" % i, 60)["state"], "TASK_FINISHED")
            self.assertEqual(two.wait_ended("s%d" % i, 60)["state"], "TASK_FINISHED")


@unittest.skipIf(os.environ.get("MESOS_MASTER"), "another master's credentials are not known")
class CredentialsTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(principal="ann", secret="swordfish")
        self.addCleanup(self.stop)

    def stop(self):
        with open(self.cluster.log, encoding="utf-8") as f:
            self.assertNotIn("swordfish", f.read())
        wrong = self.cluster.stop()
        self.assertFalse(wrong, "\n".join(wrong))

    def test_with_the_secret(self):
        recorder = Recorder([command_task("c", "echo in")])
        driver = start(recorder, self.cluster.master, principal="ann", secret="swordfish")
        self.addCleanup(driver.join)
        self.addCleanup(driver.stop)
        status = recorder.wait_ended("c")
        self.assertEqual(status["state"], "TASK_FINISHED", status)
        out = self.cluster.sandbox(driver.framework_id, status["agent_id"]["value"], "c", "stdout")
        self.assertEqual(out, "in\n")

    def test_without_it(self):
        # pymesos interrupts the program's main thread when it is refused: it needs one of its own.
        program = "import sys, pymesos; pymesos.MesosSchedulerDriver(pymesos.Scheduler(), {'user': 'x', 'name': 'x'}," \
                  " sys.argv[1], principal='ann', secret='guess').run()"
        done = subprocess.run([sys.executable, "-c", program, self.cluster.master], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=30, text=True)
        self.assertIn("Failed with HTTP 401", done.stderr)
        status, _ = self.cluster.get("/state")
        self.assertEqual(status, 200)
        self.assertEqual(self.cluster.state()["frameworks"], [])


if __name__ == "__main__":
    unittest.main()
