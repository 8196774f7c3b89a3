// Preview of a frame: shows its upcoming pictures without moving its position.
import { callApi } from "./api.js";
import { byId } from "./dom.js";

const QUEUE_LENGTH = 50;
const RETRY_MS = 10000;
const frame = byId("frame");
const path = `/api/devices/${encodeURIComponent(frame.dataset.id)}/slideshow?count=${QUEUE_LENGTH}`;
let queue = [];
let index = -1;
let paused = false;
let timer;
let [front, back] = [byId("front"), byId("back")];

async function load() {
  try {
    queue = (await callApi("GET", path)).queue;
    return queue.length > 0;
  } catch (error) {
    byId("message").textContent = error.message;
    return false;
  }
}

async function step(by) {
  clearTimeout(timer);
  const needsMore = queue.length === 0 || index + by >= queue.length;
  if (needsMore && !(await load())) {
    byId("message").hidden = false;
    if (!byId("message").textContent.trim() || byId("message").textContent === "Loading …") byId("message").textContent = "No picture is ready for this frame yet.";
    timer = setTimeout(() => step(1), RETRY_MS);
    return;
  }
  index = needsMore ? 0 : Math.max(0, index + by);
  await show(queue[index]);
  scheduleNext();
}

/** Show an entry once its pictures are loaded: one photo, or two next to or above each other. */
async function show(entry) {
  const addresses = entry.isPaired ? [entry.url, entry.pairedUrl] : [entry.url];
  try {
    await Promise.all(addresses.map((address) => Object.assign(new Image(), { src: address }).decode()));
  } catch (error) {
    byId("about").textContent = "A picture could not be loaded.";
    return;
  }
  const [width, height] = [Number(frame.dataset.width), Number(frame.dataset.height)];
  const [w, h] = entry.isPaired ? [entry.width, entry.height] : [width, height];
  back.replaceChildren(...addresses.map((address, half) => picture(address, half * (width - w), half * (height - h), w, h)));
  back.setAttribute("aria-label", entry.isPaired ? "two photos" : "a photo");
  back.removeAttribute("aria-hidden");
  back.classList.remove("faded");
  front.classList.add("faded");
  front.setAttribute("aria-hidden", "true");
  [front, back] = [back, front];
  byId("message").hidden = true;
}

function picture(address, x, y, width, height) {
  const image = document.createElementNS("http://www.w3.org/2000/svg", "image");
  for (const [name, value] of Object.entries({ href: address, x, y, width, height })) image.setAttribute(name, value);
  return image;
}

function scheduleNext() {
  clearTimeout(timer);
  if (!paused) timer = setTimeout(() => step(1), Number(byId("interval").value) * 1000);
}

byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("interval").addEventListener("change", scheduleNext);
byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  scheduleNext();
});
byId("fullscreen").addEventListener("click", () => document.body.requestFullscreen?.().catch((error) => { byId("about").textContent = error.message; }));
document.addEventListener("keydown", (event) => {
  if (event.target.closest("select, a, button") && event.key === " ") return;
  if (event.key === "ArrowRight") step(1);
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === " ") { event.preventDefault(); byId("pause").click(); }
});
step(1);
