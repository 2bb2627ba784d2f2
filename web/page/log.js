// What a command writes, as it writes it: text, with what would act on a terminal
// shown as signs.
import { Lost, stream, taskPath } from "./api.js";
import { el, say, show } from "./dom.js";
import { plain } from "./text.js";

const lines = 1000; // from the end, to begin with
const most = 400000; // characters that are kept
const pause = 2000; // ms before the next try

// Log is the output of one task, a stream of one of its launches at a time.
export class Log {
	#root = el("section", { class: "block", "aria-labelledby": "output-title", "data-own": true, "data-key": "output" });
	#head = el("div", { class: "loghead" });
	#note = el("p", { class: "quiet", role: "status", id: "log-note" });
	#text = el("pre", { tabindex: 0, role: "region", "aria-label": "What it wrote", id: "log" });
	#task = null;
	#stream = "stdout";
	#launch = 0; // 0: the last one
	#shown = ""; // of which launch and stream
	#wanted = true;
	#reading = null; // an AbortController
	#timer = 0;

	constructor(stream) {
		if (stream === "stderr") this.#stream = stream;
		this.#root.append(this.#head, this.#note, this.#text);
		this.#head.addEventListener("click", (e) => {
			const to = e.target.closest("[data-stream]")?.dataset.stream;
			if (to) this.#turn(to, this.#launch);
		});
		this.#head.addEventListener("change", (e) => this.#turn(this.#stream, Number(e.target.value)));
	}

	get element() {
		return this.#root;
	}

	// of tells whose output it is, again whenever the task has changed.
	of(task) {
		this.#task = task;
		this.#draw();
		const number = this.#number;
		if (!number) return this.#tell("It has not been launched yet.");
		if (this.#shown !== number + this.#stream) this.#begin();
	}

	// want says whether the log is to go on.
	want(wanted) {
		if (wanted === this.#wanted) return;
		this.#wanted = wanted;
		if (wanted && this.#shown) this.#begin();
		else if (this.#reading) {
			this.close();
			this.#tell("It is not followed now.");
		}
	}

	close() {
		clearTimeout(this.#timer);
		this.#reading?.abort();
		this.#reading = null;
	}

	get #number() {
		return this.#launch || (this.#task.launches?.at(-1)?.number ?? 0);
	}

	#turn(stream, launch) {
		[this.#stream, this.#launch] = [stream, launch];
		this.of(this.#task);
	}

	#tell(text, bad = false) {
		say(this.#note, text);
		this.#note.className = bad ? "gone" : "quiet";
	}

	#draw() {
		const launches = this.#task.launches ?? [];
		const tab = (name, label) => el("button", { type: "button", "data-stream": name, "aria-pressed": String(this.#stream === name) }, label);
		const option = (value, text) => el("option", { value, selected: this.#launch === value }, text);
		show(this.#head, el("h2", { id: "output-title" }, "Output"),
			el("div", { class: "tabs", role: "group", "aria-label": "Which" }, tab("stdout", "Standard output"), tab("stderr", "Standard error")),
			launches.length > 1 ? el("label", {}, "Launch ", el("select", { id: "launch" }, option(0, "the last"), launches.map((l) => option(l.number, String(l.number))))) : null,
			launches.length ? el("a", { href: this.#path(), download: this.#task.id + "." + this.#stream + ".txt" }, "Save all of it") : null);
	}

	#path(more = "") {
		return "/v1/" + this.#query(more);
	}

	#query(more) {
		return taskPath(this.#task.id) + "/logs?stream=" + this.#stream + "&attempt=" + this.#number + more;
	}

	async #begin() {
		this.close();
		const reading = (this.#reading = new AbortController());
		const number = this.#number;
		const follow = this.#wanted;
		if (this.#shown !== number + this.#stream) this.#text.replaceChildren();
		this.#shown = number + this.#stream;
		this.#tell("Asking for it …");
		let again = false;
		try {
			const answer = await stream(this.#query("&tail=" + lines + (follow ? "&follow=1" : "")), reading.signal);
			this.#text.replaceChildren(); // what was there stays until there is something newer
			if (follow && this.#active(number)) this.#tell("Going on as it comes.");
			await this.#copy(answer.body, reading.signal);
			again = follow && this.#active(number); // it was cmdq that ended, or the news of the end are late
			if (!again) this.#tell(this.#active(number) ? "It is not followed now." : this.#text.firstChild ? "That is all." : "It wrote nothing.");
		} catch (e) {
			if (reading.signal.aborted) return;
			again = this.#active(number) || e instanceof Lost || !e.status;
			this.#tell(e.status ? plain(e.message) + "." : "The output broke off.", true);
		}
		if (reading !== this.#reading) return;
		this.#reading = null;
		if (again && this.#wanted) this.#timer = setTimeout(() => this.#begin(), pause);
	}

	#active(number) {
		return !this.#task.launches?.find((l) => l.number === number)?.ended;
	}

	// copy draws at most once a frame, and reads on only then: who writes without
	// end waits for this page, not the page for it.
	async #copy(body, signal) {
		const reader = body.getReader();
		const decoder = new TextDecoder();
		let kept = ""; // half an end of line
		for (;;) {
			const { done, value } = await reader.read();
			let text = kept + decoder.decode(value, { stream: !done });
			kept = !done && text.endsWith("\r") ? "\r" : "";
			if (kept) text = text.slice(0, -1);
			if (signal.aborted) return;
			if (text) this.#add(plain(text));
			if (done) return;
			await new Promise(requestAnimationFrame);
		}
	}

	#add(text) {
		const pre = this.#text;
		const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 40;
		const last = pre.lastChild;
		if (last && last.length + text.length < 65536) last.appendData(text);
		else pre.append(text);
		let length = pre.textContent.length;
		while (length > most && pre.childNodes.length > 1) {
			length -= pre.firstChild.length;
			pre.firstChild.remove();
		}
		if (atEnd) pre.scrollTop = pre.scrollHeight;
	}
}
