// The gallery: filters without a button, endless scrolling, and actions on the selected photos.
import { callApi, fetchFragment } from "./api.js";
import { confirmAction, showToast } from "./dialog.js";
import { byId, counted, elementsOf } from "./dom.js";
import { followEvents, forEachConcurrently, oneAtATime } from "./events.js";

const MAX_REFRESHED = 100; // tiles per request, as in pages/gallery.py
const BATCH = 1000; // photos per request
const DELETE_CONCURRENCY = 4;
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
  loadMoreOnScroll();
  handleSelection();
  updateOnEvents();
}

/** Load the next page before the user reaches the end of the list. The link can be pressed as well. */
function loadMoreOnScroll() {
  const more = byId("more");
  let loading = false;
  const load = async () => {
    if (loading || more.hidden) return;
    loading = true;
    more.textContent = "Loading …";
    try {
      const { html, headers } = await fetchFragment(`${more.getAttribute("href")}&part=tiles`);
      tiles.append(...elementsOf(html));
      more.setAttribute("href", headers.get("X-More"));
      more.hidden = !headers.get("X-More");
    } catch (error) {
      showToast(error.message);
    }
    more.textContent = "Show more";
    loading = false;
  };
  more.addEventListener("click", (event) => { event.preventDefault(); load(); });
  new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) load(); }, { rootMargin: "600px" }).observe(more);
}

/** Select photos, and turn, retry or delete all selected ones. */
function handleSelection() {
  const bar = byId("selection");
  const selected = () => [...tiles.querySelectorAll("input[name=pick]:checked")];
  let last = null;

  const show = () => {
    const count = selected().length;
    byId("selected-count").textContent = count.toLocaleString("en");
    bar.hidden = count === 0;
    tiles.classList.toggle("selecting", count > 0);
    for (const box of tiles.querySelectorAll("input[name=pick]")) box.closest(".tile").classList.toggle("selected", box.checked);
  };
  tiles.addEventListener("click", (event) => {
    if (event.target.name !== "pick") return;
    const boxes = [...tiles.querySelectorAll("input[name=pick]")];
    const index = boxes.indexOf(event.target);
    if (event.shiftKey && last !== null && last < boxes.length) {
      for (const box of boxes.slice(Math.min(last, index), Math.max(last, index) + 1)) box.checked = event.target.checked;
    }
    last = index;
    show();
  });
  tiles.addEventListener("change", show);
  addEventListener("pageshow", show);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !document.querySelector("dialog[open]")) selectAll(false); });
  const selectAll = (on) => {
    for (const box of tiles.querySelectorAll("input[name=pick]")) box.checked = on;
    show();
  };
  byId("select-all").addEventListener("click", () => selectAll(true));
  byId("unselect").addEventListener("click", () => { selectAll(false); byId("main").focus(); });

  for (const [button, quarters] of [["turn-left", 3], ["turn-right", 1]]) {
    byId(button).addEventListener("click", async () => {
      const ids = selected().map((box) => box.value);
      try {
        let turned = 0;
        for (let start = 0; start < ids.length; start += BATCH) {
          turned += (await callApi("POST", "/api/admin/turn", { ids: ids.slice(start, start + BATCH), quarters })).turned;
        }
        showToast(`${counted(turned, "photo")} turned. The pictures are being rendered.`);
      } catch (error) {
        showToast(error.message);
      }
      refresh(ids);
    });
  }
  byId("retry").addEventListener("click", async () => {
    const ids = selected().map((box) => box.value);
    try {
      let retried = 0;
      for (let start = 0; start < ids.length; start += BATCH) {
        retried += (await callApi("POST", "/api/admin/retry", { which: "named", ids: ids.slice(start, start + BATCH) })).retried;
      }
      showToast(`${counted(retried, "photo")} will be processed again.`);
      selectAll(false);
    } catch (error) {
      showToast(error.message);
    }
    refresh(ids);
  });
  byId("delete").addEventListener("click", async () => {
    const ids = selected().map((box) => box.value);
    const sure = await confirmAction(`Delete ${counted(ids.length, "photo")}?`,
      "The originals and all their pictures are deleted from the frames and from the bucket. This cannot be undone.", "Delete");
    if (!sure) return;
    const failed = [];
    await forEachConcurrently(ids, DELETE_CONCURRENCY, async (id) => {
      const tile = byId(`photo-${id}`);
      tile.classList.add("deleting");
      try {
        await callApi("DELETE", `/api/images/${id}`);
        tile.remove();
      } catch (error) {
        if (error.status === 404) { tile.remove(); return; }
        tile.classList.remove("deleting");
        failed.push(`${tile.querySelector(".filename").textContent}: ${error.message}`);
      }
    });
    show();
    showToast(failed.length ? `${counted(failed.length, "photo")} could not be deleted. ${failed[0]}` : `${counted(ids.length, "photo")} deleted.`);
    byId("main").focus();
    if (!tiles.children.length) location.reload();
  });
}

/** Replace the tiles of these photos by current ones. */
async function refresh(ids) {
  if (!ids.length) return;
  try {
    const { html } = await fetchFragment(`/?part=tiles&ids=${ids.slice(0, MAX_REFRESHED).join(",")}`);
    for (const fresh of elementsOf(html)) {
      const old = byId(fresh.id);
      if (!old || old.dataset.state === fresh.dataset.state) continue;
      const box = old.querySelector("input[name=pick]");
      fresh.querySelector("input[name=pick]").checked = box.checked;
      fresh.classList.toggle("selected", box.checked);
      const focusedTag = old.contains(document.activeElement) ? document.activeElement.tagName : null;
      old.replaceWith(fresh);
      if (focusedTag) fresh.querySelector(focusedTag.toLowerCase())?.focus();
    }
  } catch (error) {
    console.warn(error.message);
  }
}

/** Update the counts and the tiles of unfinished photos whenever the library changes. */
function updateOnEvents() {
  const unfinished = () => [...tiles.querySelectorAll(".tile:not([data-state=complete])")].map((tile) => tile.dataset.id);
  followEvents({
    counts: (counts) => {
      for (const box of document.querySelectorAll("input[name=state]")) {
        const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
        box.nextElementSibling.querySelector("b").textContent = (box.value ? counts[box.value] : all).toLocaleString("en");
      }
    },
    changed: oneAtATime(() => refresh(unfinished())),
  });
}
