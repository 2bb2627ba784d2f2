"""A pymesos scheduler that launches what it is told to and writes down what it is told."""
import collections
import getpass
import logging
import threading

from pymesos import MesosSchedulerDriver, Scheduler

from cluster import ENDED


def scalar(name, value):
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}


def command_task(task_id, command, cpus=0.5, mem=32):
    """A TaskInfo, but for the agent, which the offer gives."""
    return {"task_id": {"value": task_id}, "name": task_id, "command": {"value": command},
            "resources": [scalar("cpus", cpus), scalar("mem", mem)]}


def needs(task, name):
    """What a task takes of a resource. Its executor is not counted: give the first one room."""
    return sum(r["scalar"]["value"] for r in task["resources"] if r["name"] == name)


class Recorder(Scheduler):
    """Takes offers first fit for `todo`. Everything that happened is in `seen`, in order, as (callback, value);
    `statuses` holds the updates of each task. Tests wait on `changed`."""

    def __init__(self, todo=(), hold=False):
        self.hold = hold  # keep offers that nothing is launched on
        self.todo = collections.deque(todo)
        self.seen = []
        self.statuses = collections.defaultdict(list)
        self.changed = threading.Condition()

    def _note(self, what, value):
        with self.changed:
            self.seen.append((what, value))
            self.changed.notify_all()

    def wait(self, what, seconds=30):
        """Wait until what() holds; whether it does."""
        with self.changed:
            return self.changed.wait_for(what, seconds)

    def heard(self, callback):
        with self.changed:
            return [value for name, value in self.seen if name == callback]

    def states(self, task_id):
        with self.changed:
            return [s["state"] for s in self.statuses[task_id]]

    def wait_state(self, task_id, *states, seconds=30):
        """Wait for one of the states of a task; its status, or AssertionError saying what came instead."""
        def found():
            return next((s for s in self.statuses[task_id] if s["state"] in states), None)
        if not self.wait(found, seconds):
            raise AssertionError("%s: waited %d s for %s, saw %s" % (task_id, seconds, states, self.states(task_id)))
        return found()

    def wait_ended(self, task_id, seconds=30):
        return self.wait_state(task_id, *ENDED, seconds=seconds)

    # The callbacks of pymesos, on its one thread.

    def registered(self, driver, framework_id, master_info):
        self._note("registered", framework_id["value"])

    def reregistered(self, driver, master_info):
        self._note("reregistered", master_info)

    def disconnected(self, driver):
        self._note("disconnected", None)

    def resourceOffers(self, driver, offers):
        for offer in offers:
            self._note("offer", offer)
            left = {r["name"]: r["scalar"]["value"] for r in offer["resources"] if r["type"] == "SCALAR"}
            tasks, later = [], []
            while self.todo:
                task = self.todo.popleft()
                if all(needs(task, n) <= left.get(n, 0) + 1e-9 for n in ("cpus", "mem")):
                    for n in ("cpus", "mem"):
                        left[n] -= needs(task, n)
                    tasks.append(dict(task, agent_id=offer["agent_id"]))
                else:
                    later.append(task)
            self.todo.extend(later)
            if self.hold and not tasks:
                continue
            driver.launchTasks(offer["id"], tasks, {"refuse_seconds": 1})

    def offerRescinded(self, driver, offer_id):
        self._note("rescinded", offer_id["value"])

    def statusUpdate(self, driver, status):
        with self.changed:
            self.statuses[status["task_id"]["value"]].append(status)
        self._note("update", status)

    def frameworkMessage(self, driver, executor_id, agent_id, message):
        self._note("message", (executor_id["value"], agent_id["value"], message))

    def slaveLost(self, driver, agent_id):
        self._note("agent lost", agent_id["value"])

    def executorLost(self, driver, executor_id, agent_id, status):
        self._note("executor lost", (executor_id["value"], agent_id["value"], status))

    def error(self, driver, message):
        self._note("error", message)


class Errors(logging.Handler):
    """What pymesos logs as an error. It swallows some failures and only logs them."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.records = []

    def emit(self, record):
        self.records.append(self.format(record))


FRAMEWORK = {"user": getpass.getuser(), "name": "pymesos", "failover_timeout": 60,
             "capabilities": [{"type": "PARTITION_AWARE"}, {"type": "TASK_KILLING_STATE"}]}


def start(recorder, master, framework=None, **options):
    """A driver that has registered."""
    driver = MesosSchedulerDriver(recorder, dict(FRAMEWORK, **(framework or {})), master, **options)
    driver.start()
    if not recorder.wait(lambda: any(n in ("registered", "reregistered", "error") for n, _ in recorder.seen)):
        raise AssertionError("not registered within 30 s")
    return driver
