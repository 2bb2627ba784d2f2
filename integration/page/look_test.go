//go:build integration

package page_test

// contrast lists the texts that are too pale on their ground (WCAG 2.2, 1.4.3:
// less than 4.5 to 1).
const contrast = `(() => {
	const parse = (c) => c.match(/[\d.]+/g).map(Number);
	const luminance = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const ground = (e) => {
		const layers = [];
		for (; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor);
			layers.push(c);
			if (c.length < 4 || c[3] === 1) break;
		}
		return layers.reverse().reduce((under, c) => {
			const a = c.length < 4 ? 1 : c[3];
			return [0, 1, 2].map((i) => c[i] * a + under[i] * (1 - a));
		}, [255, 255, 255]);
	};
	const pale = [];
	for (const e of document.body.querySelectorAll("*")) {
		const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent.trim()).join("");
		if (!text || !e.checkVisibility() || e.closest(".unseen, .skip")) continue;
		const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(ground(e))].sort((x, y) => y - x);
		const ratio = (a + .05) / (b + .05);
		if (ratio < 4.5) pale.push(text.slice(0, 40) + " " + ratio.toFixed(2));
	}
	return pale;
})()`

// overlaps lists pairs of visible texts that lie over each other, and texts that
// stick out of their part of the page.
const overlaps = `(() => {
	const boxes = [], out = [];
	const within = (r, c) => new DOMRect(r.left, r.top, Math.min(r.right, c.right) - r.left, Math.min(r.bottom, c.bottom) - r.top);
	const walk = document.createTreeWalker(document.querySelector("dialog[open]") ?? document.body, NodeFilter.SHOW_TEXT);
	for (let n = walk.nextNode(); n; n = walk.nextNode()) {
		const e = n.parentElement;
		if (!n.textContent.trim() || !e.checkVisibility() || e.closest(".unseen, .skip, pre")) continue;
		const head = e.closest("thead");
		if (head && getComputedStyle(head).clipPath !== "none") continue;
		const part = e.closest("aside, main, header")?.getBoundingClientRect();
		const clip = e.closest(".scroll, .fit, .clip")?.getBoundingClientRect();
		const range = document.createRange();
		range.selectNodeContents(n);
		for (const r of range.getClientRects()) {
			if (part && !clip && r.right > part.right + 1) out.push("out: " + n.textContent.trim().slice(0, 30));
			if (r.width > 1 && !(clip && (r.left > clip.right || r.right < clip.left || r.top >= clip.bottom))) boxes.push([clip ? within(r, clip) : r, n.textContent.trim().slice(0, 30), n]);
		}
	}
	for (const e of document.querySelectorAll(".fit")) if (e.scrollWidth > e.clientWidth) out.push("does not fit: " + e.innerText.slice(0, 30));
	const found = out;
	for (let i = 0; i < boxes.length && found.length < 5; i++)
		for (let j = i + 1; j < boxes.length; j++) {
			const [a, s, n] = boxes[i], [b, t, m] = boxes[j];
			if (n === m) continue; // one that was cut is there twice
			const w = Math.min(a.right, b.right) - Math.max(a.left, b.left), h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
			if (w > 2 && h > Math.min(a.height, b.height) * .4) found.push(s + " / " + t);
		}
	return found;
})()`

// unnamed lists what a screen reader could not name: fields without a label,
// links and buttons without a text, tables without a caption, parts of a page
// that a keyboard cannot scroll.
const unnamed = `(() => {
	const out = [];
	for (const e of document.querySelectorAll("input:not([type=hidden])")) if (!e.labels?.length) out.push("field " + e.outerHTML);
	for (const e of document.querySelectorAll("a[href], button")) if (!e.textContent.trim()) out.push("link " + e.outerHTML);
	for (const e of document.querySelectorAll("table")) if (!e.caption?.textContent.trim()) out.push("table " + e.id);
	for (const e of document.querySelectorAll("[aria-labelledby]")) if (!document.getElementById(e.getAttribute("aria-labelledby"))) out.push("label of " + e.outerHTML.slice(0, 80));
	for (const e of document.querySelectorAll(".scroll, pre")) if (e.tabIndex !== 0) out.push("not by keyboard: " + e.id);
	const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
	for (const id of new Set(ids)) if (ids.filter((x) => x === id).length > 1) out.push("twice: " + id);
	if (document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1").length !== 1) out.push("not one main and h1");
	return out;
})()`
