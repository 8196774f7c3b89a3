// The page of the frames: add, change, remove, and keep up with what each shows.
import { byId, call, confirmed, follow, oneAtATime, part, say } from "./tools.js";

const dialog = byId("edit");
const form = byId("edit-form");
const NEW = { name: "", width: 800, height: 480, interval: 0, gap: 0, pairing: true, filters: {} };
let changed = null; // the id of the frame that is being changed, or null for a new one
let filters = {}; // its filters; those that this page does not show are kept

byId("add").addEventListener("click", () => edit(null, NEW));
byId("devices").addEventListener("click", (event) => {
  const device = event.target.closest(".device")?.dataset;
  if (!device) return;
  if (event.target.closest(".change")) edit(device.id, JSON.parse(device.settings));
  if (event.target.closest(".remove")) remove(device);
});

function edit(id, settings) {
  changed = id;
  filters = settings.filters;
  byId("edit-title").textContent = id === null ? "Add a frame" : `Change ${settings.name}`;
  byId("edit-save").textContent = id === null ? "Add" : "Save";
  byId("edit-detail").textContent = id === null
    ? "Every photo gets a picture of this size; that begins at once, the newest first."
    : "Another size makes all of its pictures anew; the old ones are shown until then.";
  form.elements.name.value = settings.name;
  size(settings.width, settings.height);
  const interval = form.elements.interval;
  if (![...interval.options].some((option) => Number(option.value) === settings.interval)) {
    interval.add(new Option(`every ${settings.interval} seconds`, settings.interval));
  }
  interval.value = settings.interval;
  form.elements.pairing.checked = settings.pairing;
  for (const box of form.elements.orientations) box.checked = (filters.orientations ?? []).includes(box.value);
  form.elements.text.value = filters.name ?? "";
  form.elements.days.value = filters.newestDays ?? 0;
  form.elements.gap.value = settings.gap;
  byId("edit-more").open = Object.keys(filters).length > 0 || settings.gap > 0;
  byId("edit-refused").hidden = true;
  dialog.showModal();
  form.elements.name.focus();
}

/** The frame as the form has it now. */
function entered() {
  const field = form.elements;
  return {
    name: field.name.value.trim(), width: Number(field.width.value), height: Number(field.height.value),
    interval: Number(field.interval.value), gap: Number(field.gap.value), pairing: field.pairing.checked,
    filters: {
      ...filters,
      orientations: [...field.orientations].filter((box) => box.checked).map((box) => box.value),
      name: field.text.value.trim(),
      newestDays: Number(field.days.value),
    },
  };
}

function size(width, height) {
  form.elements.width.value = width;
  form.elements.height.value = height;
}

byId("edit-turn").addEventListener("click", () => size(form.elements.height.value, form.elements.width.value));
for (const preset of document.querySelectorAll(".chip-button")) {
  preset.addEventListener("click", () => size(preset.dataset.width, preset.dataset.height));
}
byId("edit-cancel").addEventListener("click", () => dialog.close());

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = entered();
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
  } catch (error) {
    say(error.message);
  }
}

const dialogIsOpen = () => document.querySelector("dialog[open]") !== null;
let behind = false; // a part of the list was left as it was

// Pictures were made: how many are ready, and what comes next, may be another. Neither an open dialog nor what has the
// focus, or is just being pressed, is disturbed: the rest follows once that is over.
const keepUp = oneAtATime(async () => {
  const list = byId("devices");
  try {
    const { html } = await part("/devices?part=devices");
    if (dialogIsOpen()) return; // its end asks again
    behind = list.contains(document.activeElement) || list.matches(":active");
    if (behind) keepNumbers(html);
    else list.innerHTML = html;
  } catch (error) {
    console.warn(error.message);
  }
}, () => !dialogIsOpen());
follow({ changed: keepUp });
document.addEventListener("close", keepUp, true);
byId("devices").addEventListener("focusout", ({ relatedTarget }) => {
  if (behind && !byId("devices").contains(relatedTarget)) keepUp();
});

/** Only the numbers and what a dialog begins with, so that what has the focus stays. */
function keepNumbers(html) {
  const made = document.createElement("template");
  made.innerHTML = html;
  for (const fresh of made.content.querySelectorAll(".device")) {
    const old = document.querySelector(`.device[data-id="${CSS.escape(fresh.dataset.id)}"]`);
    if (!old) continue;
    old.dataset.settings = fresh.dataset.settings;
    old.querySelector(".ready").replaceWith(fresh.querySelector(".ready"));
  }
}
