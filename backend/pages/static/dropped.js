// The files in what was dropped, folders searched through.

const MOST = 20000;

/** All files of a drop, at most 20,000. */
export async function filesOf(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const roots = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = items.map((item) => item.getAsFile());
  const found = [];
  for (const [at, root] of roots.entries()) {
    if (root === null) {
      if (plain[at]) found.push(plain[at]);
    } else {
      await collect(root, found);
    }
  }
  return found;
}

async function collect(entry, found) {
  if (found.length >= MOST || entry.name.startsWith(".")) return;
  if (entry.isFile) {
    const file = await new Promise((resolve) => { entry.file(resolve, () => resolve(null)); });
    if (file) found.push(file);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader hands out a folder in pieces, and an empty one at its end.
    const piece = await new Promise((resolve) => { reader.readEntries(resolve, () => resolve([])); });
    if (!piece.length) return;
    for (const child of piece) await collect(child, found);
  }
}

/** Whether a file or a folder on its way is hidden, as systems hide their own. */
export function isHidden(file) {
  const path = file.webkitRelativePath || file.name;
  return path.split("/").some((name) => name.startsWith(".") || name === "Thumbs.db" || name === "desktop.ini");
}
