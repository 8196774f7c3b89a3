// The upload page: what was dropped or chosen becomes a queue that is kept in the browser until it is through.
import { byId, counted, follow, leaveForLogin, pause } from "./tools.js";
import { filesOf, isHidden } from "./dropped.js";
import { Kept } from "./kept_queue.js";
import { Lines } from "./upload_lines.js";
import { send } from "./send_file.js";

const AT_ONCE = 3;
const TRIES = 4;
const limit = Number(byId("drop").dataset.limit);
const kept = await Kept.open();
const entries = [];
const lines = new Lines(byId("list"));
let workers = 0;
let paused = false;
let skipped = 0;

/** An entry: {key, name, size, file, state, why, id}; `state` is waiting, sending, done, duplicate, refused or failed. */
const OVER = new Set(["done", "duplicate", "refused"]);

for (const entry of await kept.all()) {
  if (entry.state === "sending") entry.state = "waiting";
  if (entry.state === "waiting" && !entry.file) Object.assign(entry, { state: "failed", why: "choose it again: this browser did not keep it" });
  entries.push(entry);
}
summarize();
lines.show(entries);
work();

async function add(files) {
  const visible = files.filter((file) => !isHidden(file));
  skipped += files.length - visible.length;
  const known = new Set(entries.filter((entry) => entry.state !== "failed").map(identity));
  const fresh = visible.map((file) => ({ key: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, name: file.name,
    size: file.size, modified: file.lastModified, file, state: "waiting", why: "", id: null })).filter((entry) => !known.has(identity(entry)));
  for (const entry of fresh) {
    if (entry.size > limit) Object.assign(entry, { state: "refused", why: `larger than ${Math.floor(limit / 2 ** 20)} MiB`, file: null });
    entries.push(entry);
  }
  lines.show(fresh);
  summarize();
  for (const entry of fresh) await kept.put(entry);
  work();
}

const identity = (entry) => `${entry.name}/${entry.size}/${entry.modified}`;

function work() {
  while (workers < AT_ONCE && !paused && entries.some((entry) => entry.state === "waiting")) {
    workers += 1;
    worker().finally(() => { workers -= 1; summarize(); });
    if (entries.every((entry) => entry.state !== "waiting")) break;
  }
  summarize();
}

async function worker() {
  for (;;) {
    const entry = paused ? undefined : entries.find((one) => one.state === "waiting");
    if (!entry) return;
    change(entry, { state: "sending", why: "" });
    await sendOne(entry);
  }
}

/** Send one file, again if that can help; whatever happens to it, the others go on. */
async function sendOne(entry) {
  for (let attempt = 1; ; attempt += 1) {
    const { status, told } = await send(entry.file, (share) => lines.progress(entry, share));
    if (status === 201 || status === 200) {
      return change(entry, { state: told.duplicate ? "duplicate" : "done", id: told.id, file: null });
    }
    if (status === 401) {
      change(entry, { state: "waiting" });
      paused = true;
      return leaveForLogin();
    }
    const temporary = status === 0 || status === 408 || status === 429 || status >= 500;
    if (!temporary) return change(entry, { state: "refused", why: told.error ?? `the server answered ${status}`, file: null });
    if (attempt >= TRIES) return change(entry, { state: "failed", why: told.error ?? "the server could not be reached" });
    lines.progress(entry, 0);
    await pause(500 * 2 ** attempt);
    if (paused) return change(entry, { state: "waiting" });
  }
}

function change(entry, values) {
  Object.assign(entry, values);
  lines.update(entry);
  kept.put(entry);
  summarize();
}

function summarize() {
  const count = (...states) => entries.filter((entry) => states.includes(entry.state)).length;
  const over = entries.filter((entry) => OVER.has(entry.state)).length;
  const [fresh, twice, refused, failed] = [count("done"), count("duplicate"), count("refused"), count("failed")];
  byId("progress").hidden = entries.length === 0;
  byId("sent").max = Math.max(1, entries.length);
  byId("sent").value = over + failed;
  const busy = count("waiting", "sending") > 0;
  byId("progress-title").textContent = busy ? (paused ? "Paused" : "Sending") : "Sent";
  const said = [`${(over + failed).toLocaleString("en")} of ${counted(entries.length, "file")}`];
  if (fresh) said.push(`${fresh.toLocaleString("en")} new`);
  if (twice) said.push(`${twice.toLocaleString("en")} already here`);
  if (refused) said.push(`${refused.toLocaleString("en")} refused`);
  if (failed) said.push(`${failed.toLocaleString("en")} could not be sent`);
  if (skipped) said.push(`${counted(skipped, "hidden file")} left out`);
  byId("summary").textContent = said.join(" · ");
  byId("stop").hidden = !busy;
  byId("stop").textContent = paused ? "Go on" : "Pause";
  byId("again").hidden = failed === 0;
  byId("clear").hidden = busy || entries.length === 0;
}

byId("stop").addEventListener("click", () => { paused = !paused; work(); });
byId("again").addEventListener("click", () => {
  for (const entry of entries) if (entry.state === "failed" && entry.file) change(entry, { state: "waiting", why: "" });
  work();
});
byId("clear").addEventListener("click", async () => {
  entries.length = 0;
  skipped = 0;
  lines.clear();
  summarize();
  await kept.clear();
  byId("main").focus();
});
for (const id of ["files", "folder"]) {
  byId(id).addEventListener("change", (event) => { add([...event.target.files]); event.target.value = ""; });
}

const drop = byId("drop");
let inside = 0;
document.addEventListener("dragenter", (event) => { event.preventDefault(); inside += 1; drop.classList.add("over"); });
document.addEventListener("dragleave", () => { inside -= 1; if (inside <= 0) drop.classList.remove("over"); });
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  inside = 0;
  drop.classList.remove("over");
  add(await filesOf(event.dataTransfer));
});
addEventListener("beforeunload", (event) => {
  if (!kept.lasting && entries.some((entry) => entry.state === "waiting" || entry.state === "sending")) event.preventDefault();
});

follow({
  counts: (counts) => {
    const left = counts.pending + counts.processing;
    const line = byId("rendered");
    line.hidden = entries.length === 0;
    line.textContent = left
      ? `Of the whole library ${counts.complete.toLocaleString("en")} are complete and ${left.toLocaleString("en")} on their way.`
      : `Every photo of the library is through: ${counts.complete.toLocaleString("en")} complete, ${counts.failed.toLocaleString("en")} failed.`;
  },
});
