// The page of one photo: set the focus, update the pictures, process the photo again, or delete it.
import { callApi, fetchFragment } from "./api.js";
import { confirmAction, showToast } from "./dialog.js";
import { byId, localTimes } from "./dom.js";
import { followEvents, oneAtATime } from "./events.js";

const photo = byId("photo");
const [id, width, height] = [photo.dataset.id, Number(photo.dataset.width), Number(photo.dataset.height)];
const MAX_CUT = 0.5; // share of the photo that a crop may remove, as in processor/render/geometry.py
const address = `/api/images/${id}`;
localTimes();
editFocus();
showOriginal();
let busy = byId("state").dataset.state !== "complete" && byId("state").dataset.state !== "failed";

/** Show the thumbnail, at the place that it was cropped from, if the browser cannot show the original (HEIC, for example). */
function showOriginal() {
  const image = byId("original");
  const side = Math.min(width, height);
  const share = (focus, length) => (length > side ? Math.min(Math.max(focus * length - side / 2, 0), length - side) / (length - side) : 0);
  const onError = () => {
    if (image.dataset.thumbnail && !image.classList.contains("thumbnail")) {
      image.className = "thumbnail"; // which is turned already
      const { x, y } = byId("focus").dataset;
      image.style.objectPosition = `${100 * share(Number(x), width)}% ${100 * share(Number(y), height)}%`;
      image.src = image.dataset.thumbnail;
    } else {
      image.classList.add("broken");
    }
  };
  image.addEventListener("error", onError);
  if (image.complete && !image.naturalWidth) onError();
}

function editFocus() {
  const [area, point, form] = [byId("focus-area"), byId("point"), byId("focus")];
  const saved = { x: Number(form.dataset.x), y: Number(form.dataset.y) };
  const now = { ...saved };
  const rectangles = [...document.querySelectorAll("#pictures img, #pictures svg")].map((picture) => {
    const box = picture.viewBox?.baseVal;
    const rectangle = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    byId("crops").append(rectangle);
    return { rectangle, ratio: box ? box.width / box.height : picture.getAttribute("width") / picture.getAttribute("height") };
  });

  /** Set the rectangle that a screen of this ratio shows: the largest one around the focus, or the whole photo if more than
   * half of it would be cut off. */
  const crop = ({ rectangle, ratio }) => {
    const cut = width / height > ratio ? [height * ratio, height] : [width, width / ratio];
    const [w, h] = cut[0] * cut[1] < MAX_CUT * width * height ? [width, height] : cut;
    const clamp = (value, max) => Math.min(Math.max(value, 0), max);
    rectangle.setAttribute("width", w);
    rectangle.setAttribute("height", h);
    rectangle.setAttribute("x", clamp(now.x * width - w / 2, width - w));
    rectangle.setAttribute("y", clamp(now.y * height - h / 2, height - h));
  };
  const show = () => {
    point.style.left = `${now.x * 100}%`;
    point.style.top = `${now.y * 100}%`;
    byId("focus-position").textContent = `${Math.round(now.x * 100)} % from the left, ${Math.round(now.y * 100)} % from the top`;
    const same = Math.abs(now.x - saved.x) < 1e-4 && Math.abs(now.y - saved.y) < 1e-4;
    byId("focus-save").disabled = same;
    byId("focus-reset").disabled = same;
    area.classList.toggle("moved", !same);
    rectangles.forEach(crop);
  };
  const move = (x, y) => {
    now.x = Math.round(Math.min(Math.max(x, 0), 1) * 1e4) / 1e4;
    now.y = Math.round(Math.min(Math.max(y, 0), 1) * 1e4) / 1e4;
    show();
  };
  const moveToPointer = (event) => {
    const box = area.getBoundingClientRect();
    move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  area.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    area.setPointerCapture(event.pointerId);
    point.focus({ preventScroll: true });
    moveToPointer(event);
  });
  area.addEventListener("pointermove", (event) => { if (area.hasPointerCapture(event.pointerId)) moveToPointer(event); });
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  point.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const by = event.shiftKey ? 0.1 : 0.01;
    move(now.x + step[0] * by, now.y + step[1] * by);
  });
  byId("focus-reset").addEventListener("click", () => move(saved.x, saved.y));
  byId("focus-auto").addEventListener("click", () => save("DELETE"));
  form.addEventListener("submit", (event) => { event.preventDefault(); save("PUT"); });

  async function save(method) {
    try {
      await callApi(method, `${address}/focus`, method === "PUT" ? { x: now.x, y: now.y } : undefined);
      Object.assign(saved, now);
      byId("focus-auto").hidden = method === "DELETE";
      show();
      showToast("The pictures are being rendered around the new focus.");
      busy = true;
      refresh();
    } catch (error) {
      showToast(error.message);
    }
  }
  show();
}

/** Update the state and the pictures. */
async function refresh() {
  try {
    const state = await fetchFragment(`/photos/${id}?part=state`);
    const pictures = await fetchFragment(`/photos/${id}?part=pictures`);
    busy = !["complete", "failed"].includes(state.headers.get("X-State"));
    byId("state").dataset.state = state.headers.get("X-State");
    if (byId("state").innerHTML.trim() !== state.html.trim()) byId("state").innerHTML = state.html;
    if (byId("pictures").innerHTML.trim() !== pictures.html.trim()) byId("pictures").innerHTML = pictures.html;
  } catch (error) {
    if (error.status === 404) location.assign("/");
  }
}

for (const [button, quarters] of [["turn-left", 3], ["turn-right", 1]]) {
  byId(button).addEventListener("click", async () => {
    byId("turn-left").disabled = byId("turn-right").disabled = true;
    try {
      await callApi("PUT", `${address}/turn`, { turn: (Number(photo.dataset.turn) + quarters) % 4 });
      location.reload();
    } catch (error) {
      byId("turn-left").disabled = byId("turn-right").disabled = false;
      showToast(error.message);
    }
  });
}
byId("again").addEventListener("click", async () => {
  try {
    await callApi("POST", "/api/admin/retry", { which: "named", ids: [id] });
    showToast("The photo will be processed again.");
    busy = true;
    refresh();
  } catch (error) {
    showToast(error.message);
  }
});
byId("delete").addEventListener("click", async () => {
  const sure = await confirmAction("Delete this photo?",
    "The original and all its pictures are deleted from the frames and from the bucket. This cannot be undone.", "Delete");
  if (!sure) return;
  try {
    await callApi("DELETE", address);
    location.assign("/");
  } catch (error) {
    showToast(error.message);
  }
});

followEvents({ changed: oneAtATime(async () => { if (busy) await refresh(); }) });
