// The activity page: replaces the sections that changed whenever the server sends an event.
import { byId, elementsOf, localTimes } from "./dom.js";
import { followEvents } from "./events.js";

const container = byId("activity");
const shown = [...container.children].map((section) => section.outerHTML);
localTimes(container);
let announced = "";

function show(html) {
  elementsOf(html).forEach((section, index) => {
    const text = section.outerHTML;
    if (text === shown[index]) return;
    shown[index] = text;
    const old = container.children[index];
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const position = focused && [...old.querySelectorAll("a, [tabindex]")].indexOf(focused);
    localTimes(section);
    old.replaceWith(section);
    if (focused) section.querySelectorAll("a, [tabindex]")[position]?.focus();
  });
}

/** Announce to screen readers when the work begins and when it ends, and nothing in between. */
function announce(counts) {
  const left = counts.pending + counts.processing;
  const sentence = left ? "Photos are being processed." : `All photos are processed: ${counts.complete} complete, ${counts.failed} failed.`;
  if (sentence === announced) return;
  announced = sentence;
  byId("announcement").textContent = sentence;
}

followEvents({ activity: show, counts: announce }, {
  whole: true,
  onState: (connected, loggedOut = false) => {
    byId("live").dataset.state = connected ? "on" : "off";
    byId("live-text").textContent = connected ? "Live" : loggedOut ? "You are logged out: reload the page to log in" : "Not connected; reconnecting …";
  },
});
