// How a page of the list of tasks looks. at makes the address of the same list
// with something changed.
import { el } from "./dom.js";
import { count, plain, result, state, when } from "./text.js";
import { listAt, taskAt } from "./where.js";

// The columns: what the server sorts by, if it does, the title, and a class.
const columns = [
	["id", "Task"], ["state", "State"], ["", "Command"], ["", "Group"], ["attempts", "Attempts", "n"], ["", "Host"],
	["submitted", "Submitted"], ["started", "Started"], ["ended", "Ended"], ["", "Result"],
];

// What a filter is called, and what it takes.
const filters = [
	["match", "Id", "part of it, or a pattern such as a-*"], ["label", "Label", "name=value"], ["group", "Group", "its name"], ["agent", "Agent", "its host or id"],
];

// table shows rows; chosen has the ids of those that are.
export function table(rows, chosen, sort, at) {
	const all = rows.every((r) => chosen.has(r.id));
	const grouped = rows.some((r) => r.group);
	return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Tasks" },
		el("table", { class: "cards", id: "tasks" }, el("caption", { class: "unseen" }, "Tasks"),
			el("thead", {}, el("tr", {},
				el("th", { class: "check" }, el("label", {}, el("input", { type: "checkbox", id: "all", checked: all }), el("span", { class: "unseen" }, "all of this page"))),
				columns.map((c) => (c[1] !== "Group" || grouped) && head(c, sort, at)))),
			el("tbody", {}, rows.map((r) => line(r, chosen.has(r.id), grouped)))));
}

// head sorts up, then down, then as the queue is.
function head([key, name, kind], sort, at) {
	if (!key) return el("th", { scope: "col", class: "unsorted" }, name);
	const next = sort === key ? "-" + key : sort === "-" + key ? "" : key;
	const order = sort === key ? "ascending" : sort === "-" + key ? "descending" : false;
	return el("th", { scope: "col", class: kind, "aria-sort": order }, el("a", { href: at({ sort: next, offset: 0 }), "data-sort": key }, name));
}

function line(r, chosen, grouped) {
	const cell = (label, kind, ...value) => el("td", { class: kind, "data-label": label }, ...value);
	const id = plain(r.id), end = result(r);
	return el("tr", { "data-key": r.id },
		el("td", { class: "check" }, el("label", {}, el("input", { type: "checkbox", "data-id": r.id, checked: chosen }), el("span", { class: "unseen" }, "choose " + id))),
		el("th", { scope: "row", class: "name" }, el("a", { href: taskAt(r.id) }, id)),
		el("td", { class: "first" }, state(r)),
		el("td", { class: "command" }, el("code", { class: "clip", title: plain(r.command) }, plain(r.command))),
		grouped && cell("group", "group", r.group ? el("a", { href: listAt({ group: r.group }) }, plain(r.group)) : null),
		cell("attempts", "n", r.attempts ? count(r.attempts) : null),
		cell("on", "host", r.host ? plain(r.host) : null),
		cell("submitted", "time", when(r.submitted)),
		cell("started", "time", when(r.started)),
		cell("ended", "time", when(r.ended)),
		el("td", { class: "result" }, end ? el("span", { class: "clip", title: end }, end) : null));
}

// pager turns the pages; shown are so many of total, from the one at offset.
export function pager(offset, shown, total, size, at) {
	const last = Math.max(0, Math.floor((total - 1) / size) * size);
	if (!total || (!last && !offset)) return null;
	const link = (name, to, there) => there
		? el("a", { href: at({ offset: to }), "data-page": name.toLowerCase() }, name)
		: el("span", { class: "quiet" }, name);
	return el("nav", { class: "pager", "aria-label": "Pages of the list" },
		el("span", { id: "range" }, count(offset + 1) + " to " + count(offset + shown) + " of " + count(total)),
		link("First", 0, offset > 0), link("Previous", Math.max(0, offset - size), offset > 0),
		link("Next", offset + size, offset + size < total), link("Last", last, offset < last));
}

// filterForm is filled in by its user; it is never drawn again.
export function filterForm() {
	const field = ([name, label, hint]) => el("label", {}, el("span", {}, label), el("input", { type: "search", name, placeholder: hint, autocomplete: "off", spellcheck: "false" }));
	return el("form", { class: "filter", role: "search", "aria-label": "Tasks" },
		field(filters[0]), el("details", {}, el("summary", {}, "More filters"), el("div", {}, filters.slice(1).map(field))),
		el("p", { id: "matches", role: "status" }));
}
