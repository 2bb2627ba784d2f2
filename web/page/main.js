// The page as a whole: which part of it is shown, what every part knows, and
// whether there is anybody to ask.
import { Agents } from "./agents.js";
import { read } from "./api.js";
import { askToken, make } from "./change.js";
import { el, say, show } from "./dom.js";
import { Failures } from "./failures.js";
import { List } from "./list.js";
import { Live } from "./live.js";
import { endedOf, percent } from "./overview.js";
import { Task } from "./task.js";
import { count, plain, tick } from "./text.js";
import { submitTask } from "./submit.js";
import { parse, taskAt } from "./where.js";

const find = (id) => document.getElementById(id);
const root = find("main");
const toggle = find("live");
const words = { connecting: "connecting", live: "connected", still: "paused", asking: "no events", lost: "not connected" };

let status = null;
let changes = true; // whether this browser may change the queue
let connection = "connecting";
let trouble = null; // why there is no connection
let said = null; // what came of the last change
let view = null, at = null, close = null;

// page is what a part of it is given.
const page = {
	get status() {
		return status;
	},
	// ask asks for the status.
	async ask() {
		try {
			told(await read("status"));
		} catch {
			// The connection tells.
		}
	},
	// replace goes elsewhere in place of where one is.
	replace(hash) {
		history.replaceState(null, "", hash);
		turn();
	},
	change: (verb, selection, what) => alter(() => make(verb, selection, what)),
};

// alter does what changes the queue, and says what came of it.
async function alter(change) {
	said = null;
	notes();
	if (!changes) return askToken();
	const outcome = await change();
	if (outcome?.token) {
		changes = false;
		notes();
		return askToken();
	}
	if (outcome) said = outcome; // else something else may have been said meanwhile
	notes();
	view?.reset();
}

// turn shows what the address says.
function turn() {
	const next = parse(location.hash);
	const known = { __proto__: null, tasks: next.id ? Task : List, failures: Failures, agents: Agents }[next.page];
	if (!known) return page.replace("#/");
	if (!(view instanceof known) || known === Task && at.id !== next.id) {
		close?.abort();
		view?.close();
		close = new AbortController();
		const first = !view;
		view = new known(root, Object.create(page, { closed: { value: close.signal } }), next);
		view.want?.(wanted());
		if (!first) {
			said = null;
			root.querySelector("h1").focus({ preventScroll: true });
			scrollTo(0, 0);
		}
	}
	at = next;
	view.go(next);
	for (const link of document.querySelectorAll("nav [data-page]"))
		if (link.dataset.page === next.page) link.setAttribute("aria-current", "page");
		else link.removeAttribute("aria-current");
	notes();
	title();
}

function title() {
	const far = status?.tasks ? percent(status) + " % · " : "";
	const text = far + (view?.title ?? "") + " – cmdq";
	if (document.title !== text) document.title = text;
}

function told(next) {
	const before = status;
	status = next;
	view?.status(status, before);
	if (status.file_unused !== before?.file_unused) notes();
	const failed = (status.states.failed ?? 0) + (status.states.killed ?? 0);
	say(find("failed"), failed ? count(failed) : "");
	say(find("about"), plain(status.version) + (status.framework ? ", framework " + plain(status.framework) : "") + ", " + plain(status.file));
	title();
}

// notes tell what came of a change, and what is wrong with the connection.
function notes() {
	const list = [];
	if (said) list.push(el("div", { class: "notice " + said.kind, "data-key": "said" }, el("p", {}, said.text, said.id ? [" ", el("a", { href: taskAt(said.id) }, "Show it")] : null), said.list?.length ? el("ul", {}, said.list.map((line) => el("li", {}, line))) : null, dismiss()));
	if (trouble?.token) list.push(el("div", { class: "notice bad", "data-key": "token" }, el("p", {}, "cmdq shows nothing without its token. Open the address that it printed when it started, or enter the token."), tokenButton("Enter the token")));
	else if (connection === "lost") list.push(el("div", { class: "notice bad", "data-key": "lost" }, el("p", {}, lost()), el("button", { type: "button", "data-again": true }, "Try now")));
	else if (trouble) list.push(el("div", { class: "notice bad", "data-key": "refused" }, el("p", {}, plain(trouble.message) + ".")));
	if (status?.file_unused) list.push(el("div", { class: "notice bad", "data-key": "file" }, el("p", {}, "The tasks file is not used as it is now: " + plain(status.file_unused))));
	show(find("notes"), list);
	root.hidden = Boolean(trouble?.token); // there is nothing in it
	const bar = document.querySelector(".live");
	const want = !changes && !trouble?.token;
	if (want !== Boolean(find("readonly"))) want ? bar.append(tokenButton("Read only", { id: "readonly", title: "This browser does not have the token, which changing the queue needs." })) : find("readonly").remove();
}

function lost() {
	const over = status && status.tasks > 0 && endedOf(status) === status.tasks;
	return over ? "cmdq does not answer any more. All tasks had ended, so it has most likely ended too." : "cmdq does not answer. What is shown here is old; it is tried again and again.";
}

const tokenButton = (name, attributes = {}) => el("button", { type: "button", "data-token": true, ...attributes }, name);
const dismiss = () => el("button", { type: "button", "data-dismiss": true }, "Dismiss");

const live = new Live({
	task: (row) => row && view?.task(row),
	status: (next) => next && told(next),
	reset: () => view?.reset(),
	connection(word, error) {
		trouble = error?.status ? error : word === "live" || word === "asking" ? null : trouble;
		if (word !== "connecting" || connection === "still") connection = word; // who is lost stays so until there is an answer
		say(find("connection"), error?.status ? "refused" : words[connection]);
		document.documentElement.dataset.connection = connection;
		notes();
		if (word === "live" || word === "asking" && !error) rights();
	},
});

// rights finds out whether this browser may change the queue.
async function rights() {
	try {
		changes = (await read("version")).changes !== false;
	} catch {
		return; // the connection tells
	}
	notes();
}

const wanted = () => toggle.checked && !document.hidden;

function want() {
	live.want(wanted());
	view?.want?.(wanted());
}

toggle.checked = true; // some browsers remember
toggle.addEventListener("change", want);
document.addEventListener("visibilitychange", want);
addEventListener("online", () => live.again());
addEventListener("hashchange", turn);
document.addEventListener("click", (e) => {
	const b = e.target.closest("button, .skip");
	if (b?.dataset.token !== undefined) askToken();
	if (b?.dataset.submit !== undefined) alter(submitTask);
	if (b?.dataset.again !== undefined) live.again();
	if (b?.dataset.dismiss !== undefined) {
		said = null;
		notes();
		root.focus({ preventScroll: true });
	}
	if (b?.classList.contains("skip")) {
		e.preventDefault(); // the address says which page it is
		root.focus();
	}
});
setInterval(tick, 1000);
turn();
want();
