"""A pymesos executor for the tests. The word in a task's data says what the task does:

    upper:TEXT   ends finished; the data of its last update is TEXT in upper case
    wait         runs until it is killed, or the executor is shut down
    fail         ends failed, saying so
    die          ends the whole executor with exit status 5

A message is sent back with its bytes in reverse.
"""
import logging
import os
import sys
import threading

from pymesos import Executor, MesosExecutorDriver, decode_data, encode_data


class Words(Executor):
    def __init__(self):
        self.waiting = {}
        self.lock = threading.Lock()

    def registered(self, driver, executor_info, framework_info, agent_info):
        print("registered", executor_info["executor_id"]["value"], framework_info["name"], agent_info["hostname"],
              flush=True)

    def launchTask(self, driver, task):
        threading.Thread(target=self.run, args=(driver, task), daemon=True).start()

    def run(self, driver, task):
        task_id = task["task_id"]
        word, _, text = decode_data(task["data"]).decode().partition(":")
        if word == "wait":  # before it says RUNNING, upon which a kill may come
            with self.lock:
                self.waiting[task_id["value"]] = task_id
        driver.sendStatusUpdate({"task_id": task_id, "state": "TASK_RUNNING"})
        if word == "upper":
            driver.sendStatusUpdate({"task_id": task_id, "state": "TASK_FINISHED", "message": "done",
                                     "data": encode_data(text.upper().encode())})
        elif word == "fail":
            driver.sendStatusUpdate({"task_id": task_id, "state": "TASK_FAILED", "message": "as it was told"})
        elif word == "die":
            os._exit(5)

    def killTask(self, driver, task_id):
        with self.lock:
            known = self.waiting.pop(task_id["value"], None)
        if known:
            driver.sendStatusUpdate({"task_id": task_id, "state": "TASK_KILLED", "message": "killed"})

    def frameworkMessage(self, driver, message):
        driver.sendFrameworkMessage(encode_data(decode_data(message)[::-1]))

    def shutdown(self, driver):
        print("shutdown", flush=True)

    def error(self, driver, message):
        print("error", message, flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    MesosExecutorDriver(Words()).run()
