// The activity page follows the server's news: only the parts that changed are put in place.
import { byId, elementsOf, follow, localTimes } from "./tools.js";

const place = byId("activity");
const shown = [...place.children].map((section) => section.outerHTML);
localTimes(place);
let spoken = "";

function show(html) {
  elementsOf(html).forEach((fresh, at) => {
    const text = fresh.outerHTML;
    if (text === shown[at]) return;
    shown[at] = text;
    const old = place.children[at];
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const where = focused && [...old.querySelectorAll("a, [tabindex]")].indexOf(focused);
    localTimes(fresh);
    old.replaceWith(fresh);
    if (focused) fresh.querySelectorAll("a, [tabindex]")[where]?.focus();
  });
}

/** Read out when the work begins and ends, and nothing in between. */
function speak(counts) {
  const left = counts.pending + counts.processing;
  const sentence = left ? "Photos are being processed." : `All is done: ${counts.complete} complete, ${counts.failed} failed.`;
  if (sentence === spoken) return;
  spoken = sentence;
  byId("spoken").textContent = sentence;
}

follow({ activity: show, counts: speak }, {
  whole: true,
  onState: (open, over = false) => {
    byId("live").dataset.state = open ? "on" : "off";
    byId("live-text").textContent = open ? "Live" : over ? "You are logged out: reload the page to log in" : "Not connected; trying again …";
  },
});
