// What every page's script uses: calls to the API, questions, messages, news from the server.

export const byId = (id) => document.getElementById(id);

/** A refusal of the server, with the sentence that came with it; status 0 when it could not be reached. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Call the API with JSON and give back its answer. Throws Refused. */
export async function call(method, path, body) {
  const options = { method, headers: { Accept: "application/json" }, signal: AbortSignal.timeout(60000) };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    throw new Refused("the server does not answer; is this device still connected?", 0);
  }
  if (answer.status === 401) leaveForLogin();
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(told.error || `the server answered ${answer.status}`, answer.status);
  return told;
}

/** A piece of a page: {html, headers}. Throws Refused. */
export async function part(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(60000) })
    .catch(() => { throw new Refused("the server does not answer; is this device still connected?", 0); });
  if (answer.status === 401) leaveForLogin();
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Refused(told.error || `the server answered ${answer.status}`, answer.status);
  }
  return { html: await answer.text(), headers: answer.headers };
}

/** The elements in a piece of a page. */
export function elementsOf(html) {
  const made = document.createElement("template");
  made.innerHTML = html;
  return [...made.content.children];
}

export function leaveForLogin() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

let toastTimer;
/** Say something that goes away by itself; screen readers read it out. */
export function say(sentence) {
  const toast = byId("toast");
  toast.textContent = sentence.charAt(0).toUpperCase() + sentence.slice(1);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { toast.textContent = ""; }, 7000);
}

/** Ask before something that cannot be undone; true for yes. */
export function confirmed(question, detail, yes) {
  const dialog = byId("confirm");
  byId("confirm-question").textContent = question;
  byId("confirm-detail").textContent = detail;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** Do `work` for each of `items`, a few at a time, in their order. It must not throw. */
export async function eachOf(items, atOnce, work) {
  const waiting = items.values();
  const worker = async () => { for (const item of waiting) await work(item); };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

export const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

export const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** `work` as something to ask for: what is asked while it runs, or while it may not run, is done once afterwards and not
 * forgotten. Ask again once it may. */
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

/** Follow the server's news while this page can be seen: {name: handler}, and `onState(open, over)`; `over` once nobody is
 * logged in any more. */
export function follow(handlers, { whole = false, onState = () => {} } = {}) {
  let source;
  let opened;
  let over = false;
  const open = () => {
    if (over || source && source.readyState !== EventSource.CLOSED) return;
    source = new EventSource(whole ? "/activity/events?whole=true" : "/activity/events");
    source.onopen = () => onState(true);
    source.onerror = () => {
      onState(false);
      if (source.readyState === EventSource.CLOSED) {
        clearTimeout(opened);
        opened = setTimeout(open, 5000);
      }
    };
    source.addEventListener("over", () => {
      over = true;
      source.close();
      onState(false, true);
    });
    for (const [name, handler] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
    }
  };
  const close = () => { clearTimeout(opened); source?.close(); };
  const again = () => { over = false; open(); };  // somebody may have logged in in another tab meanwhile
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : again()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) again(); });
  if (!document.hidden) open();
}

/** Times as this device tells them, in place of UTC. */
export function localTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-seconds]")) {
    const moment = new Date(Number(time.dataset.seconds) * 1000);
    time.dateTime = moment.toISOString();
    time.textContent = moment.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
}
