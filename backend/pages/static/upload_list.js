// The list of uploads with the state of each.

const LABELS = { waiting: "waiting", sending: "sending", done: "new", duplicate: "duplicate", rejected: "rejected", failed: "could not be sent" };
const ICONS = {
  waiting: "M12 7v5l3.5 2M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17",
  sending: "M12 19V6m-5 5 5-5 5 5",
  done: "m5 12.5 4.5 4.5L19 7.5",
  duplicate: "M5 9h14M5 15h14",
  rejected: "m6 6 12 12M18 6 6 18",
  failed: "M12 4 3 19.5h18zM12 10v4.5m0 2.5v.1",
};
const SVG = "http://www.w3.org/2000/svg";

export class UploadList {
  constructor(element) {
    this.element = element;
    this.items = new Map(); // entry key to list item
  }

  /** Append items for these entries. Entries with an error are moved to the top, where they are noticed. */
  append(entries) {
    const fragment = document.createDocumentFragment();
    for (const entry of entries) {
      const item = document.createElement("li");
      this.items.set(entry.key, item);
      this.fill(item, entry);
      fragment.append(item);
    }
    this.element.append(fragment);
  }

  update(entry) {
    const item = this.items.get(entry.key);
    if (item) this.fill(item, entry);
  }

  progress(entry, share) {
    const bar = this.items.get(entry.key)?.querySelector("progress");
    if (bar) bar.value = share;
  }

  clear() {
    this.element.replaceChildren();
    this.items.clear();
  }

  fill(item, entry) {
    item.className = entry.state;
    const name = document.createElement(entry.id ? "a" : "span");
    name.className = "filename";
    name.textContent = entry.name;
    if (entry.id) name.href = `/photos/${entry.id}`;
    const status = document.createElement("span");
    status.className = "status";
    status.textContent = LABELS[entry.state];
    item.replaceChildren(icon(entry.state), name, status);
    if (entry.state === "sending") {
      const bar = document.createElement("progress");
      bar.max = 1;
      bar.value = 0;
      bar.setAttribute("aria-label", `${entry.name}: sent`);
      item.append(bar);
      this.scrollTo(item);
    }
    if (entry.reason) {
      if (this.element.contains(item) && item !== this.element.firstElementChild) this.element.prepend(item);
      const reason = document.createElement("span");
      reason.className = "reason";
      reason.textContent = entry.reason;
      item.append(reason);
    }
  }

  /** Scroll the list along with the work, unless the user has scrolled elsewhere. */
  scrollTo(item) {
    const below = item.offsetTop - this.element.offsetTop - this.element.scrollTop;
    if (below > this.element.clientHeight - 60 && below < this.element.clientHeight * 2) this.element.scrollTop += below - this.element.clientHeight / 2;
  }
}

function icon(state) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[state]);
  svg.append(path);
  return svg;
}
