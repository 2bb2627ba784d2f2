"""What a pymesos scheduler lives through when parts of the embedded Mesos fail on purpose (--chaos)."""
import logging
import os
import unittest

from cluster import Cluster, eventually
from scheduler import Recorder, command_task, start


@unittest.skipIf(os.environ.get("MESOS_MASTER"), "another master does no faults on purpose")
class FaultsTest(unittest.TestCase):
    def setUp(self):
        logging.disable(logging.CRITICAL)  # pymesos logs every call that a fault cuts off
        self.addCleanup(logging.disable, logging.NOTSET)
        self.cluster = Cluster(agents=2, chaos=True)
        self.addCleanup(self.stop)

    def stop(self):
        wrong = self.cluster.stop()
        self.assertFalse(wrong, "\n".join(wrong))

    def run_scheduler(self, recorder):
        driver = start(recorder, self.cluster.master, {"checkpoint": True})
        self.addCleanup(driver.join)
        self.addCleanup(driver.stop)
        return driver

    def test_the_master_restarts(self):
        recorder = Recorder([command_task("before", "sleep 1000")])
        driver = self.run_scheduler(recorder)
        recorder.wait_state("before", "TASK_RUNNING")
        self.cluster.fault("master/restart")
        self.assertTrue(recorder.wait(lambda: recorder.heard("disconnected")))
        self.assertTrue(recorder.wait(lambda: recorder.heard("reregistered")))
        self.assertEqual(recorder.heard("error"), [])
        recorder.todo.append(command_task("after", "true"))
        self.assertEqual(recorder.wait_ended("after")["state"], "TASK_FINISHED")
        # A master that does not know an agent yet does not answer for its tasks: ask again.

        def known():
            driver.reconcileTasks([{"task_id": {"value": "before"}}])
            return any(s.get("reason") == "REASON_RECONCILIATION" for s in recorder.statuses["before"])
        self.assertTrue(eventually(known, every=0.2))
        self.assertEqual(recorder.statuses["before"][-1]["state"], "TASK_RUNNING")
        driver.killTask({"value": "before"})
        self.assertEqual(recorder.wait_ended("before")["state"], "TASK_KILLED")

    def test_an_agent_leaves(self):
        recorder = Recorder([command_task("on", "sleep 1000", cpus=1)], hold=True)
        self.run_scheduler(recorder)
        agent = recorder.wait_state("on", "TASK_RUNNING")["agent_id"]["value"]
        # The rest of the agent comes in an offer, which is held, so that there is one to rescind.

        def offers_of_agent():
            return [o["id"]["value"] for o in recorder.heard("offer") if o["agent_id"]["value"] == agent]
        self.assertTrue(recorder.wait(lambda: len(offers_of_agent()) == 2, 15))
        self.cluster.fault("agents/%s/shutdown" % agent)
        status = recorder.wait_ended("on")
        self.assertEqual((status["state"], status["source"], status["reason"]),
                         ("TASK_LOST", "SOURCE_MASTER", "REASON_AGENT_REMOVED"))
        self.assertTrue(recorder.wait(lambda: recorder.heard("agent lost") == [agent]))
        self.assertTrue(recorder.wait(lambda: offers_of_agent()[-1] in recorder.heard("rescinded")))
        self.assertTrue(eventually(lambda: not self.cluster.processes(), 15), self.cluster.processes())

    def test_an_executor_is_killed(self):
        recorder = Recorder([command_task("c", "sleep 1000")])
        driver = self.run_scheduler(recorder)
        recorder.wait_state("c", "TASK_RUNNING")
        self.cluster.fault("executors/kill?framework_id=%s&executor_id=c" % driver.framework_id)
        self.assertEqual(recorder.wait_ended("c")["state"], "TASK_FAILED")


if __name__ == "__main__":
    unittest.main()
