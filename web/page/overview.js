// How far the queue is: a bar, the number of tasks in each state, the time left.
import { about, amount, count, plain, state, when } from "./text.js";
import { drawn, el } from "./dom.js";

// parts are what the bar shows, from the left.
const parts = [["finished", "good"], ["failed", "bad"], ["killed", "odd"], ["running", "live"], ["starting", "live"], ["fetching", "live"], ["idle", "still"]];
const waits = ["waiting", "delayed", "held"];

export const endedOf = (s) => (s.states.finished ?? 0) + (s.states.failed ?? 0) + (s.states.killed ?? 0);

// percent is 100 only when all have ended.
export const percent = (s) => (s.tasks ? Math.floor((100 * endedOf(s)) / s.tasks) : 0);

// overview shows a status; chosen is the state that the list is of, and at the
// address of the list of another.
export function overview(s, chosen, at) {
	if (!s) return [el("p", { class: "quiet" }, "Asking cmdq …")];
	if (!s.tasks) return [el("p", { class: "empty" }, "No tasks are queued. ", el("code", {}, "cmdq submit -- COMMAND"), " queues one.")];
	return [
		el("p", { class: "headline" }, el("b", {}, count(endedOf(s))), " of " + count(s.tasks) + " tasks have ended, " + percent(s) + " %"),
		bar(s),
		chips(s, chosen, at),
		el("dl", { class: "figures" },
			fact("Time left", left(s)),
			fact("Rate", s.rate > 0 ? amount(s.rate, s.rate < 10 ? 2 : 0) + " tasks a second" : "none ended in the last minute"),
			fact("Began", when(s.began) ?? "–"),
			fact("Offers", s.suppressed ? "none are wanted now" : s.offered ? ["the last ", when(s.offered)] : "none yet"),
			fact("Mesos", master(s))),
		s.connected ? null : el("p", { class: "notice bad" }, "cmdq is not connected to the Mesos master. What runs goes on; nothing new is started."),
		s.holdup ? el("p", { class: "notice" }, plain(s.holdup)) : null,
	];
}

const fact = (name, ...value) => el("div", {}, el("dt", {}, name), el("dd", {}, ...value));

function left(s) {
	if (endedOf(s) === s.tasks) return "all have ended";
	return s.left === null || s.left === undefined ? "unknown" : "about " + about(s.left);
}

// master is a link to the page of Mesos, if that is a web address.
function master(s) {
	const name = plain(s.master) || "none";
	if (!/^https?:\/\//i.test(s.page ?? "")) return name;
	return el("a", { href: s.page, rel: "noreferrer noopener", target: "_blank" }, name, el("span", { class: "unseen" }, " (opens the page of Mesos)"));
}

function bar(s) {
	let x = 0;
	const pieces = parts.map(([name, color]) => {
		const width = (1000 * (s.states[name] ?? 0)) / s.tasks;
		const piece = drawn("rect", { class: "part " + color, x: x.toFixed(2), width: width.toFixed(2), height: 10 });
		x += width;
		return piece;
	});
	return el("div", { class: "bar", role: "progressbar", "aria-label": "tasks that have ended", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": percent(s) },
		drawn("svg", { viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true" }, ...pieces));
}

// chips choose the state of the list.
function chips(s, chosen, at) {
	const chip = (name, label, n) => el("li", {}, el("a", { href: at(name), "data-state": name || "all", "aria-current": chosen === name ? "true" : false }, label, " ", el("b", {}, count(n))));
	return el("ul", { class: "chips", "aria-label": "List the tasks of a state" },
		chip("", "all", s.tasks),
		parts.map(([name]) => chip(name, state({ state: name }), s.states[name])),
		waits.map((name) => (s[name] || chosen === name ? chip(name, state({ state: name }), s[name]) : null)));
}
