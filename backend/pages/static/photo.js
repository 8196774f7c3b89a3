// The page of one photo: its focus is moved by hand, its pictures follow, and it can be processed again or deleted.
import { byId, call, confirmed, follow, localTimes, oneAtATime, part, say } from "./tools.js";

const photo = byId("photo");
const [id, width, height] = [photo.dataset.id, Number(photo.dataset.width), Number(photo.dataset.height)];
const MOST_CUT = 0.5;
const address = `/api/images/${id}`;
localTimes();
focus();
original();
let busy = byId("state").dataset.state !== "complete" && byId("state").dataset.state !== "failed";

/** What a browser cannot show, such as HEIC, is imitated by the small picture, where it was cut out, on the photo's ground. */
function original() {
  const image = byId("original");
  const side = Math.min(width, height);
  const share = (at, length) => (length > side ? Math.min(Math.max(at * length - side / 2, 0), length - side) / (length - side) : 0);
  const broken = () => {
    if (image.dataset.small && !image.classList.contains("small")) {
      image.classList.add("small");
      const { x, y } = byId("focus").dataset;
      image.style.objectPosition = `${100 * share(Number(x), width)}% ${100 * share(Number(y), height)}%`;
      image.src = image.dataset.small;
    } else {
      image.classList.add("broken");
    }
  };
  image.addEventListener("error", broken);
  if (image.complete && !image.naturalWidth) broken();
}

function focus() {
  const [pad, point, form] = [byId("pad"), byId("point"), byId("focus")];
  const kept = { x: Number(form.dataset.x), y: Number(form.dataset.y) };
  const now = { ...kept };
  const rectangles = [...document.querySelectorAll("#pictures img, #pictures svg")].map((picture) => {
    const box = picture.viewBox?.baseVal;
    const rectangle = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    byId("crops").append(rectangle);
    return { rectangle, ratio: box ? box.width / box.height : picture.getAttribute("width") / picture.getAttribute("height") };
  });

  /** The part that a screen of this ratio shows: as large as fits, around the focus; all of it where half would be cut off. */
  const crop = ({ rectangle, ratio }) => {
    const cut = width / height > ratio ? [height * ratio, height] : [width, width / ratio];
    const [w, h] = cut[0] * cut[1] < MOST_CUT * width * height ? [width, height] : cut;
    const between = (value, most) => Math.min(Math.max(value, 0), most);
    rectangle.setAttribute("width", w);
    rectangle.setAttribute("height", h);
    rectangle.setAttribute("x", between(now.x * width - w / 2, width - w));
    rectangle.setAttribute("y", between(now.y * height - h / 2, height - h));
  };
  const show = () => {
    point.style.left = `${now.x * 100}%`;
    point.style.top = `${now.y * 100}%`;
    byId("where").textContent = `${Math.round(now.x * 100)} % from the left, ${Math.round(now.y * 100)} % from the top`;
    const same = Math.abs(now.x - kept.x) < 1e-4 && Math.abs(now.y - kept.y) < 1e-4;
    byId("focus-save").disabled = same;
    byId("focus-back").disabled = same;
    pad.classList.toggle("moved", !same);
    rectangles.forEach(crop);
  };
  const move = (x, y) => {
    now.x = Math.round(Math.min(Math.max(x, 0), 1) * 1e4) / 1e4;
    now.y = Math.round(Math.min(Math.max(y, 0), 1) * 1e4) / 1e4;
    show();
  };
  const follows = (event) => {
    const box = pad.getBoundingClientRect();
    move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    pad.setPointerCapture(event.pointerId);
    point.focus({ preventScroll: true });
    follows(event);
  });
  pad.addEventListener("pointermove", (event) => { if (pad.hasPointerCapture(event.pointerId)) follows(event); });
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  point.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const by = event.shiftKey ? 0.1 : 0.01;
    move(now.x + step[0] * by, now.y + step[1] * by);
  });
  byId("focus-back").addEventListener("click", () => move(kept.x, kept.y));
  byId("focus-auto").addEventListener("click", () => save("DELETE"));
  form.addEventListener("submit", (event) => { event.preventDefault(); save("PUT"); });

  async function save(method) {
    try {
      await call(method, `${address}/focus`, method === "PUT" ? { x: now.x, y: now.y } : undefined);
      Object.assign(kept, now);
      byId("focus-auto").hidden = method === "DELETE";
      show();
      say("The pictures are being made around the new focus.");
      busy = true;
      refresh();
    } catch (error) {
      say(error.message);
    }
  }
  show();
}

/** Put today's state and pictures in their places. */
async function refresh() {
  try {
    const state = await part(`/photos/${id}?part=state`);
    const pictures = await part(`/photos/${id}?part=pictures`);
    busy = !["complete", "failed"].includes(state.headers.get("X-State"));
    byId("state").dataset.state = state.headers.get("X-State");
    if (byId("state").innerHTML.trim() !== state.html.trim()) byId("state").innerHTML = state.html;
    if (byId("pictures").innerHTML.trim() !== pictures.html.trim()) byId("pictures").innerHTML = pictures.html;
  } catch (error) {
    if (error.status === 404) location.assign("/");
  }
}

byId("again").addEventListener("click", async () => {
  try {
    await call("POST", "/api/admin/retry", { which: "named", ids: [id] });
    say("The photo will be processed again.");
    busy = true;
    refresh();
  } catch (error) {
    say(error.message);
  }
});
byId("delete").addEventListener("click", async () => {
  const sure = await confirmed("Delete this photo?",
    "The original and every picture made of it go, from the frames and from the bucket. This cannot be undone.", "Delete");
  if (!sure) return;
  try {
    await call("DELETE", address);
    location.assign("/");
  } catch (error) {
    say(error.message);
  }
});

follow({ changed: oneAtATime(async () => { if (busy) await refresh(); }) });
