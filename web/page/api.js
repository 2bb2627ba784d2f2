// What is asked of cmdq, and its answers: /v1 of where this page came from.

const patience = 15000; // ms
const changePatience = 105000; // ms; what is changed is stored first, and a slow disk has 90 s (web/change.go)

// Refused is cmdq's no: a status and why.
export class Refused extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
	// The token is missing, or is not the right one.
	get token() {
		return this.status === 401;
	}
}

// Lost tells that nobody answers.
export class Lost extends Error {
	constructor() {
		super("cmdq does not answer");
	}
}

// ask is a request; it ends as a Refused, as a Lost, or as the AbortError of
// signal where the answer is not 200.
async function ask(path, options, signal) {
	let answer;
	try {
		answer = await fetch("/v1/" + path, { redirect: "error", ...options, signal });
		if (answer.ok) return answer;
	} catch (e) {
		if (signal?.aborted && signal.reason?.name === "AbortError") throw signal.reason;
		throw new Lost();
	}
	let message = "cmdq answers " + answer.status;
	try {
		message = (await answer.json()).error.message || message;
	} catch {
		// It is somebody else's answer, such as a proxy's.
	}
	throw new Refused(answer.status, message);
}

async function json(path, options, signal, within = patience) {
	const late = AbortSignal.timeout(within);
	const either = signal ? AbortSignal.any([signal, late]) : late;
	const answer = await ask(path, options, either);
	try {
		return await answer.json();
	} catch {
		if (signal?.aborted) throw signal.reason;
		throw new Lost();
	}
}

export const read = (path, signal) => json(path, {}, signal);

// stream is an answer that comes bit by bit.
export const stream = (path, signal) => ask(path, {}, signal);

// change asks for one of cancel, retry, hold and release.
export const change = (verb, selection) =>
	json(verb, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(selection) }, undefined, changePatience);

// submit queues the tasks of a file.
export const submit = (file) => json("submit", { method: "POST", headers: { "Content-Type": "application/yaml" }, body: file }, undefined, changePatience);

// rightToken tells whether a token lets its holder change the queue.
export async function rightToken(token) {
	try {
		return (await json("version", { headers: { Authorization: "Bearer " + token } })).changes === true;
	} catch (e) {
		if (e.token || e.status === 403) return false;
		throw e;
	}
}

export const taskPath = (id) => "tasks/" + encodeURIComponent(id);
