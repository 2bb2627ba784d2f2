// What a page does beyond what the server wrote: it counts relative times on,
// asks for itself again and puts in what has changed, filters while one types,
// and follows logs. Everything works without it, by a reload.
"use strict";
(() => {
	const every = 3000; // ms between two refreshes
	const followEvery = 1000; // ms between two looks at a log
	const mostText = 1 << 20; // characters of a followed log that are kept

	// An address of Mesos' own page for the sandbox of an executor is good here too.
	function route() {
		const at = /^#\/agents\/[^/]+\/frameworks\/([^/]+)\/executors\/([^/]+)\/browse$/.exec(location.hash);
		if (at && location.pathname === "/") location.replace("/page/frameworks/" + at[1] + "/executors/" + at[2]);
	}
	addEventListener("hashchange", route);
	route();

	// Relative times, as moment.Ago writes them.
	function ago(seconds) {
		if (seconds < 2) return "just now";
		if (seconds < 60) return Math.floor(seconds) + " s ago";
		if (seconds < 3600) return Math.floor(seconds / 60) + " min ago";
		if (seconds < 48 * 3600) return Math.floor(seconds / 3600) + " h ago";
		return Math.floor(seconds / 86400) + " days ago";
	}
	function tellTimes() {
		for (const t of document.querySelectorAll("time")) {
			const text = ago((Date.now() - Date.parse(t.dateTime)) / 1000);
			if (t.textContent !== text) t.textContent = text;
		}
	}

	// Live regions are what a refresh may replace. Only the server's text is
	// compared, without the relative times, which always change.
	const written = new Map();
	function textOf(region) {
		const copy = region.cloneNode(true);
		for (const t of copy.querySelectorAll("time")) t.textContent = "";
		return copy.innerHTML;
	}
	function remember(root) {
		for (const region of root.querySelectorAll("[data-live]")) written.set(region.id, textOf(region));
	}
	function selecting(region) {
		const s = getSelection();
		return s && !s.isCollapsed && s.rangeCount > 0 && s.getRangeAt(0).intersectsNode(region);
	}
	function nameOf(element) {
		return element.dataset.key ? "[data-key=" + CSS.escape(element.dataset.key) + "]"
			: element.id ? "#" + CSS.escape(element.id)
			: element.hasAttribute("href") ? "a[href=" + CSS.escape(element.getAttribute("href")) + "]" : "";
	}
	function replace(region, fresh) {
		const active = region.contains(document.activeElement) ? nameOf(document.activeElement) : "";
		const places = [...region.querySelectorAll(".scroll")].map((e) => [e.id, e.scrollLeft]);
		region.replaceChildren(...document.adoptNode(fresh).childNodes);
		for (const [id, left] of places) {
			const e = document.getElementById(id);
			if (e) e.scrollLeft = left;
		}
		if (active) region.querySelector(active)?.focus({ preventScroll: true });
	}
	let asked = 0;
	async function refresh(force) {
		const turn = ++asked;
		let page;
		try {
			const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
			page = new DOMParser().parseFromString(await answer.text(), "text/html");
			say(answer.ok ? "" : "The last refresh failed: " + answer.status + ".");
			if (!answer.ok) return;
		} catch {
			say("The cluster does not answer.");
			return;
		}
		if (turn !== asked) return; // a later one is under way
		for (const region of document.querySelectorAll("[data-live]")) {
			const fresh = page.getElementById(region.id);
			if (!fresh) continue;
			const text = textOf(fresh);
			if (text === written.get(region.id) || !force && selecting(region)) continue;
			written.set(region.id, text);
			if (fresh.dataset.matches !== undefined) document.getElementById("matches").textContent = fresh.dataset.matches;
			replace(region, fresh);
		}
		tellTimes();
	}

	// The footer's switch, for whom a page that moves is a trouble.
	const footer = document.getElementById("refreshing");
	const toggle = Object.assign(document.createElement("input"), { type: "checkbox", checked: true, id: "refresh" });
	const label = document.createElement("label");
	label.append(toggle, " Refresh every " + every / 1000 + " s");
	const trouble = document.createElement("span");
	trouble.className = "gone";
	trouble.setAttribute("role", "status");
	footer.append(label, " ", trouble);
	function say(text) {
		if (trouble.textContent !== text) trouble.textContent = text;
	}
	const busy = () => toggle.checked && !document.hidden;

	// The filter works while one types; the address keeps it.
	const field = document.getElementById("q");
	let typing = 0;
	function filter() {
		const to = new URL(location);
		for (const name of ["active", "unreachable", "completed"]) to.searchParams.delete(name);
		if (field.value) to.searchParams.set("q", field.value);
		else to.searchParams.delete("q");
		history.replaceState(null, "", to);
		refresh(true);
	}
	field?.addEventListener("input", () => {
		clearTimeout(typing);
		typing = setTimeout(filter, 200);
	});
	field?.form.addEventListener("submit", (e) => {
		e.preventDefault();
		clearTimeout(typing);
		filter();
	});

	// Links that only sort or turn the pages of a table leave the rest as it is.
	document.addEventListener("click", (e) => {
		const link = e.target.closest?.("a[data-swap]");
		if (!link || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
		e.preventDefault();
		history.pushState(null, "", link.getAttribute("href").replace(/#.*/, ""));
		refresh(true);
	});
	addEventListener("popstate", () => {
		if (field) field.value = new URL(location).searchParams.get("q") ?? "";
		refresh(true);
	});

	// A followed log asks for what comes after what it shows.
	function follow(pre) {
		const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
		const label = document.createElement("label");
		label.append(box, " Follow ");
		const unseen = Object.assign(document.createElement("span"), { className: "unseen", textContent: pre.dataset.name });
		const note = Object.assign(document.createElement("span"), { className: "gone" });
		label.append(unseen);
		const head = pre.parentElement.querySelector(".loghead");
		head.append(label, note);
		const range = head.querySelector("[data-range]"), size = head.querySelector("[data-size]");
		let from = Number(pre.dataset.from), offset = Number(pre.dataset.offset);
		const toEnd = () => { pre.scrollTop = pre.scrollHeight; };
		function show(part) {
			const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 40;
			if (part.from !== offset) { // it was written anew
				pre.textContent = "";
				from = part.from;
			}
			pre.append(part.text);
			if (pre.textContent.length > mostText) pre.textContent = pre.textContent.slice(-mostText / 2);
			offset = part.to;
			pre.parentElement.querySelector("[data-blank]")?.remove();
			if (range) {
				range.textContent = from + " to " + part.to;
				size.textContent = part.size;
			} else size.parentElement.textContent = part.size + " bytes";
			if (atEnd) toEnd();
		}
		async function look() {
			let more = false;
			if (box.checked && !document.hidden) {
				try {
					const answer = await fetch(pre.dataset.read + "&offset=" + offset, { signal: AbortSignal.timeout(10000) });
					note.textContent = answer.ok ? "" : answer.status === 404 ? "The file is gone." : "It cannot be read: " + answer.status + ".";
					if (answer.ok) {
						const part = await answer.json();
						if (part.from !== offset || part.to > offset) show(part);
						more = part.to < part.size && part.to > part.from;
					}
				} catch {
					note.textContent = "The cluster does not answer.";
				}
			}
			setTimeout(look, more ? 0 : followEvery);
		}
		toEnd();
		look();
	}
	for (const pre of document.querySelectorAll("pre[data-read]")) follow(pre);

	remember(document);
	tellTimes();
	setInterval(tellTimes, 1000);
	setInterval(() => { if (busy()) refresh(false); }, every);
	document.addEventListener("visibilitychange", () => { if (busy()) refresh(false); });
})();
