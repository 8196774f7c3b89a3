// The upload queue as the browser keeps it, so that the page may be left and come back to.

const NAME = "slideshow-uploads";
const STORE = "files";
const MOST_BYTES = 2 ** 31; // so much of what waits is kept; beyond it only names are

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

export class Kept {
  /** Opens the store; where a browser has none (a private window), nothing is kept and `lasting` is false. */
  static async open() {
    try {
      const request = indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
      return new Kept(await done(request));
    } catch (error) {
      console.warn("uploads are not kept:", error);
      return new Kept(null);
    }
  }

  constructor(database) {
    this.database = database;
    this.lasting = database !== null;
    this.bytes = 0;
  }

  async all() {
    if (!this.database) return [];
    const found = await done(this.database.transaction(STORE).objectStore(STORE).getAll());
    return found.sort((one, other) => one.order - other.order);
  }

  /** Keep an entry as it is now. A file that has been sent is let go. */
  async put(entry) {
    if (!this.database) return;
    entry.order ??= performance.timeOrigin + performance.now();
    if (entry.file && !entry.counted) {
      this.bytes += entry.size;
      entry.counted = true;
    }
    const whole = this.bytes <= MOST_BYTES;
    if (!whole) this.lasting = false;
    try {
      await done(this.database.transaction(STORE, "readwrite").objectStore(STORE).put({ ...entry, file: whole ? entry.file : null }));
    } catch (error) { // no room is left: the page warns before it is closed
      this.lasting = false;
      console.warn("an upload is not kept:", error);
    }
  }

  async clear() {
    this.bytes = 0;
    if (this.database) await done(this.database.transaction(STORE, "readwrite").objectStore(STORE).clear());
  }
}
