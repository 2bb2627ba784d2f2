package executor

import (
	"strconv"
	"syscall"
)

// describe says how a process ended, as Mesos does (src/common/status_utils.hpp).
func describe(s syscall.WaitStatus) string {
	if s.Signaled() {
		text := "terminated with signal " + signalName(s.Signal())
		if s.CoreDump() {
			text += " (core dumped)"
		}
		return text
	}
	return "exited with status " + strconv.Itoa(s.ExitStatus())
}

// signalName is a signal as strsignal(3) calls it.
func signalName(s syscall.Signal) string {
	switch n := int(s); {
	case n > 0 && n < len(signalNames):
		return signalNames[n]
	case n >= 34 && n <= 64:
		return "Real-time signal " + strconv.Itoa(n-34)
	default:
		return "Unknown signal " + strconv.Itoa(n)
	}
}

var signalNames = [...]string{
	1: "Hangup", 2: "Interrupt", 3: "Quit", 4: "Illegal instruction", 5: "Trace/breakpoint trap", 6: "Aborted", 7: "Bus error",
	8: "Floating point exception", 9: "Killed", 10: "User defined signal 1", 11: "Segmentation fault", 12: "User defined signal 2",
	13: "Broken pipe", 14: "Alarm clock", 15: "Terminated", 16: "Stack fault", 17: "Child exited", 18: "Continued",
	19: "Stopped (signal)", 20: "Stopped", 21: "Stopped (tty input)", 22: "Stopped (tty output)", 23: "Urgent I/O condition",
	24: "CPU time limit exceeded", 25: "File size limit exceeded", 26: "Virtual timer expired", 27: "Profiling timer expired",
	28: "Window changed", 29: "I/O possible", 30: "Power failure", 31: "Bad system call",
}
