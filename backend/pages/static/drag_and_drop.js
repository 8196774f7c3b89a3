// The files of a drop, including those in dropped folders.

const MAX_FILES = 20000;

/** Return all files of a drop, at most 20,000. */
export async function filesOf(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const roots = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = items.map((item) => item.getAsFile());
  const files = [];
  for (const [index, root] of roots.entries()) {
    if (root === null) {
      if (plain[index]) files.push(plain[index]);
    } else {
      await collect(root, files);
    }
  }
  return files;
}

async function collect(entry, files) {
  if (files.length >= MAX_FILES || entry.name.startsWith(".")) return;
  if (entry.isFile) {
    const file = await new Promise((resolve) => { entry.file(resolve, () => resolve(null)); });
    if (file) files.push(file);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader returns a folder in batches, and an empty batch at its end.
    const batch = await new Promise((resolve) => { reader.readEntries(resolve, () => resolve([])); });
    if (!batch.length) return;
    for (const child of batch) await collect(child, files);
  }
}

/** Return whether a file, or a folder on its path, is hidden. */
export function isHidden(file) {
  const path = file.webkitRelativePath || file.name;
  return path.split("/").some((name) => name.startsWith(".") || name === "Thumbs.db" || name === "desktop.ini");
}
