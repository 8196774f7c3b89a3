// The page of the frames: add, change, remove; what each shows next.
import { byId, call, confirmed, eachOf, follow, part, say } from "./tools.js";

const dialog = byId("edit");
const form = byId("edit-form");
let changed = null; // the id of the frame that is being changed, or null for a new one
shownNext();

byId("add").addEventListener("click", () => edit(null, "", 800, 480));
byId("devices").addEventListener("click", (event) => {
  const device = event.target.closest(".device")?.dataset;
  if (!device) return;
  if (event.target.closest(".change")) edit(device.id, device.name, device.width, device.height);
  if (event.target.closest(".remove")) remove(device);
});

function edit(id, name, width, height) {
  changed = id;
  byId("edit-title").textContent = id === null ? "Add a frame" : `Change ${name}`;
  byId("edit-save").textContent = id === null ? "Add" : "Save";
  byId("edit-detail").textContent = id === null
    ? "Every photo gets a picture of this size; that begins at once, the newest first."
    : "Another size makes all of its pictures anew; the old ones are shown until then.";
  byId("edit-name").value = name;
  size(width, height);
  byId("edit-refused").hidden = true;
  dialog.showModal();
  byId("edit-name").focus();
}

function size(width, height) {
  byId("edit-width").value = width;
  byId("edit-height").value = height;
}

byId("edit-turn").addEventListener("click", () => size(byId("edit-height").value, byId("edit-width").value));
for (const preset of document.querySelectorAll(".chip-button")) {
  preset.addEventListener("click", () => size(preset.dataset.width, preset.dataset.height));
}
byId("edit-cancel").addEventListener("click", () => dialog.close());

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = { name: byId("edit-name").value.trim(), width: Number(byId("edit-width").value), height: Number(byId("edit-height").value) };
  byId("edit-save").disabled = true;
  try {
    const path = changed === null ? "/api/devices" : `/api/devices/${encodeURIComponent(changed)}`;
    const saved = await call(changed === null ? "POST" : "PUT", path, body);
    dialog.close();
    if (saved.token) showToken(saved.token);
    else say(`${body.name} is saved.`);
    await refresh();
  } catch (error) {
    byId("edit-refused").textContent = error.message;
    byId("edit-refused").hidden = false;
  }
  byId("edit-save").disabled = false;
});

function showToken(token) {
  byId("token-text").textContent = token;
  byId("token").showModal();
  byId("token").addEventListener("close", () => { byId("token-text").textContent = ""; }, { once: true });
}
byId("token-copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("token-text").textContent);
    byId("token-copy").textContent = "Copied";
  } catch (error) {
    getSelection().selectAllChildren(byId("token-text"));
    byId("token-copy").textContent = "Selected; copy it now";
  }
});

async function remove(device) {
  const sure = await confirmed(`Remove ${device.name}?`, "Its pictures go, and its token opens nothing any more. The photos stay.", "Remove");
  if (!sure) return;
  try {
    await call("DELETE", `/api/devices/${encodeURIComponent(device.id)}`);
    say(`${device.name} is removed.`);
  } catch (error) {
    say(error.message);
  }
  await refresh();
}

async function refresh() {
  try {
    byId("devices").innerHTML = (await part("/devices?part=devices")).html;
    await shownNext();
  } catch (error) {
    say(error.message);
  }
}

/** Ask for each frame what it shows next; that moves no frame on. */
async function shownNext() {
  await eachOf([...document.querySelectorAll(".device")], 2, async (device) => {
    const place = device.querySelector("[data-when=next]");
    try {
      const told = await call("GET", `/api/devices/${encodeURIComponent(device.dataset.id)}/slideshow?count=1`);
      const entry = told.queue[told.currentIndex ?? 0];
      if (!entry) return;
      const link = document.createElement("a");
      link.href = `/photos/${entry.imageId}`;
      const image = document.createElement("img");
      Object.assign(image, { src: entry.url, width: device.dataset.width, height: device.dataset.height, alt: `what ${device.dataset.name} shows next` });
      link.append(image);
      place.querySelector("svg, a").replaceWith(link);
    } catch (error) {
      place.querySelector("figcaption").textContent = `Next: ${error.message}`;
    }
  });
}

let asked = false;
follow({
  counts: async () => { // pictures were made: how many are ready, and what comes next, may be another
    if (asked || document.querySelector("dialog[open]")) return;
    if (document.querySelector(".device")?.parentElement.contains(document.activeElement)) return countsOnly();
    asked = true;
    await refresh();
    asked = false;
  },
});

/** Only the numbers, so that what has the focus stays. */
async function countsOnly() {
  const made = document.createElement("template");
  try {
    made.innerHTML = (await part("/devices?part=devices")).html;
  } catch (error) {
    return;
  }
  for (const fresh of made.content.querySelectorAll(".device")) {
    const old = document.querySelector(`.device[data-id="${CSS.escape(fresh.dataset.id)}"]`);
    old?.querySelector(".ready").replaceWith(fresh.querySelector(".ready"));
  }
}
