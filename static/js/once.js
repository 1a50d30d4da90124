// data-once on a form: its buttons rest once it is sent, so that a double click sends it once.
const REST_MS = 10_000; // then the connection may have failed, and the form may be sent again

const rest = (form, resting) => {
  for (const button of form.querySelectorAll("button")) button.disabled = resting;
};

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    // After the browser has collected the form: a disabled button would not be sent.
    setTimeout(() => rest(form, true));
    setTimeout(() => rest(form, false), REST_MS);
  });
}
// Back from the next page, the form may be sent again.
addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("form[data-once]").forEach((form) => rest(form, false));
});
