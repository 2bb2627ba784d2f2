// Values as people read them. Whatever comes from tasks goes through plain.
import { el } from "./dom.js";

// Control characters and those that turn text around: nothing in here is meant to
// act on who reads it. Tabs and ends of lines stay.
const acting = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function visible(c) {
	const code = c.charCodeAt(0);
	if (code < 0x20 || code === 0x7f) return "^" + String.fromCharCode(code ^ 0x40); // as cat -v writes it
	return "‹" + code.toString(16).toUpperCase().padStart(4, "0") + "›";
}

// plain shows what would act, such as the escapes of a terminal, as signs.
export const plain = (text) => String(text ?? "").replaceAll("\r\n", "\n").replace(acting, visible);

const many = new Intl.NumberFormat("en");

export const count = (n) => many.format(n ?? 0);

export const counted = (n, one, more) => count(n) + " " + (n === 1 ? one : more);

// amount is a number with at most so many digits behind the point.
export const amount = (n, digits = 3) => String(Number((n ?? 0).toFixed(digits)));

// length is a time in seconds, in its two largest units.
export function length(seconds) {
	if (seconds < 0.9995) return Math.round(Math.max(0, seconds) * 1000) + " ms";
	if (seconds < 9.95) return amount(seconds, 1) + " s";
	const s = Math.round(seconds);
	if (s < 60) return s + " s";
	if (s < 3600) return Math.floor(s / 60) + " min" + (s % 60 ? " " + (s % 60) + " s" : "");
	if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
	return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
}

// about is a time that is only estimated.
export function about(seconds) {
	if (seconds < 10) return "a few seconds";
	if (seconds < 90) return Math.round(seconds / 5) * 5 + " s";
	if (seconds < 5400) return Math.round(seconds / 60) + " min";
	if (seconds < 129600) return amount(seconds / 3600, 1) + " h";
	return amount(seconds / 86400, 1) + " days";
}

function distance(milliseconds) {
	const s = Math.abs(milliseconds) / 1000;
	const text = s < 60 ? Math.floor(s) + " s" : s < 3600 ? Math.floor(s / 60) + " min" : s < 172800 ? Math.floor(s / 3600) + " h" : Math.floor(s / 86400) + " d";
	if (s < 1) return "now";
	return milliseconds < 0 ? "in " + text : text + " ago";
}

const two = (n, digits = 2) => String(n).padStart(digits, "0");

function exact(t) {
	return t.getFullYear() + "-" + two(t.getMonth() + 1) + "-" + two(t.getDate()) +
		" " + two(t.getHours()) + ":" + two(t.getMinutes()) + ":" + two(t.getSeconds()) + "." + two(t.getMilliseconds(), 3);
}

// when is an instant of the API, as the time since then; null without one.
export function when(instant) {
	const t = new Date(instant ?? NaN);
	return isNaN(t) ? null : el("time", { datetime: instant, title: exact(t) }, distance(Date.now() - t));
}

// clock is the same as a date and time.
export function clock(instant) {
	const t = new Date(instant ?? NaN);
	return isNaN(t) ? null : el("time", { datetime: instant, "data-exact": true }, exact(t));
}

// tick brings the times since on the page up to date.
export function tick() {
	for (const e of document.querySelectorAll("time:not([data-exact])")) {
		const text = distance(Date.now() - Date.parse(e.dateTime));
		if (e.textContent !== text) e.firstChild.data = text;
	}
}

// resources are those of an offer or a task, in a line.
export function resources(r) {
	if (!r || !(r.cpus || r.mem || r.disk || r.gpus)) return el("span", { class: "quiet" }, "–");
	const parts = [[amount(r.cpus), " cpus"], [count(r.mem), " MB"]];
	if (r.disk) parts.push([count(r.disk), " MB disk"]);
	if (r.gpus) parts.push([count(r.gpus), " gpus"]);
	return el("span", { class: "amounts" }, parts.map(([n, unit]) => el("span", {}, el("b", {}, n), unit)));
}

// ranges are numbers, with those that follow each other together: 31000-31002, 31005.
export function ranges(numbers) {
	const parts = [];
	for (const n of numbers) {
		const last = parts.at(-1);
		if (last && n === last[1] + 1) last[1] = n;
		else parts.push([n, n]);
	}
	return parts.map(([a, b]) => (a === b ? String(a) : a + "-" + b)).join(", ");
}

const colors = { finished: "good", failed: "bad", killed: "odd", running: "live", starting: "live", fetching: "live" };

// state is a state of a task; a sign says it beside the color.
export function state(row) {
	return el("span", { class: "state " + (colors[row.state] ?? "still") }, plain(row.state) + (row.waits ? ", " + plain(row.waits) : ""));
}

// What Mesos says of an end that its number or signal says as well.
const known = /^Command (exited with status|terminated with signal)/;

// result is how a task or a launch ended, in a line; "" while there is nothing to
// say, and of what ended well.
export function result(row) {
	const parts = [];
	if (row.state === "finished" || row.state === "TASK_FINISHED") return "";
	if (row.signal) parts.push(row.signal);
	else if (row.exit_code) parts.push("exit " + row.exit_code);
	if (row.reason) parts.push(row.reason);
	if (row.message && !(parts.length && known.test(row.message))) parts.push(row.message);
	return plain(parts.join(" · "));
}

export const ended = (row) => row.state === "finished" || row.state === "failed" || row.state === "killed";
