// The files of a drop, including those in dropped folders, and the files that are left out.

const MAX_FILES = 20000;
const RAW = { dng: "Adobe DNG", nef: "Nikon NEF", cr2: "Canon CR2", cr3: "Canon CR3", arw: "Sony ARW", orf: "Olympus ORF",
  rw2: "Panasonic RW2", raf: "Fujifilm RAF", pef: "Pentax PEF" }; // as in contract/image_header/raw.py
const SYSTEM_FOLDERS = new Set(["@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", ".@__thumb", "$recycle.bin",
  "system volume information", "lost+found"]); // as in slideshow/photos/files.py
const paths = new WeakMap(); // path of a dropped file, which the file itself does not have

/** Return all files of a drop, at most 20,000, and the number of hidden files and folders that were left out. */
export async function filesOf(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const roots = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = items.map((item) => item.getAsFile());
  const found = { files: [], hidden: 0 };
  for (const [index, root] of roots.entries()) {
    if (root === null) {
      if (plain[index]) found.files.push(plain[index]);
    } else {
      await collect(root, found);
    }
  }
  return found;
}

async function collect(entry, found) {
  if (found.files.length >= MAX_FILES) return;
  if (entry.name.startsWith(".") || (entry.isDirectory && isSystemFolder(entry.name))) {
    found.hidden += 1;
    return;
  }
  if (entry.isFile) {
    const file = await new Promise((resolve) => { entry.file(resolve, () => resolve(null)); });
    if (!file) return;
    paths.set(file, entry.fullPath);
    found.files.push(file);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader returns a folder in batches, and an empty batch at its end.
    const batch = await new Promise((resolve) => { reader.readEntries(resolve, () => resolve([])); });
    if (!batch.length) return;
    for (const child of batch) await collect(child, found);
  }
}

const isSystemFolder = (name) => SYSTEM_FOLDERS.has(name.toLowerCase());
const pathOf = (file) => paths.get(file) || file.webkitRelativePath || file.name;

/** Return whether a file is hidden, or in a folder that is hidden or that a NAS or an operating system fills. */
export function isHidden(file) {
  const names = pathOf(file).split("/");
  return names.slice(0, -1).some(isSystemFolder)
    || names.some((name) => name.startsWith(".") || name === "Thumbs.db" || name === "desktop.ini");
}

/** Return the kind of a camera raw file by its extension, or undefined. */
export const rawKind = (name) => RAW[name.split(".").pop().toLowerCase()];

/** Return the files without camera raw files that have a JPEG of the same name in the same folder: they are one photo. */
export function withoutTwins(files) {
  const stem = (file) => pathOf(file).replace(/\.[^./]*$/, "").toLowerCase();
  const inFolder = (file) => pathOf(file).includes("/");
  const jpegs = new Set(files.filter((file) => inFolder(file) && /\.jpe?g?$/i.test(file.name)).map(stem));
  return files.filter((file) => !(inFolder(file) && rawKind(file.name) && jpegs.has(stem(file))));
}
