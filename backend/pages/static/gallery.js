// The gallery: filters that apply themselves, pages that follow on their own, and work on many photos at once.
import { byId, call, confirmed, counted, eachOf, elementsOf, follow, oneAtATime, part, say } from "./tools.js";

const WATCHED = 100;
const tiles = byId("tiles");
const filters = document.querySelector(".filters");

// Filters.
byId("filter").hidden = true;
filters.addEventListener("change", (event) => { if (event.target.type === "radio") filters.requestSubmit(); });
filters.addEventListener("submit", () => {
  for (const input of filters.elements) if (input.name && !input.value) input.disabled = true;
});
addEventListener("pageshow", () => { for (const input of filters.elements) input.disabled = false; });

if (tiles) {
  endless();
  selection();
  liveStates();
}

/** The next page comes before the reader reaches the end; the link stays for who would rather press it. */
function endless() {
  const more = byId("more");
  let loading = false;
  const load = async () => {
    if (loading || more.hidden) return;
    loading = true;
    more.textContent = "Loading …";
    try {
      const { html, headers } = await part(`${more.getAttribute("href")}&part=tiles`);
      tiles.append(...elementsOf(html));
      more.setAttribute("href", headers.get("X-More"));
      more.hidden = !headers.get("X-More");
    } catch (error) {
      say(error.message);
    }
    more.textContent = "Show more";
    loading = false;
  };
  more.addEventListener("click", (event) => { event.preventDefault(); load(); });
  new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) load(); }, { rootMargin: "600px" }).observe(more);
}

/** Photos that are chosen, and what is done with all of them. */
function selection() {
  const bar = byId("selection");
  const chosen = () => [...tiles.querySelectorAll("input[name=pick]:checked")];
  let last = null;

  const show = () => {
    const number = chosen().length;
    byId("selected-count").textContent = number.toLocaleString("en");
    bar.hidden = number === 0;
    tiles.classList.toggle("choosing", number > 0);
    for (const box of tiles.querySelectorAll("input[name=pick]")) box.closest(".tile").classList.toggle("chosen", box.checked);
  };
  tiles.addEventListener("click", (event) => {
    if (event.target.name !== "pick") return;
    const boxes = [...tiles.querySelectorAll("input[name=pick]")];
    const place = boxes.indexOf(event.target);
    if (event.shiftKey && last !== null && last < boxes.length) {
      for (const box of boxes.slice(Math.min(last, place), Math.max(last, place) + 1)) box.checked = event.target.checked;
    }
    last = place;
    show();
  });
  tiles.addEventListener("change", show);
  addEventListener("pageshow", show);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !document.querySelector("dialog[open]")) choose(false); });
  const choose = (on) => {
    for (const box of tiles.querySelectorAll("input[name=pick]")) box.checked = on;
    show();
  };
  byId("select-all").addEventListener("click", () => choose(true));
  byId("unselect").addEventListener("click", () => { choose(false); byId("main").focus(); });

  byId("retry").addEventListener("click", async () => {
    const ids = chosen().map((box) => box.value);
    try {
      let retried = 0;
      for (let at = 0; at < ids.length; at += 1000) {
        retried += (await call("POST", "/api/admin/retry", { which: "named", ids: ids.slice(at, at + 1000) })).retried;
      }
      say(`${counted(retried, "photo")} will be processed again.`);
      choose(false);
    } catch (error) {
      say(error.message);
    }
    refresh(ids);
  });
  byId("delete").addEventListener("click", async () => {
    const ids = chosen().map((box) => box.value);
    const sure = await confirmed(`Delete ${counted(ids.length, "photo")}?`,
      "The originals and every picture made of them go, from the frames and from the bucket. This cannot be undone.", "Delete");
    if (!sure) return;
    const failed = [];
    await eachOf(ids, 4, async (id) => {
      const tile = byId(`photo-${id}`);
      tile.classList.add("gone");
      try {
        await call("DELETE", `/api/images/${id}`);
        tile.remove();
      } catch (error) {
        if (error.status === 404) { tile.remove(); return; }
        tile.classList.remove("gone");
        failed.push(`${tile.querySelector(".filename").textContent}: ${error.message}`);
      }
    });
    show();
    say(failed.length ? `${counted(failed.length, "photo")} could not be deleted. ${failed[0]}` : `${counted(ids.length, "photo")} deleted.`);
    byId("main").focus();
    if (!tiles.children.length) location.reload();
  });
}

/** Put today's tile in the place of each of these photos. */
async function refresh(ids) {
  if (!ids.length) return;
  try {
    const { html } = await part(`/?part=tiles&ids=${ids.slice(0, WATCHED).join(",")}`);
    for (const fresh of elementsOf(html)) {
      const old = byId(fresh.id);
      if (!old || old.dataset.state === fresh.dataset.state) continue;
      const box = old.querySelector("input[name=pick]");
      fresh.querySelector("input[name=pick]").checked = box.checked;
      fresh.classList.toggle("chosen", box.checked);
      const within = old.contains(document.activeElement) ? document.activeElement.tagName : null;
      old.replaceWith(fresh);
      if (within) fresh.querySelector(within.toLowerCase())?.focus();
    }
  } catch (error) {
    console.warn(error.message);
  }
}

/** Whenever the library changes, unfinished photos are looked at again. */
function liveStates() {
  const unfinished = () => [...tiles.querySelectorAll(".tile:not([data-state=complete])")].map((tile) => tile.dataset.id);
  follow({
    counts: (counts) => {
      for (const box of document.querySelectorAll("input[name=state]")) {
        const all = Object.values(counts).reduce((sum, one) => sum + one, 0);
        box.nextElementSibling.querySelector("b").textContent = (box.value ? counts[box.value] : all).toLocaleString("en");
      }
    },
    changed: oneAtATime(() => refresh(unfinished())),
  });
}
