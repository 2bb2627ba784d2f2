// The agents as they were last seen.
import { el, show } from "./dom.js";
import { count, plain, resources, when } from "./text.js";
import { listAt } from "./where.js";

const most = 1000; // rows
const redraw = 500; // ms between two drawings
const rest = 5000; // ms between two questions for all agents

export class Agents {
	#page;
	#body = el("div", { id: "agents" });
	#agents = null;
	#timer = 0;
	#asked = 0;

	constructor(root, page) {
		this.#page = page;
		root.replaceChildren(el("h1", { tabindex: -1 }, "Agents"), this.#body);
	}

	get title() {
		return "Agents";
	}

	go() {
		if (this.#page.status) this.status(this.#page.status);
		this.#draw();
	}

	task() {}

	// status of an event names only the first agents, where there are many: then
	// all of them are asked for, now and then.
	status(status) {
		if (!status.more_agents) this.#agents = status.agents;
		else if (Date.now() - this.#asked > rest) {
			this.#asked = Date.now();
			this.#page.ask();
		}
		this.#timer ||= setTimeout(() => {
			this.#timer = 0;
			this.#draw();
		}, redraw);
	}

	reset() {
		this.#page.ask();
	}

	close() {
		clearTimeout(this.#timer);
	}

	#draw() {
		const agents = this.#agents;
		if (!agents) return show(this.#body, el("p", { class: "quiet" }, "Asking cmdq …"));
		if (!agents.length) return show(this.#body, el("p", { class: "empty" }, "No agent has made an offer yet."));
		show(this.#body,
			el("p", { class: "quiet" }, "What an agent offers shows what is free there for this queue at that time. An agent that has not offered for a while may be full, or others use it."),
			el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Agents" },
				el("table", { class: "cards plain" }, el("caption", { class: "unseen" }, "Agents"),
					el("thead", {}, el("tr", {}, ["Host", "Our tasks", "Last offer", "It offered", "We use", "Most ever seen", "Note"].map((name) => el("th", { scope: "col", class: name === "Our tasks" ? "n" : false }, name)))),
					el("tbody", {}, agents.slice(0, most).map(agent)))),
			agents.length > most ? el("p", { class: "quiet" }, "and " + count(agents.length - most) + " more") : null);
	}
}

function agent(a) {
	const cell = (label, kind, ...value) => el("td", { class: kind, "data-label": label }, ...value);
	return el("tr", { "data-key": a.id },
		el("th", { scope: "row", class: "host" }, el("a", { href: listAt({ agent: a.id }), title: plain(a.id) }, plain(a.name || a.host))),
		cell("our tasks", "n", count(a.tasks)),
		cell("last offer", "time", when(a.seen) ?? "none"),
		cell("it offered", "", resources(a.offered)),
		cell("we use", "", resources(a.used)),
		cell("most ever seen", "", resources(a.largest)),
		el("td", { class: "note" }, a.note ? plain(a.note) : null));
}
