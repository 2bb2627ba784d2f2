// The events of cmdq: what changes, as it changes. While the page is hidden or
// told to be still there is no connection; a browser has only six for all tabs of
// an address. After every gap all that is shown is loaded again, so none of the
// events that were missed is asked for.
import { read } from "./api.js";

const quiet = 30000; // ms without an event after which cmdq is asked whether it is there
const firstWait = 1000, longestWait = 10000; // ms before the next try

// Live tells on: {task(row), status(status), reset(), connection(word, error)},
// where the word is connecting, live, still, asking (there are answers but no
// events) or lost.
export class Live {
	#on;
	#events = null;
	#timer = 0;
	#wait = firstWait;
	#wanted = false;

	constructor(on) {
		this.#on = on;
	}

	// want says whether events are wanted.
	want(wanted) {
		if (wanted === this.#wanted) return;
		this.#wanted = wanted;
		this.#hangUp();
		if (wanted) this.#connect();
		else this.#on.connection("still");
	}

	#connect() {
		this.#on.connection("connecting");
		const events = (this.#events = new EventSource("/v1/events"));
		const heard = (then) => (e) => {
			if (events !== this.#events) return;
			this.#listen();
			then(e);
		};
		events.addEventListener("open", heard(() => {
			this.#wait = firstWait;
			this.#on.connection("live");
			this.#on.reset();
		}));
		events.addEventListener("task", heard((e) => this.#on.task(JSON.parse(e.data).task)));
		events.addEventListener("status", heard((e) => this.#on.status(JSON.parse(e.data).status)));
		events.addEventListener("reset", heard(() => this.#on.reset()));
		events.addEventListener("error", () => {
			if (events === this.#events) this.#failed();
		});
		this.#listen();
	}

	// listen begins the time in which something has to come.
	#listen() {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#ask(false), quiet);
	}

	#failed() {
		this.#hangUp();
		this.#ask(true);
	}

	// ask finds out whether cmdq answers at all.
	async #ask(again) {
		let error = null;
		try {
			this.#on.status(await read("status"));
		} catch (e) {
			error = e;
		}
		if (!this.#wanted || again && this.#events) return;
		if (!error && !again) {
			this.#listen();
			return;
		}
		this.#hangUp();
		this.#on.connection(error && !error.status ? "lost" : "asking", error);
		if (!error) this.#on.reset();
		if (error?.token) return; // who brings it loads the page again
		this.#timer = setTimeout(() => this.#connect(), this.#wait);
		this.#wait = Math.min(longestWait, this.#wait * 2);
	}

	// again tries at once.
	again() {
		if (!this.#wanted || this.#events) return;
		this.#hangUp();
		this.#wait = firstWait;
		this.#connect();
	}

	#hangUp() {
		clearTimeout(this.#timer);
		this.#events?.close();
		this.#events = null;
	}
}
