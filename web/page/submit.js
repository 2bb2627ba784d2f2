// Queues a command: a task with what most of them need. All else that a task can
// say is for a tasks file.
import { submit } from "./api.js";
import { came, dialog, pressed, wentWrong } from "./change.js";
import { el } from "./dom.js";
import { plain } from "./text.js";

// The fields beside the command: the name, what it is called, what stands there at
// first, and what is taken.
const fields = [
	["id", "Id", "", "one is made if there is none"],
	["cpus", "Cpus", "0.1", "such as 0.5 or 4"],
	["mem", "Memory in MB", "100", "or with a unit as in 2GB"],
];

// found takes the place of each thing that is wrong out of what cmdq says: it is
// nothing new to who sees one task only.
const found = (text) => text.replace(/^Submit: /, "").split(/ ?<submitted>:\d+: (?:task "(?:[^"\\]|\\.)*": )?/).filter(Boolean);

// submitTask asks for a command and queues it. It returns what to say, as make does.
export async function submitTask() {
	let sent = null; // what comes of it, while that is open or is good
	await dialog((close) => {
		const trouble = el("div", { class: "gone", role: "alert" });
		const state = el("p", { class: "quiet", role: "status" });
		const form = el("form", { class: "ask" },
			el("label", {}, el("span", {}, "Command"), el("textarea", { name: "command", rows: 3, required: true, autofocus: true, spellcheck: "false", placeholder: "for the shell" })),
			fields.map(([name, title, value, hint]) => el("label", {}, el("span", {}, title), el("input", { name, value, placeholder: hint, autocomplete: "off", spellcheck: "false" }))),
			trouble, state,
			el("p", { class: "actions" }, el("button", { type: "submit", class: "strong", id: "yes" }, "Queue it"), pressed("Not now", {}, () => close(""))));
		form.addEventListener("submit", async (e) => {
			e.preventDefault();
			if (sent) return;
			trouble.replaceChildren();
			state.textContent = "Waiting for cmdq …";
			sent = send(read(form));
			const said = await sent;
			if (said.kind !== "bad" && !said.token) return close("");
			sent = null;
			state.textContent = "";
			trouble.append(...(said.token ? [stale] : found(said.text)).map((line) => el("p", {}, line)));
		});
		return [el("h2", { id: "question-title" }, "Submit a task"), form];
	});
	return sent;
}

const stale = "cmdq does not take the token of this page any more. Keep a copy of the command, and load the page again.";

// read makes a task of what was typed. An id that is made stays in the form: the
// same sent twice is one task.
function read(form) {
	const typed = Object.fromEntries([...new FormData(form)].map(([name, text]) => [name, text.toWellFormed()]));
	const id = typed.id.trim() || madeId(typed.command);
	form.elements.id.value = id;
	return { id, command: typed.command, cpus: number(typed.cpus.trim()), mem: number(typed.mem.trim()) };
}

async function send(task) {
	try {
		const said = came(await submit(asYAML({ tasks: [task] })), "queued");
		return { ...said, id: task.id };
	} catch (e) {
		return { ...wentWrong("Submit", e), list: ["The command was: " + plain(task.command)] }; // for who has closed the form
	}
}

// number leaves what is none to cmdq, which says what it takes.
const number = (text) => (/^(0|[1-9]\d{0,14})(\.\d+)?$/.test(text) ? Number(text) : text);

// madeId is an id that nobody has: the name of what is run, and 40 bits by chance.
function madeId(command) {
	const program = command.trim().split(/\s/)[0].split("/").at(-1);
	const base = program.replace(/[^A-Za-z0-9_.-]/g, "").replace(/^[-.]+|[-.]+$/g, "").slice(0, 40) || "task";
	return base + "-" + Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => "abcdefghijklmnopqrstuvwxyz234567"[b % 32]).join("");
}

// asYAML makes YAML of JSON: of the characters that cannot be seen YAML refuses some,
// and takes others for the end of a line; and it knows no surrogates.
const asYAML = (value) => JSON.stringify(value).replace(/[\x7f-\ud7ff\ue000-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
