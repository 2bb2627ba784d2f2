// The list of tasks: filtered, sorted and cut into pages by the server. A task
// that changes is shown at once where it stands; the list itself is asked for
// again a little later, the later the longer the server took.
import { Lost, read } from "./api.js";
import { buttons } from "./change.js";
import { el, say, show } from "./dom.js";
import { overview } from "./overview.js";
import { filterForm, pager, table } from "./table.js";
import { counted, plain } from "./text.js";
import { listAt } from "./where.js";

const size = 100; // tasks a page
const redraw = 200; // ms from the first change to a new drawing
const rest = 2000; // ms at least between two lists that nobody asked for
const typing = 250; // ms

export class List {
	#page;
	#parts = {};
	#where = {};
	#rows = [];
	#fresh = new Map(); // rows that came while a list was under way, by id
	#total = null;
	#trouble = "";
	#chosen = new Set(); // ids
	#loading = null; // an AbortController
	#took = 0;
	#loaded = 0; // when
	#timers = {};

	constructor(root, page) {
		this.#page = page;
		for (const name of ["overview", "filters", "chosen", "table", "pages"]) this.#parts[name] = el("div", { id: name });
		this.#parts.filters.append(this.#form());
		const submit = el("button", { type: "button", "data-submit": true }, "Submit a task");
		root.replaceChildren(el("div", { class: "head" }, el("h1", { tabindex: -1 }, "Tasks"), submit), ...Object.values(this.#parts));
		root.addEventListener("change", (e) => this.#choose(e.target), { signal: page.closed });
		root.addEventListener("click", (e) => this.#click(e), { signal: page.closed });
	}

	get title() {
		return "Tasks";
	}

	// go shows what an address says.
	go({ query }) {
		this.#where = Object.fromEntries(query);
		this.#chosen.clear();
		for (const field of this.#parts.filters.querySelectorAll("input"))
			if (field !== document.activeElement) field.value = this.#where[field.name] ?? "";
		const more = this.#parts.filters.querySelector("details");
		more.open ||= ["label", "group", "agent"].some((name) => this.#where[name]);
		this.#load();
		this.#draw();
	}

	task(row) {
		if (this.#loading) this.#fresh.set(row.id, row);
		const at = this.#rows.findIndex((r) => r.id === row.id);
		if (at >= 0) {
			this.#rows[at] = row;
			this.#later("draw", redraw, () => this.#draw());
		}
		if (this.#filtered || !/^-?(id|submitted)?$/.test(this.#where.sort ?? "")) this.#soon(); // it may come, go or move
	}

	status(status, before) {
		if (status.tasks !== before?.tasks) this.#soon();
		this.#later("draw", redraw, () => this.#draw());
	}

	reset() {
		this.#soon();
	}

	close() {
		this.#loading?.abort();
		Object.values(this.#timers).forEach(clearTimeout);
	}

	#later(name, wait, then) {
		this.#timers[name] ??= setTimeout(() => {
			this.#timers[name] = null;
			then();
		}, wait);
	}

	// soon loads the list again, but not all the time.
	#soon() {
		const next = this.#loaded + Math.max(rest, 10 * this.#took);
		this.#later("load", Math.max(redraw, next - performance.now()), () => {
			if (this.#loading) this.#soon();
			else this.#load();
		});
	}

	async #load() {
		this.#loading?.abort();
		const loading = (this.#loading = new AbortController());
		const began = performance.now();
		this.#fresh.clear();
		try {
			const answer = await read("tasks?" + this.#query(), loading.signal);
			if (answer.total > 0 && this.#offset >= answer.total) {
				location.replace(this.#at({ offset: Math.floor((answer.total - 1) / size) * size }));
				return;
			}
			[this.#rows, this.#total, this.#trouble] = [answer.tasks.map((r) => this.#fresh.get(r.id) ?? r), answer.total, ""];
		} catch (e) {
			if (loading.signal.aborted) return;
			if (!(e instanceof Lost)) [this.#rows, this.#total] = [[], null];
			this.#trouble = e instanceof Lost ? "" : e.message; // who is lost is told above
		} finally {
			if (loading === this.#loading) this.#loading = null;
		}
		this.#loaded = performance.now();
		this.#took = this.#loaded - began;
		this.#draw();
	}

	get #offset() {
		return Math.max(0, parseInt(this.#where.offset, 10) || 0);
	}

	#query() {
		const q = new URLSearchParams({ offset: this.#offset, limit: size });
		for (const name of ["state", "label", "group", "agent", "sort"]) if (this.#where[name]) q.set(name, this.#where[name]);
		const part = this.#where.match;
		if (part) q.set("match", /[*?[]/.test(part) ? part : "*" + part.replaceAll("\\", "\\\\") + "*");
		return q;
	}

	// at is the address of this list with something changed.
	#at = (changes) => listAt({ ...this.#where, ...changes });

	#form() {
		const form = filterForm();
		const filter = () => {
			const now = Object.fromEntries([...form.querySelectorAll("input")].map((f) => [f.name, f.value.trim()]));
			const to = this.#at({ ...now, offset: 0 });
			if (to !== this.#at({})) this.#page.replace(to);
		};
		form.addEventListener("input", () => {
			clearTimeout(this.#timers.typing);
			this.#timers.typing = setTimeout(filter, typing);
		});
		form.addEventListener("submit", (e) => {
			e.preventDefault();
			filter();
		});
		return form;
	}

	#draw() {
		const { overview: top, filters, chosen, table: body, pages } = this.#parts;
		filters.hidden = this.#page.status?.tasks === 0;
		show(top, overview(this.#page.status, this.#where.state ?? "", (state) => this.#at({ state, offset: 0 })));
		show(chosen, this.#bulk());
		show(body, this.#table());
		show(pages, this.#rows.length ? pager(this.#offset, this.#rows.length, this.#total, size, this.#at) : null);
		say(document.getElementById("matches"), this.#total !== null && this.#filtered ? counted(this.#total, "task fits", "tasks fit") : "");
	}

	get #filtered() {
		return ["state", "match", "label", "group", "agent"].some((name) => this.#where[name]);
	}

	#table() {
		if (this.#trouble) return el("p", { class: "empty bad", role: "alert" }, plain(this.#trouble));
		if (this.#total === null) return el("p", { class: "quiet" }, "Asking for the tasks …");
		if (this.#rows.length) return table(this.#rows, this.#chosen, this.#where.sort, this.#at);
		return this.#filtered ? el("p", { class: "empty" }, "No task fits. ", el("a", { href: "#/" }, "Show all tasks")) : null;
	}

	#bulk() {
		if (!this.#chosen.size) return null;
		return el("p", { class: "actions", role: "group", "aria-label": "The chosen tasks" }, el("span", {}, counted(this.#chosen.size, "task chosen", "tasks chosen")),
			buttons(), el("button", { type: "button", "data-none": true }, "Choose none"));
	}

	#choose(box) {
		const ids = box.id === "all" ? this.#rows.map((r) => r.id) : box.dataset.id !== undefined ? [box.dataset.id] : [];
		for (const id of ids) box.checked ? this.#chosen.add(id) : this.#chosen.delete(id);
		if (ids.length) this.#draw();
	}

	#click(e) {
		const button = e.target.closest("button");
		if (button?.dataset.verb) this.#page.change(button.dataset.verb, { ids: [...this.#chosen] }, counted(this.#chosen.size, "task", "tasks"));
		if (button?.dataset.none === undefined) return;
		this.#chosen.clear();
		this.#draw();
		document.getElementById("all")?.focus();
	}
}
