// Where one is: the part of the address behind #, such as #/tasks/a-1?stream=stderr
// or #/?state=failed. It never gets to the server.

// Where is a page, the id of the task it is about, and what is asked of it.
export function parse(hash) {
	const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
	const [page, id] = path.split("/", 2);
	try {
		return { page: page || "tasks", id: id ? decodeURIComponent(id) : "", query: new URLSearchParams(query) };
	} catch {
		return { page: "", id: "", query: new URLSearchParams() }; // half a %
	}
}

export const taskAt = (id) => "#/tasks/" + encodeURIComponent(id);

// listAt is the list of tasks with these filters; empty ones are left out.
export function listAt(filters) {
	const query = new URLSearchParams();
	for (const [name, value] of Object.entries(filters)) if (value) query.set(name, value);
	const text = query.toString();
	return text ? "#/?" + text : "#/";
}
