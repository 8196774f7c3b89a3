// The page of the frames: add, change and remove them, renew their tokens, and update what each shows.
import { callApi, fetchFragment } from "./api.js";
import { confirmAction, showToast } from "./dialog.js";
import { byId, elementsOf } from "./dom.js";
import { followEvents, oneAtATime } from "./events.js";

const dialog = byId("edit");
const form = byId("edit-form");
const NEW = { name: "", width: 800, height: 480, interval: 0, gap: 0, pairing: true, filters: {}, panel: "jpeg", container: "jpeg", inks: [] };
let editedId = null; // id of the frame in the dialog, or null for a new one
let filters = {}; // its filters, including those that this page does not show

byId("add").addEventListener("click", () => edit(null, NEW));
byId("devices").addEventListener("click", (event) => {
  const device = event.target.closest(".device")?.dataset;
  if (!device) return;
  if (event.target.closest(".change")) edit(device.id, JSON.parse(device.settings));
  if (event.target.closest(".renew")) renewToken(device);
  if (event.target.closest(".remove")) remove(device);
});

function edit(id, settings) {
  editedId = id;
  filters = settings.filters;
  byId("edit-title").textContent = id === null ? "Add a frame" : `Change ${settings.name}`;
  byId("edit-save").textContent = id === null ? "Add" : "Save";
  byId("edit-detail").textContent = id === null
    ? "Every photo gets a picture in this size. Rendering starts at once, newest photos first."
    : "With another size, all pictures are rendered again; the old ones are shown until then.";
  form.elements.name.value = settings.name;
  setSize(settings.width, settings.height);
  const interval = form.elements.interval;
  if (![...interval.options].some((option) => Number(option.value) === settings.interval)) {
    interval.add(new Option(`every ${settings.interval} seconds`, settings.interval));
  }
  interval.value = settings.interval;
  form.elements.pairing.checked = settings.pairing;
  form.elements.panel.value = settings.panel;
  form.elements.container.value = settings.container === "jpeg" ? "png" : settings.container;
  form.elements.inks.value = settings.inks.join(" ");
  byId("edit-epaper").hidden = settings.panel === "jpeg";
  for (const box of form.elements.orientations) box.checked = (filters.orientations ?? []).includes(box.value);
  form.elements.text.value = filters.name ?? "";
  form.elements.days.value = filters.newestDays ?? 0;
  form.elements.taken.value = filters.takenDays ?? 0;
  form.elements.gap.value = settings.gap;
  byId("edit-more").open = Object.keys(filters).length > 0 || settings.gap > 0;
  byId("edit-error").hidden = true;
  dialog.showModal();
  form.elements.name.focus();
}

// A frame of e-paper usually cannot put two photos together, and pairs are delivered as two JPEG files.
byId("edit-panel").addEventListener("change", ({ target }) => {
  byId("edit-epaper").hidden = target.value === "jpeg";
  form.elements.pairing.checked = target.value === "jpeg";
});

/** Return the settings that the form contains. */
function formSettings() {
  const field = form.elements;
  return {
    name: field.name.value.trim(), width: Number(field.width.value), height: Number(field.height.value),
    interval: Number(field.interval.value), gap: Number(field.gap.value), pairing: field.pairing.checked,
    panel: field.panel.value,
    container: field.panel.value === "jpeg" ? null : field.container.value,
    inks: field.panel.value === "jpeg" ? [] : field.inks.value.split(/[\s,]+/).filter(Boolean),
    filters: {
      ...filters,
      orientations: [...field.orientations].filter((box) => box.checked).map((box) => box.value),
      name: field.text.value.trim(),
      newestDays: Number(field.days.value),
      takenDays: Number(field.taken.value),
    },
  };
}

function setSize(width, height) {
  form.elements.width.value = width;
  form.elements.height.value = height;
}

byId("edit-turn").addEventListener("click", () => setSize(form.elements.height.value, form.elements.width.value));
for (const preset of document.querySelectorAll(".chip-button")) {
  preset.addEventListener("click", () => setSize(preset.dataset.width, preset.dataset.height));
}
byId("edit-cancel").addEventListener("click", () => dialog.close());

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = formSettings();
  byId("edit-save").disabled = true;
  try {
    const path = editedId === null ? "/api/devices" : `/api/devices/${encodeURIComponent(editedId)}`;
    const saved = await callApi(editedId === null ? "POST" : "PUT", path, body);
    dialog.close();
    if (saved.token) showToken(saved.token);
    else showToast(`${body.name} was saved.`);
    await refresh();
  } catch (error) {
    byId("edit-error").textContent = error.message;
    byId("edit-error").hidden = false;
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
    byId("token-copy").textContent = "Selected: press Ctrl+C to copy";
  }
});

async function renewToken(device) {
  const sure = await confirmAction(`New token for ${device.name}?`, "Its present token and the addresses of its pictures become invalid at once. The frame shows nothing new until it has the new token.", "New token");
  if (!sure) return;
  try {
    showToken((await callApi("POST", `/api/devices/${encodeURIComponent(device.id)}/token`)).token);
  } catch (error) {
    showToast(error.message);
  }
}

async function remove(device) {
  const sure = await confirmAction(`Remove ${device.name}?`, "Its pictures are deleted and its token becomes invalid. The photos are not deleted.", "Remove");
  if (!sure) return;
  try {
    await callApi("DELETE", `/api/devices/${encodeURIComponent(device.id)}`);
    showToast(`${device.name} was removed.`);
  } catch (error) {
    showToast(error.message);
  }
  await refresh();
}

async function refresh() {
  try {
    byId("devices").innerHTML = (await fetchFragment("/devices?part=devices")).html;
  } catch (error) {
    showToast(error.message);
  }
}

const dialogIsOpen = () => document.querySelector("dialog[open]") !== null;
let outdated = false; // only the numbers of the list were updated

// New pictures change how many are ready, and what comes next. An open dialog, and an element that has the focus or is being
// pressed, are not replaced: the update follows when the dialog closes or the focus leaves.
const update = oneAtATime(async () => {
  const list = byId("devices");
  try {
    const { html } = await fetchFragment("/devices?part=devices");
    if (dialogIsOpen()) return; // its closing requests an update
    outdated = list.contains(document.activeElement) || list.matches(":active");
    if (outdated) updateNumbers(html);
    else list.innerHTML = html;
  } catch (error) {
    console.warn(error.message);
  }
}, () => !dialogIsOpen());
followEvents({ changed: update });
document.addEventListener("close", update, true);
byId("devices").addEventListener("focusout", ({ relatedTarget }) => {
  if (outdated && !byId("devices").contains(relatedTarget)) update();
});

/** Update only the numbers and the settings for the dialog, so that the focused element is not replaced. */
function updateNumbers(html) {
  for (const fresh of elementsOf(html).flatMap((element) => [...element.querySelectorAll(".device")])) {
    const old = document.querySelector(`.device[data-id="${CSS.escape(fresh.dataset.id)}"]`);
    if (!old) continue;
    old.dataset.settings = fresh.dataset.settings;
    old.querySelector(".ready").replaceWith(fresh.querySelector(".ready"));
  }
}
