// The upload queue in the browser's storage (IndexedDB), so that uploads resume when the user returns to the page.

const NAME = "slideshow-uploads";
const STORE = "files";
const MAX_BYTES = 2 ** 31; // of waiting files; beyond it only their names are stored

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

export class PersistentQueue {
  /** Open the store. Without one (a private window), nothing is stored and `complete` is false. */
  static async open() {
    try {
      const request = indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
      return new PersistentQueue(await done(request));
    } catch (error) {
      console.warn("uploads are not stored:", error);
      return new PersistentQueue(null);
    }
  }

  constructor(database) {
    this.database = database;
    this.complete = database !== null; // whether every waiting file is stored
    this.bytes = 0;
  }

  async all() {
    if (!this.database) return [];
    const entries = await done(this.database.transaction(STORE).objectStore(STORE).getAll());
    for (const entry of entries) { // of an earlier version of this page
      if (entry.state === "refused") entry.state = "rejected";
      entry.reason ??= entry.why ?? "";
    }
    return entries.sort((first, second) => first.order - second.order);
  }

  /** Store the current state of an entry. An entry whose upload has ended has no file. */
  async put(entry) {
    if (!this.database) return;
    entry.order ??= performance.timeOrigin + performance.now();
    if (entry.file && !entry.counted) {
      this.bytes += entry.size;
      entry.counted = true;
    }
    const fits = this.bytes <= MAX_BYTES;
    if (!fits) this.complete = false;
    try {
      await done(this.database.transaction(STORE, "readwrite").objectStore(STORE).put({ ...entry, file: fits ? entry.file : null }));
    } catch (error) { // the storage is full: the page warns before it is closed
      this.complete = false;
      console.warn("an upload is not stored:", error);
    }
  }

  async clear() {
    this.bytes = 0;
    if (this.database) await done(this.database.transaction(STORE, "readwrite").objectStore(STORE).clear());
  }
}
