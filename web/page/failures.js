// The tasks that failed or were killed, those alike together.
import { Lost, read } from "./api.js";
import { button } from "./change.js";
import { el, show } from "./dom.js";
import { count, counted, ended, plain, result, state } from "./text.js";
import { taskAt } from "./where.js";

const rest = 2000; // ms at least between two looks

export class Failures {
	#page;
	#body = el("div", { id: "failures" });
	#failures = null;
	#trouble = "";
	#timer = 0;
	#loading = false;
	#stale = false;
	#took = 0;
	#loaded = 0; // when

	constructor(root, page) {
		this.#page = page;
		root.replaceChildren(el("h1", { tabindex: -1 }, "Failures"), this.#body);
		root.addEventListener("click", (e) => this.#click(e.target.closest("button")?.dataset), { signal: page.closed });
	}

	get title() {
		return "Failures";
	}

	go() {
		this.#load();
		this.#draw();
	}

	// task: also a task that is queued again has been in here.
	task(row) {
		if (ended(row) || row.attempts) this.#soon();
	}

	status(status, before) {
		for (const name of ["failed", "killed"]) if (status.states[name] !== before?.states[name]) this.#soon();
	}

	reset() {
		this.#soon();
	}

	close() {
		clearTimeout(this.#timer);
	}

	#soon() {
		this.#stale = true;
		if (this.#timer || this.#loading) return;
		const next = this.#loaded + Math.max(rest, 10 * this.#took);
		this.#timer = setTimeout(() => this.#load(), Math.max(0, next - performance.now()));
	}

	async #load() {
		const began = performance.now();
		clearTimeout(this.#timer);
		this.#timer = 0;
		[this.#loading, this.#stale] = [true, false];
		try {
			[this.#failures, this.#trouble] = [await read("failures", this.#page.closed), ""];
		} catch (e) {
			if (this.#page.closed.aborted) return;
			if (!(e instanceof Lost)) this.#trouble = e.message;
		}
		this.#loaded = performance.now();
		this.#took = this.#loaded - began;
		this.#loading = false;
		this.#draw();
		if (this.#stale) this.#soon(); // something changed meanwhile
	}

	#click(data) {
		if (!data?.verb) return;
		if (data.all !== undefined) this.#page.change("retry", { failed: true }, counted(this.#failures.tasks, "task", "tasks"));
		else this.#page.change("retry", { group: data.group }, counted(Number(data.count), "task", "tasks"));
	}

	#draw() {
		if (this.#page.closed.aborted) return;
		if (this.#trouble) return show(this.#body, el("p", { class: "empty bad", role: "alert" }, plain(this.#trouble)));
		const f = this.#failures;
		if (!f) return show(this.#body, el("p", { class: "quiet" }, "Asking for them …"));
		const groups = f.groups ?? [];
		if (!groups.length) return show(this.#body, el("p", { class: "empty" }, "No task has failed or was killed."));
		show(this.#body,
			el("p", { class: "actions" }, el("span", {}, counted(f.tasks, "task", "tasks") + " in " + counted(groups.length, "group", "groups")), button("retry", { "data-all": true, "data-key": "all" }, "Retry all")),
			el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Groups of failures" },
				el("table", { class: "cards plain" }, el("caption", { class: "unseen" }, "Groups of failures, the largest first"),
					el("thead", {}, el("tr", {}, ["Tasks", "State", "How", "Last line of standard error, numbers and paths blurred", "For example", "Again"].map((name) => el("th", { scope: "col", class: name === "Tasks" ? "n" : false }, name)))),
					el("tbody", {}, groups.map(group)))));
	}
}

function group(g) {
	return el("tr", { "data-key": g.key },
		el("th", { scope: "row", class: "n" }, count(g.count), el("span", { class: "unseen" }, " tasks")),
		el("td", { class: "first" }, state(g)),
		el("td", { class: "how" }, result(g) || null),
		el("td", { class: "lastline" }, g.line ? el("code", {}, plain(g.line)) : el("span", { class: "quiet" }, "nothing")),
		el("td", { class: "name", "data-label": "for example" }, el("a", { href: taskAt(g.example) }, plain(g.example))),
		el("td", { class: "again" }, button("retry", { "data-group": g.key, "data-count": g.count, "aria-label": "Retry these " + counted(g.count, "task", "tasks") }), el("code", {}, plain(g.retry))));
}
