// The upload page: dropped or chosen files become a queue, which is stored in the browser until all files are sent.
import { redirectToLogin } from "./api.js";
import { byId, counted } from "./dom.js";
import { filesOf, isHidden, rawKind, withoutTwins } from "./drag_and_drop.js";
import { followEvents, pause } from "./events.js";
import { PersistentQueue } from "./persistent_queue.js";
import { sendFile } from "./send_file.js";
import { UploadList } from "./upload_list.js";

const CONCURRENCY = 3;
const MAX_ATTEMPTS = 4;
const FINAL = new Set(["done", "duplicate", "rejected"]);
const limit = Number(byId("drop").dataset.limit);
const queue = await PersistentQueue.open();
const list = new UploadList(byId("list"));
let workers = 0;
let paused = false;
let skipped = 0;
let twins = 0;

/** Entries {key, name, size, modified, file, state, reason, id}; `state` is waiting, sending, failed, or one of FINAL. */
const entries = [];

for (const entry of await queue.all()) {
  if (entry.state === "sending") entry.state = "waiting";
  if (entry.state === "waiting" && !entry.file) Object.assign(entry, { state: "failed", reason: "choose the file again: the browser did not store it" });
  entries.push(entry);
}
summarize();
list.append(entries);
work();

async function add(files, hidden = 0) {
  const shown = files.filter((file) => !isHidden(file));
  const visible = withoutTwins(shown);
  skipped += hidden + files.length - shown.length;
  twins += shown.length - visible.length;
  const known = new Set(entries.filter((entry) => entry.state !== "failed").map(identity));
  const added = visible.map((file) => ({ key: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, name: file.name,
    size: file.size, modified: file.lastModified, file, state: "waiting", reason: "", id: null })).filter((entry) => !known.has(identity(entry)));
  for (const entry of added) {
    if (entry.size > limit) Object.assign(entry, { state: "rejected", reason: tooLarge(entry.name), file: null });
    entries.push(entry);
  }
  list.append(added);
  summarize();
  for (const entry of added) await queue.put(entry);
  work();
}

function tooLarge(name) {
  const size = `larger than ${Math.floor(limit / 2 ** 20)} MiB`;
  const kind = rawKind(name);
  return kind ? `camera raw (${kind}) ${size}; export it as JPEG, or use the command line, which sends its embedded JPEG` : size;
}

const identity = (entry) => `${entry.name}/${entry.size}/${entry.modified}`;

function work() {
  while (workers < CONCURRENCY && !paused && entries.some((entry) => entry.state === "waiting")) {
    workers += 1;
    worker().finally(() => { workers -= 1; summarize(); });
    if (entries.every((entry) => entry.state !== "waiting")) break;
  }
  summarize();
}

async function worker() {
  for (;;) {
    const next = paused ? undefined : entries.find((entry) => entry.state === "waiting");
    if (!next) return;
    change(next, { state: "sending", reason: "" });
    await send(next);
  }
}

/** Send one file, and retry after transient errors. A failure does not stop the other files. */
async function send(entry) {
  for (let attempt = 1; ; attempt += 1) {
    const { status, body } = await sendFile(entry.file, (share) => list.progress(entry, share));
    if (status === 201 || status === 200) {
      return change(entry, { state: body.duplicate ? "duplicate" : "done", id: body.id, file: null });
    }
    if (status === 401) {
      change(entry, { state: "waiting" });
      paused = true;
      return redirectToLogin();
    }
    const transient = status === 0 || status === 408 || status === 429 || status >= 500;
    if (!transient) return change(entry, { state: "rejected", reason: body.error ?? `the server answered ${status}`, file: null });
    if (attempt >= MAX_ATTEMPTS) return change(entry, { state: "failed", reason: body.error ?? "the server could not be reached" });
    list.progress(entry, 0);
    await pause(500 * 2 ** attempt);
    if (paused) return change(entry, { state: "waiting" });
  }
}

function change(entry, values) {
  Object.assign(entry, values);
  list.update(entry);
  queue.put(entry);
  summarize();
}

function summarize() {
  const count = (...states) => entries.filter((entry) => states.includes(entry.state)).length;
  const ended = entries.filter((entry) => FINAL.has(entry.state)).length;
  const [fresh, duplicates, rejected, failed] = [count("done"), count("duplicate"), count("rejected"), count("failed")];
  byId("progress").hidden = entries.length === 0;
  byId("sent").max = Math.max(1, entries.length);
  byId("sent").value = ended + failed;
  const busy = count("waiting", "sending") > 0;
  byId("progress-title").textContent = busy ? (paused ? "Paused" : "Sending") : "Sent";
  const parts = [`${(ended + failed).toLocaleString("en")} of ${counted(entries.length, "file")}`];
  if (fresh) parts.push(`${fresh.toLocaleString("en")} new`);
  if (duplicates) parts.push(counted(duplicates, "duplicate"));
  if (rejected) parts.push(`${rejected.toLocaleString("en")} rejected`);
  if (failed) parts.push(`${failed.toLocaleString("en")} could not be sent`);
  if (skipped) parts.push(`${skipped.toLocaleString("en")} hidden or system files skipped`);
  if (twins) parts.push(`${counted(twins, "camera raw file")} skipped: the JPEG is sent`);
  byId("summary").textContent = parts.join(" · ");
  byId("stop").hidden = !busy;
  byId("stop").textContent = paused ? "Resume" : "Pause";
  byId("again").hidden = failed === 0;
  byId("clear").hidden = busy || entries.length === 0;
}

byId("stop").addEventListener("click", () => { paused = !paused; work(); });
byId("again").addEventListener("click", () => {
  for (const entry of entries) if (entry.state === "failed" && entry.file) change(entry, { state: "waiting", reason: "" });
  work();
});
byId("clear").addEventListener("click", async () => {
  entries.length = 0;
  skipped = 0;
  twins = 0;
  list.clear();
  summarize();
  await queue.clear();
  byId("main").focus();
});
for (const id of ["files", "folder"]) {
  byId(id).addEventListener("change", (event) => { add([...event.target.files]); event.target.value = ""; });
}

const drop = byId("drop");
let dragDepth = 0;
document.addEventListener("dragenter", (event) => { event.preventDefault(); dragDepth += 1; drop.classList.add("dragging"); });
document.addEventListener("dragleave", () => { dragDepth -= 1; if (dragDepth <= 0) drop.classList.remove("dragging"); });
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  dragDepth = 0;
  drop.classList.remove("dragging");
  const { files, hidden } = await filesOf(event.dataTransfer);
  add(files, hidden);
});
addEventListener("beforeunload", (event) => {
  if (!queue.complete && entries.some((entry) => entry.state === "waiting" || entry.state === "sending")) event.preventDefault();
});

followEvents({
  counts: (counts) => {
    const left = counts.pending + counts.processing;
    const line = byId("rendered");
    line.hidden = entries.length === 0;
    line.textContent = left
      ? `Whole library: ${counts.complete.toLocaleString("en")} photos complete, ${left.toLocaleString("en")} in progress.`
      : `Whole library processed: ${counts.complete.toLocaleString("en")} photos complete, ${counts.failed.toLocaleString("en")} failed.`;
  },
});
