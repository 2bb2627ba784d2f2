// One task: why it is where it is, what it is, its launches, what it writes.
import { Lost, read, taskPath } from "./api.js";
import { buttons } from "./change.js";
import { el, show } from "./dom.js";
import { Log } from "./log.js";
import { clock, count, ended, length, plain, ranges, resources, result, state, when } from "./text.js";
import { listAt } from "./where.js";

const rest = 500; // ms between two looks at it

export class Task {
	#page;
	#body = el("div", { id: "task" });
	#id;
	#task = null;
	#reason = null;
	#trouble = "";
	#log;
	#timer = 0;
	#loading = false;
	#stale = false;
	#loaded = 0; // when

	constructor(root, page, { id, query }) {
		this.#page = page;
		this.#id = id;
		this.#log = new Log(query.get("stream"));
		root.replaceChildren(el("p", { class: "crumbs" }, el("a", { href: "#/" }, "Tasks")), el("h1", { tabindex: -1 }, plain(id)), this.#body);
		root.addEventListener("click", (e) => {
			const verb = e.target.closest("button")?.dataset.verb;
			if (verb) page.change(verb, { ids: [id] }, "task " + plain(id));
		}, { signal: page.closed });
	}

	get title() {
		return plain(this.#id);
	}

	go() {
		this.#load();
		this.#draw();
	}

	task(row) {
		if (row.id !== this.#id) return;
		if (this.#task) {
			Object.assign(this.#task, row, { command: this.#task.command }); // a row has only the beginning of it
			this.#draw();
		}
		this.#soon();
	}

	// status comes now and then: what holds a task up may have changed.
	status() {
		if (this.#task?.state === "idle") this.#soon(5 * rest);
	}

	reset() {
		this.#soon();
	}

	want(wanted) {
		this.#log.want(wanted);
	}

	close() {
		clearTimeout(this.#timer);
		this.#log.close();
	}

	#soon(wait = rest) {
		this.#stale = true;
		if (!this.#timer && !this.#loading) this.#timer = setTimeout(() => this.#load(), Math.max(0, this.#loaded + wait - performance.now()));
	}

	async #load() {
		this.#timer = 0;
		[this.#loading, this.#stale] = [true, false];
		try {
			const task = await read(taskPath(this.#id), this.#page.closed);
			const reason = ended(task) ? null : await read(taskPath(this.#id) + "/explain", this.#page.closed);
			[this.#task, this.#reason, this.#trouble] = [task, reason, ""];
		} catch (e) {
			if (this.#page.closed.aborted) return;
			if (!(e instanceof Lost)) this.#trouble = e.message; // who is lost is told above
		}
		[this.#loading, this.#loaded] = [false, performance.now()];
		this.#draw();
		if (this.#stale) this.#soon();
	}

	#draw() {
		if (this.#page.closed.aborted) return;
		if (this.#trouble) return show(this.#body, el("p", { class: "empty bad", role: "alert" }, plain(this.#trouble)), el("p", {}, el("a", { href: "#/" }, "Show all tasks")));
		const t = this.#task;
		if (!t) return show(this.#body, el("p", { class: "quiet" }, "Asking for it …"));
		const how = result(t);
		show(this.#body,
			el("p", { class: "headline" }, state(t), how ? el("span", { class: "how" }, how) : null),
			el("p", { class: "actions", role: "group", "aria-label": "What to do with it" }, buttons(t)),
			this.#reason && this.#reason.code !== "active" && !ended(t) ? why(this.#reason) : null,
			t.stderr_tail ? el("section", { class: "block", "aria-labelledby": "stderr-title" }, el("h2", { id: "stderr-title" }, "The end of standard error"), el("pre", { class: "tail", tabindex: 0, role: "region", "aria-labelledby": "stderr-title" }, plain(t.stderr_tail))) : null,
			launches(t), this.#log.element.isConnected ? el("section", { "data-own": true, "data-key": "output", class: "block", "aria-labelledby": "output-title" }) : this.#log.element,
			facts(t));
		this.#log.of(t);
	}
}

function why(reason) {
	return el("div", { class: "notice why" }, el("p", {}, plain(reason.text)), reason.evidence?.length ? el("ul", {}, reason.evidence.map((line) => el("li", {}, plain(line)))) : null);
}

function launches(t) {
	const list = t.launches ?? [];
	if (!list.length) return null;
	const ported = list.some((l) => l.ports?.length);
	const apart = (a, b) => (a && b ? length((new Date(b) - new Date(a)) / 1000) : null);
	const cell = (label, kind, ...value) => el("td", { class: kind, "data-label": label }, ...value);
	return el("section", { class: "block", "aria-labelledby": "launches-title" }, el("h2", { id: "launches-title" }, "Launches"),
		el("div", { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": "launches-title" },
			el("table", { class: "cards plain", id: "launches" }, el("caption", { class: "unseen" }, "Launches, the first one first"),
				el("thead", {}, el("tr", {}, ["Launch", "State", "Host", ported && "Ports", "Queued", "Offer taken", "Starting after", "Up after", "Ran for", "Result", "Sandbox"].map((name) => name && el("th", { scope: "col" }, name)))),
				el("tbody", {}, list.map((l) => el("tr", { "data-key": String(l.number) },
					el("th", { scope: "row", class: "number" }, String(l.number)),
					el("td", { class: "first" }, launchState(l)),
					cell("on", "host", el("span", { title: "agent " + plain(l.agent) }, plain(l.host))),
					ported && cell("ports", "ports", l.ports ? ranges(l.ports) : null),
					cell("queued", "clock", clock(l.queued)),
					cell("offer taken", "clock", clock(l.offered)),
					cell("starting after", "time", apart(l.offered, l.starting)),
					cell("up after", "time", apart(l.offered, l.running)),
					cell("ran for", "time", apart(l.running, l.ended) ?? (l.running && !l.ended ? ["since ", when(l.running)] : null)),
					el("td", { class: "result" }, result(l) || null),
					cell("sandbox", "sandbox", sandbox(l))))))));
}

// sandbox is where a launch ran: on a page of Mesos, or a path.
function sandbox(l) {
	if (/^https?:\/\//.test(l.sandbox ?? "")) return el("a", { href: l.sandbox, rel: "noreferrer", title: plain(l.sandbox) }, "See it in Mesos");
	return el("code", { title: plain(l.id) }, plain(l.sandbox) || plain(l.id));
}

const mesos = { TASK_FINISHED: "finished", TASK_FAILED: "failed", TASK_KILLED: "killed", TASK_RUNNING: "running", TASK_STAGING: "starting", TASK_STARTING: "starting" };

function launchState(l) {
	const row = { state: mesos[l.state] ?? (l.state || "starting").replace(/^TASK_/, "").toLowerCase() };
	return [state(row), l.may_still_run ? el("span", { class: "quiet" }, " may still run") : null];
}

function facts(t) {
	const list = (values) => (values?.length ? values.map((v, i) => [i ? ", " : "", el("code", {}, plain(v))]) : null);
	const rows = [
		["Command", el("code", { class: "lines" }, t.argv?.length ? t.argv.map((a) => plain(JSON.stringify(a))).join(" ") : plain(t.command)), "wide"],
		["Line of its list", t.line ? el("code", { class: "lines" }, plain(t.line)) : null, "wide"],
		["Name", plain(t.name)],
		["Needs", resources(t.resources)],
		["Ports", t.ports ? count(t.ports) : null],
		["Role", plain(t.role)],
		["Container", t.container ? [el("code", {}, plain(t.container.image)), ", type " + plain(t.container.type)] : null],
		["Volumes", list(t.container?.volumes)],
		["Priority", count(t.priority)],
		["Group", t.group ? el("a", { href: listAt({ group: t.group }) }, plain(t.group)) : null],
		["Labels", Object.keys(t.labels ?? {}).length ? Object.entries(t.labels).map(([k, v], i) => [i ? ", " : "", el("a", { href: listAt({ label: k + "=" + v }) }, plain(k + "=" + v))]) : null],
		["After", t.after?.length ? t.after.map((id, i) => [i ? ", " : "", el("a", { href: listAt({ match: id }) }, plain(id))]) : null],
		["Only where", list(t.constraints)],
		["Submitted", clock(t.submitted)],
		["Next attempt", t.wake ? when(t.wake) : null],
		["Ended", clock(t.ended)],
		["Attempts", count(t.attempts)],
		["Retries", (t.retries < 0 ? "without limit" : count(t.retries)) + ", used " + count(t.charged)],
		["Failures of the cluster", count(t.infra)],
		["Timeout", plain(t.timeout) || "none"],
		["Time to end after SIGTERM", plain(t.kill_grace)],
		["User", plain(t.user)],
		["Executor", plain(t.executor)],
		["Environment, names only", list(t.env)],
		["Files", list(t.files)],
		["URIs", list(t.uris)],
		["Outputs", list(t.outputs)],
	];
	return el("section", { class: "block", "aria-labelledby": "facts-title" }, el("h2", { id: "facts-title" }, "The task"),
		el("dl", { class: "facts" }, rows.filter(([, value]) => value).map(([name, value, kind]) => el("div", { class: kind, "data-key": name }, el("dt", {}, name), el("dd", {}, value)))));
}
