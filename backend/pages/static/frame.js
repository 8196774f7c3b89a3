// A frame in a browser: it shows what the frame will show, and moves nobody's position.
import { byId, call } from "./tools.js";

const AHEAD = 50;
const RETRY = 10000;
const frame = byId("frame");
const path = `/api/devices/${encodeURIComponent(frame.dataset.id)}/slideshow?count=${AHEAD}`;
let queue = [];
let at = -1;
let paused = false;
let timer;
let [front, behind] = [byId("front"), byId("behind")];

async function load() {
  try {
    const told = await call("GET", path);
    queue = told.queue;
    return queue.length > 0;
  } catch (error) {
    byId("nothing").textContent = error.message;
    return false;
  }
}

async function step(by) {
  clearTimeout(timer);
  const lacking = queue.length === 0 || at + by >= queue.length;
  if (lacking && !(await load())) {
    byId("nothing").hidden = false;
    if (!byId("nothing").textContent.trim() || byId("nothing").textContent === "Loading …") byId("nothing").textContent = "No picture is ready for this frame yet.";
    timer = setTimeout(() => step(1), RETRY);
    return;
  }
  at = lacking ? 0 : Math.max(0, at + by);
  await show(queue[at]);
  next();
}

/** Put an entry on the glass once its pictures are there: one photo, or two beside or above each other. */
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
  behind.replaceChildren(...addresses.map((address, place) => picture(address, place * (width - w), place * (height - h), w, h)));
  behind.setAttribute("aria-label", entry.isPaired ? "two photos" : "a photo");
  behind.removeAttribute("aria-hidden");
  behind.classList.remove("faded");
  front.classList.add("faded");
  front.setAttribute("aria-hidden", "true");
  [front, behind] = [behind, front];
  byId("nothing").hidden = true;
}

function picture(address, x, y, width, height) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "image");
  for (const [name, value] of Object.entries({ href: address, x, y, width, height })) made.setAttribute(name, value);
  return made;
}

function next() {
  clearTimeout(timer);
  if (!paused) timer = setTimeout(() => step(1), Number(byId("pace").value) * 1000);
}

byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("pace").addEventListener("change", next);
byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  next();
});
byId("whole").addEventListener("click", () => document.body.requestFullscreen?.().catch((error) => { byId("about").textContent = error.message; }));
document.addEventListener("keydown", (event) => {
  if (event.target.closest("select, a, button") && event.key === " ") return;
  if (event.key === "ArrowRight") step(1);
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === " ") { event.preventDefault(); byId("pause").click(); }
});
step(1);
