"""The tutorial that cmdq grew out of, in short: two tasks in an idle list, moved to `starting`, then to `running`
by their updates, back to the idle list when they fail, on pymesos. It runs until it is interrupted.

    MESOS_MASTER=127.0.0.1:5050 python3 tutorial.py
"""
import os
import signal
import sys
import time
import uuid

from addict import Dict
from pymesos import MesosSchedulerDriver, Scheduler

REFUSE_SECONDS = 1


def new_task(name, command):
    task = Dict()
    task.task_id.value = name
    task.name = "task " + name
    task.command.value = command
    task.resources = [dict(name="cpus", type="SCALAR", scalar={"value": 0.1}),
                      dict(name="mem", type="SCALAR", scalar={"value": 100})]
    return task


class TwoTasks(Scheduler):
    def __init__(self):
        self.idle = [new_task("taskHelloWorld", "echo HelloWorld"), new_task("taskDIR", "mkdir HelloMesos")]
        self.starting, self.running = {}, {}

    def resourceOffers(self, driver, offers):
        if not self.idle:
            driver.suppressOffers()
        for offer in offers:
            cpus = sum(r.scalar.value for r in offer.resources if r.name == "cpus")
            mem = sum(r.scalar.value for r in offer.resources if r.name == "mem")
            chosen = []
            while self.idle and cpus >= 0.1 and mem >= 100:
                task = self.idle.pop(0)
                task.agent_id.value = offer.agent_id.value
                cpus, mem = cpus - 0.1, mem - 100
                self.starting[task.task_id.value] = task
                chosen.append(task)
            driver.launchTasks(offer.id, chosen, {"refuse_seconds": REFUSE_SECONDS})

    def statusUpdate(self, driver, update):
        name = update.task_id.value
        print(name, update.state, flush=True)
        if update.state == "TASK_RUNNING":
            self.running[name] = self.starting.pop(name)
        elif update.state == "TASK_FAILED":
            self.idle.append(self.running.pop(name, None) or self.starting.pop(name))
            driver.reviveOffers()
        elif update.state == "TASK_FINISHED":
            self.running.pop(name, None)


def main():
    framework = Dict()
    framework.user = "root"
    framework.name = "tutorial"
    framework.id.value = str(uuid.uuid4())
    framework.failover_timeout = 75
    print("framework", framework.id.value, flush=True)
    driver = MesosSchedulerDriver(TwoTasks(), framework, os.environ["MESOS_MASTER"], use_addict=True)
    signal.signal(signal.SIGTERM, lambda *_: driver.stop())
    driver.start()
    while not driver.aborted:
        time.sleep(0.1)
    driver.join()


if __name__ == "__main__":
    sys.exit(main())
