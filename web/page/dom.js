// Elements, and how what is shown becomes what is to be shown. Text gets into the
// page as text nodes; nothing on this page makes HTML of a text.

// el makes an element. An attribute that is true stands without a value, one that
// is false, null or undefined does not stand; so do children.
export const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);

// drawn makes an element of a picture.
export const drawn = (name, attributes, ...children) =>
	fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

function fill(e, attributes = {}, children) {
	for (const [key, value] of Object.entries(attributes)) {
		if (value === false || value === null || value === undefined) continue;
		e.setAttribute(key, value === true ? "" : value);
	}
	e.append(...children.flat(3).filter((c) => c !== null && c !== undefined && c !== false && c !== ""));
	return e;
}

// show makes the children of root those of fresh, an element or a list of nodes,
// and touches only what is different: the focus, what is selected and how far
// something is scrolled stay. Elements with a data-key are known again by it,
// wherever they are among their siblings; what is in one with data-own is left
// alone.
export function show(root, ...fresh) {
	const focus = document.activeElement;
	const inside = root.contains(focus);
	become(root, el("div", {}, ...fresh));
	if (!inside || focus === document.activeElement) return;
	const to = focus.isConnected ? focus : root.querySelector("[tabindex='0']") ?? root.closest("[tabindex]"); // it was moved, or has gone
	to?.focus({ preventScroll: true });
}

function become(have, want) {
	const known = new Map();
	for (const child of have.children) if (child.dataset.key) known.set(child.dataset.key, child);
	let at = have.firstChild;
	for (const next of [...want.childNodes]) {
		const key = next.dataset?.key;
		let same = at;
		if (key) {
			same = known.get(key);
			known.delete(key);
		}
		if (!same || same.nodeName !== next.nodeName || same.dataset?.key !== key) {
			have.insertBefore(next, at);
			continue;
		}
		if (same === at) at = at.nextSibling;
		else have.insertBefore(same, at);
		update(same, next);
	}
	while (at) {
		const after = at.nextSibling;
		at.remove();
		at = after;
	}
}

function update(have, want) {
	if (have.nodeType === Node.TEXT_NODE) {
		if (have.data !== want.data) have.data = want.data;
		return;
	}
	for (const { name } of [...have.attributes]) if (!want.hasAttribute(name)) have.removeAttribute(name);
	for (const { name, value } of want.attributes) if (have.getAttribute(name) !== value) have.setAttribute(name, value);
	if (have instanceof HTMLInputElement) have.checked = want.checked;
	if (!("own" in have.dataset)) become(have, want);
}

// say sets a text; the same text again is nothing new to a screen reader.
export function say(element, text) {
	if (element.textContent !== text) element.textContent = text;
}
