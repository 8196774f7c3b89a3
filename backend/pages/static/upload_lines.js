// The list of files and what became of each.

const WORDS = { waiting: "waiting", sending: "sending", done: "new", duplicate: "already here", refused: "refused", failed: "could not be sent" };
const SIGNS = {
  waiting: "M12 7v5l3.5 2M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17",
  sending: "M12 19V6m-5 5 5-5 5 5",
  done: "m5 12.5 4.5 4.5L19 7.5",
  duplicate: "M5 9h14M5 15h14",
  refused: "m6 6 12 12M18 6 6 18",
  failed: "M12 4 3 19.5h18zM12 10v4.5m0 2.5v.1",
};
const SVG = "http://www.w3.org/2000/svg";

export class Lines {
  constructor(list) {
    this.list = list;
    this.lines = new Map();
  }

  /** Add lines for these entries. What went wrong stands first, where it is seen. */
  show(entries) {
    const made = document.createDocumentFragment();
    for (const entry of entries) {
      const line = document.createElement("li");
      this.lines.set(entry.key, line);
      this.fill(line, entry);
      made.append(line);
    }
    this.list.append(made);
  }

  update(entry) {
    const line = this.lines.get(entry.key);
    if (line) this.fill(line, entry);
  }

  progress(entry, share) {
    const bar = this.lines.get(entry.key)?.querySelector("progress");
    if (bar) bar.value = share;
  }

  clear() {
    this.list.replaceChildren();
    this.lines.clear();
  }

  fill(line, entry) {
    line.className = entry.state;
    const name = document.createElement(entry.id ? "a" : "span");
    name.className = "filename";
    name.textContent = entry.name;
    if (entry.id) name.href = `/photos/${entry.id}`;
    const what = document.createElement("span");
    what.className = "what";
    what.textContent = WORDS[entry.state];
    line.replaceChildren(sign(entry.state), name, what);
    if (entry.state === "sending") {
      const bar = document.createElement("progress");
      bar.max = 1;
      bar.value = 0;
      bar.setAttribute("aria-label", `${entry.name}: sent`);
      line.append(bar);
      this.stayInSight(line);
    }
    if (entry.why) {
      if (this.list.contains(line) && line !== this.list.firstElementChild) this.list.prepend(line);
      const why = document.createElement("span");
      why.className = "why";
      why.textContent = entry.why;
      line.append(why);
    }
  }

  /** The list scrolls along with the work unless the reader has scrolled elsewhere. */
  stayInSight(line) {
    const below = line.offsetTop - this.list.offsetTop - this.list.scrollTop;
    if (below > this.list.clientHeight - 60 && below < this.list.clientHeight * 2) this.list.scrollTop += below - this.list.clientHeight / 2;
  }
}

function sign(state) {
  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("class", "icon");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SIGNS[state]);
  icon.append(path);
  return icon;
}
