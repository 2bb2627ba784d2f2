// What changes the queue: buttons, the question before it, what came of it, and
// the token that it needs.
import { Lost, change, rightToken } from "./api.js";
import { el } from "./dom.js";
import { count, counted, plain } from "./text.js";

const verbs = {
	cancel: ["Cancel", "canceled", "What runs of it is killed, and what waits is never started."],
	retry: ["Retry", "queued again", "It is run again, with all of its retries."],
	hold: ["Hold", "held", "It is not started until it is released."],
	release: ["Release", "released", "It may be started again."],
};

// buttons are those that make sense of a task; of any, where none is given.
export function buttons(row) {
	const over = row && (row.state === "finished" || row.state === "failed" || row.state === "killed");
	const shown = !row ? Object.keys(verbs)
		: over ? ["retry"]
		: row.state !== "idle" ? ["cancel"]
		: row.waits === "held" ? ["release", "cancel"] : ["hold", "cancel"];
	return shown.map((verb) => button(verb));
}

export const button = (verb, attributes = {}, name = verbs[verb][0]) => el("button", { type: "button", "data-verb": verb, "data-key": verb, ...attributes }, name);

// make asks whether it is meant where that matters, and does it. It returns what
// to say: {kind, text, list}, {token: true} where the token is missing, or null.
export async function make(verb, selection, what) {
	const [name, done, meaning] = verbs[verb];
	if (verb === "cancel" || verb === "retry" && !(selection.ids?.length === 1)) {
		if (!(await sure(name + " " + what + "?", meaning, name))) return null;
	}
	try {
		return came(await change(verb, selection), done);
	} catch (e) {
		return wentWrong(name, e);
	}
}

// came is what to say of an outcome.
export function came(outcome, done) {
	const notes = (outcome.notes ?? []).map((n) => plain(n.id) + ": " + plain(n.text));
	const one = outcome.count === 1 && outcome.changed?.length ? "Task " + plain(outcome.changed[0]) + " is " : counted(outcome.count, "task is ", "tasks are ");
	return { kind: outcome.count ? "good" : "", text: outcome.count ? one + done + "." : "Nothing was changed.", list: notes.slice(0, 5).concat(notes.length > 5 ? ["and " + count(notes.length - 5) + " more"] : []) };
}

// wentWrong is what to say of an error, or that the token is missing.
export function wentWrong(name, e) {
	if (e.token) return { token: true };
	if (e instanceof Lost) return { kind: "bad", text: name + ": " + plain(e.message) + "; it may have been done all the same." };
	return { kind: "bad", text: name + ": " + plain(e.message) + "." };
}

// dialog shows parts in the one dialog of the page until its close(value) is
// called, and returns that value: "" if it was closed by the escape key, or if what
// stands there is something else, which stays.
export function dialog(parts) {
	const box = document.getElementById("question");
	if (box.open) return Promise.resolve("");
	const back = document.activeElement;
	let shown = true; // who is late with its close must not close the next one
	box.returnValue = "";
	box.replaceChildren(...parts((value) => shown && box.close(value)));
	box.setAttribute("aria-labelledby", "question-title");
	box.showModal();
	return new Promise((resolve) => box.addEventListener("close", () => {
		shown = false;
		box.replaceChildren(); // a token does not stay in there
		box.removeAttribute("aria-labelledby");
		back?.focus({ preventScroll: true });
		resolve(box.returnValue);
	}, { once: true }));
}

export function pressed(name, attributes, then) {
	const b = el("button", { type: "button", ...attributes }, name);
	b.addEventListener("click", then);
	return b;
}

async function sure(question, meaning, name) {
	return "yes" === (await dialog((close) => [
		el("h2", { id: "question-title" }, question), el("p", {}, meaning),
		el("p", { class: "actions" }, pressed("Yes, " + name.toLowerCase(), { class: "strong", id: "yes" }, () => close("yes")), pressed("Leave it", { autofocus: true }, () => close(""))),
	]));
}

// askToken lets one type the token, and goes where the server keeps it as a cookie
// that no script can read.
export async function askToken() {
	await dialog((close) => {
		const field = el("input", { type: "password", id: "token", autocomplete: "off", autofocus: true });
		const trouble = el("p", { class: "gone", role: "alert" });
		const take = async () => {
			trouble.textContent = "";
			const token = field.value.trim();
			try {
				if (!token || !(await rightToken(token))) trouble.textContent = "That is not the token of this cmdq.";
				else location.replace("/?token=" + encodeURIComponent(token) + location.hash);
			} catch (e) {
				trouble.textContent = plain(e.message) + ".";
			}
		};
		const form = el("form", {}, el("label", { for: "token" }, "Token"), field, trouble,
			el("p", { class: "actions" }, pressed("Use it", { class: "strong", id: "yes" }, take), pressed("Not now", {}, () => close(""))));
		form.addEventListener("submit", (e) => {
			e.preventDefault();
			take();
		});
		return [el("h2", { id: "question-title" }, "The token of this cmdq"),
			el("p", {}, "It is in the file ", el("code", {}, "token"), " of the state directory, ", el("code", {}, ".cmdq"), " if nothing else was said, and in the address that cmdq printed when it started."), form];
	});
}
