// Helpers for elements and texts.

export const byId = (id) => document.getElementById(id);

/** The elements in a fragment of HTML. */
export function elementsOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.children];
}

export const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** Replace UTC times by local times. */
export function localTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-seconds]")) {
    const moment = new Date(Number(time.dataset.seconds) * 1000);
    time.dateTime = moment.toISOString();
    time.textContent = moment.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
}
