// Messages and questions.
import { byId } from "./dom.js";

let toastTimer;

/** Show a message for some seconds; screen readers announce it. */
export function showToast(sentence) {
  const toast = byId("toast");
  toast.textContent = sentence.charAt(0).toUpperCase() + sentence.slice(1);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { toast.textContent = ""; }, 7000);
}

/** Ask for confirmation of something that cannot be undone. Resolves to whether the user confirmed. */
export function confirmAction(question, detail, label) {
  const dialog = byId("confirm");
  byId("confirm-question").textContent = question;
  byId("confirm-detail").textContent = detail;
  byId("confirm-yes").textContent = label;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
