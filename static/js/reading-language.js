// data-language on the form of languages in the help dialog: the choice is sent first, and the page is loaded again only
// when the server has it, so that a reader without a connection stays on the case.

const PATIENCE = 20_000; // milliseconds

const form = document.querySelector("form[data-language]");
const problem = document.querySelector("[data-language-problem]");

async function choose(submitter) {
  const body = new FormData(form);
  body.set(submitter.name, submitter.value);
  try {
    // The reply leads back to this page: it is not followed, the page is loaded as usual.
    const options = { method: "POST", body, redirect: "manual", signal: AbortSignal.timeout(PATIENCE) };
    const response = await fetch(form.action, options);
    if (response.type !== "opaqueredirect") throw new Error(String(response.status));
    location.reload();
  } catch {
    problem.textContent = problem.dataset.unsent;
  }
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  problem.textContent = "";
  void choose(event.submitter);
});
