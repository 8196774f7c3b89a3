// Server-sent events, and work that runs in order.

const RECONNECT_MS = 5000;

/** Subscribe to the server's events while the page is visible.
 *
 * `handlers` maps event names to functions of the decoded data. `onState(connected, loggedOut)` receives the state of the
 * connection. With `whole`, the activity page's HTML is sent as well. */
export function followEvents(handlers, { whole = false, onState = () => {} } = {}) {
  let source;
  let reconnect;
  let loggedOut = false;
  const open = () => {
    if (loggedOut || source && source.readyState !== EventSource.CLOSED) return;
    source = new EventSource(whole ? "/activity/events?whole=true" : "/activity/events");
    source.onopen = () => onState(true);
    source.onerror = () => {
      onState(false);
      if (source.readyState === EventSource.CLOSED) {
        clearTimeout(reconnect);
        reconnect = setTimeout(open, RECONNECT_MS);
      }
    };
    source.addEventListener("over", () => {
      loggedOut = true;
      source.close();
      onState(false, true);
    });
    for (const [name, handler] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
    }
  };
  const close = () => { clearTimeout(reconnect); source?.close(); };
  const reopen = () => { loggedOut = false; open(); };  // the user may have logged in again in another tab
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : reopen()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) reopen(); });
  if (!document.hidden) open();
}

/** Return a function that requests a run of `work`.
 *
 * One run happens at a time. Requests during a run, or while `mayRun` returns false, are combined into one later run;
 * call the function again once `mayRun` returns true. */
export function oneAtATime(work, mayRun = () => true) {
  let running = false;
  let due = false;
  return async () => {
    due = true;
    if (running) return;
    running = true;
    try {
      while (due && mayRun()) {
        due = false;
        await work();
      }
    } finally {
      running = false;
    }
  };
}

/** Run `work` for each of `items` in their order, at most `concurrency` at a time. `work` must not throw. */
export async function forEachConcurrently(items, concurrency, work) {
  const remaining = items.values();
  const worker = async () => { for (const item of remaining) await work(item); };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
}

export const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
